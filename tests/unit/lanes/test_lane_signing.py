"""Provenance on its way: signed at the upload, and demanded by the index."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from imageyard.bucket.objects import Bucket
from imageyard.ci.providers.table import provider_of
from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.http.transport import Http
from imageyard.lanes.attested_files import read_attested
from imageyard.lanes.channels import NIGHTLY, Demand
from imageyard.lanes.dsse import MOST_BYTES
from imageyard.lanes.lane_access import LaneAccess
from imageyard.lanes.lane_rules import lane_channel as derived
from imageyard.lanes.places import PROVENANCE, file_key
from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.signing import KEY, Signer, signer_of
from support.github import oidc
from support.lanes.catalogues import HEAD, of
from support.lanes.channels import lane_channel, names
from support.lanes.memory_s3 import BEGIN, Killed
from support.lanes.signed import BUILDER, CLAIMS, key, lane_key, origin, pem, rules, signer
from support.lanes.signed_yard import JSON_PAGE, SignedYard, channel

ONE, TWO = names("1.0+acme", "1.1+acme")
BESIDE_ONE = file_key("acme", "stable", ONE) + PROVENANCE


@pytest.fixture
def yard(tmp_path: Path) -> SignedYard:
    return SignedYard(tmp_path / "dist")


# lanes.yml


def lanes(keys: str, channels: str = "") -> str:
    return f"{HEAD}{channels}lanes:\n  acme: {{repository: acme-ai/torch-acme@812345678, keys: {keys}}}\n"


def test_keys_of_a_lane() -> None:
    one, two = key().public, key("p256").public
    late = "until: 2026-11-28T12:00:00Z, repository: acme/torch"
    found = derived(of(lanes(f"{{new: {one.line}, old: {{key: {two.line}, {late}}}}}")), "acme", "stable").provenance
    new, old = found.keys
    assert (new.name, new.public, new.until, new.repository, new.workflow) == (
        "new",
        one,
        None,
        "acme-ai/torch-acme",
        BUILDER,
    )
    assert (old.public, old.until, old.repository) == (two, BEGIN + timedelta(hours=12), "acme/torch")
    assert (found.number, found.forge) == ("812345678", "https://github.com")
    assert derived(of(), "acme", "stable").provenance.keys == ()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{a: AAAA}", "no public key"),
        (f"{{a: {key().public.line}, A: {key('p256').public.line}}}", "name of a key"),
        ("{a: {until: 2026-11-28T12:00:00Z}}", "needs the key 'key'"),
        (f"{{a: {{key: {key().public.line}, until: 2026-11-28}}}}", "is no time"),
        (f"{{a: {{key: {key().public.line}, until: 2026-11-28T12:00:00+01:00}}}}", "is no time"),
        (f"{{a: {{key: {key().public.line}, repository: ../x}}}}", "OWNER/NAME"),
        (f"{{a: {{key: {key().public.line}, more: x}}}}", "unknown key"),
        (f"{{a: {key().public.line}, b: {key().public.line}}}", "has the key b twice"),
        ("[x]", "is a map"),
    ],
)
def test_keys_that_cannot_be_meant(said: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as refused:
        of(lanes(said))
    assert refused.value.at is not None


def test_two_lanes_have_no_key_in_common() -> None:
    """Whoever has the secret of one could sign for the other."""
    text = lanes(f"{{a: {key().public.line}}}")
    with pytest.raises(ConfigurationError, match="two lanes have the key b"):
        of(f"{text}  globex: {{repository: globex/plugin@7, keys: {{b: {key().public.line}}}}}\n")


@pytest.mark.parametrize("demand", ["required", "optional", "none"])
def test_a_channel_says_what_it_demands(demand: str) -> None:
    found = of(lanes("{}", f"channels: {{nightly: {{provenance: {demand}}}}}\n"))
    assert (found.channels["nightly"].provenance, found.channels["stable"].provenance) == (demand, "optional")


# Who signs


@pytest.mark.parametrize("demand", ["required", "optional", "none"])
def test_a_signer_is_made_where_there_is_a_key(demand: Demand) -> None:
    told = channel(demand)
    assert signer_of(told, {}, print, origin) is None
    found = signer_of(told, {KEY: pem()}, lambda secret: None, origin)
    assert (found is None) is (demand == "none")
    assert found is None or found.sign(ONE, "a" * 64) == signer().sign(ONE, "a" * 64)


def test_the_token_of_a_job_says_where_files_come_from(tmp_path: Path) -> None:
    file = tmp_path / "origin.json"
    file.write_text(json.dumps(CLAIMS))
    with oidc.served("repo:acme-ai/torch-acme:environment:lane-upload") as tokens:
        tokens.claims = CLAIMS
        job = LaneAccess(of(), provider_of({"GITHUB_ACTIONS": "true", **tokens.env}), Http(), lambda secret: None)
        assert job.origin(None) == origin()
        with pytest.raises(ConfigurationError, match="by itself"):
            job.origin(file)
    person = LaneAccess(of(), provider_of({}), Http(), lambda secret: None)
    assert person.origin(file) == origin()
    with pytest.raises(EnvironmentLacks, match="nobody says where"):
        person.origin(None)


# Uploading


def test_provenance_lies_beside_the_file(yard: SignedYard) -> None:
    done = yard.upload(ONE, channel())
    assert yard.s3.objects[BESIDE_ONE].body == signer().sign(ONE, done.facts.sha256)
    assert yard.s3.objects[BESIDE_ONE].media_type == "application/vnd.dsse.envelope.v1+json"
    written = yard.s3.writes()
    assert written.index(done.key) < written.index(BESIDE_ONE), "so that it is about the bytes that are there"


@pytest.mark.parametrize(("demand", "is_signed"), [("optional", True), ("none", False)])
def test_a_channel_without_provenance_signs_nothing(yard: SignedYard, demand: Demand, is_signed: bool) -> None:
    yard.s3.after = lambda: None
    yard.upload(ONE, channel(demand))
    assert (BESIDE_ONE in yard.s3.objects) is is_signed
    yard.upload(TWO, channel(demand), None)
    yard.index(channel(demand))
    assert yard.listed() == [ONE, TWO]


def test_what_a_channel_demands_is_looked_for_before_anything_is_sent(yard: SignedYard) -> None:
    with pytest.raises(EnvironmentLacks, match="demands provenance") as lacks:
        yard.upload(ONE, channel(), None)
    assert KEY in lacks.value.hint[0]
    assert yard.s3.calls == []


@pytest.mark.parametrize("demand", ["required", "optional"])
@pytest.mark.parametrize(
    ("who", "why"),
    [
        (signer(seed=2), "none of the lane"),
        (signer(repository="acme-evil/torch-acme"), "acme-evil"),
        (signer(job_workflow_ref="acme-ai/torch-acme/.github/workflows/x.yml@refs/heads/main"), "x.yml"),
    ],
    ids=["key", "repository", "workflow"],
)
def test_nobody_uploads_what_the_index_would_refuse(yard: SignedYard, demand: Demand, who: Signer, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as refused:
        yard.upload(ONE, channel(demand), who)
    assert who.key.public.line in refused.value.hint[0], "the line for lanes.yml"
    assert yard.s3.calls == []


def test_a_later_run_leaves_the_provenance_of_the_first(yard: SignedYard) -> None:
    yard.upload(ONE, channel())
    first = yard.s3.objects[BESIDE_ONE]
    assert yard.upload(ONE, channel(), signer("p256", run_id="43")).outcome == "already there"
    assert yard.s3.objects[BESIDE_ONE] == first


def test_a_file_gets_provenance_later(yard: SignedYard) -> None:
    """Where a channel begins to demand it: the same upload again adds what is missing."""
    yard.s3.after = lambda: None
    yard.upload(ONE, channel("optional"), None)
    assert yard.refused(channel()) == {ONE: "provenance"}
    yard.upload(ONE, channel())
    assert yard.refused(channel()) == {}
    assert yard.listed() == [ONE]


def test_provenance_that_does_not_hold_is_told_at_the_upload(yard: SignedYard) -> None:
    yard.upload(ONE, channel("none"))
    yard.s3.put(BESIDE_ONE, signer().sign(ONE, "b" * 64))
    with pytest.raises(FileRefused, match="its provenance does not hold") as refused:
        yard.upload(ONE, channel())
    assert refused.value.rule == "provenance-subject"


# Indexing


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (None, "provenance"),
        (b"{}", "provenance-envelope"),
        (b" " * (MOST_BYTES + 1), "provenance-envelope"),
        (signer(seed=2).sign(ONE, "a" * 64), "provenance-signature"),
        (signer().sign(ONE, "a" * 64), "provenance-subject"),
    ],
    ids=["none", "no envelope", "huge", "another key", "other bytes"],
)
@pytest.mark.parametrize("demand", ["required", "optional", "none"])
def test_what_is_listed(yard: SignedYard, demand: Demand, body: bytes | None, rule: str) -> None:
    """Where it is optional a file may lack it; what is there has to hold."""
    yard.s3.after = lambda: None
    told = channel(demand)
    yard.upload(ONE, channel("none"))
    if body is not None:
        yard.s3.put(BESIDE_ONE, body)
    is_listed = demand == "none" or (demand == "optional" and body is None)
    assert yard.refused(told) == ({} if is_listed else {ONE: rule})
    assert yard.listed() == ([ONE] if is_listed else [])
    assert yard.refused(told) == ({} if is_listed else {ONE: rule}), "it is remembered"


def test_the_index_names_no_object_of_pep_740(yard: SignedYard) -> None:
    """It would say that there is a certificate, and there is a key."""
    yard.upload(ONE, channel())
    yard.index(channel())
    (file,) = json.loads(yard.s3.objects[JSON_PAGE].body)["files"]
    assert "provenance" not in file
    assert b"data-provenance" not in yard.s3.objects[JSON_PAGE.replace("v1_json", "html")].body


def test_provenance_is_read_once_and_again_when_keys_change(yard: SignedYard) -> None:
    yard.upload(ONE, channel())
    yard.index(channel())
    for told, count in ((channel(), 0), (channel(told=rules(lane_key())), 1), (channel(told=rules(lane_key())), 0)):
        since = len(yard.s3.calls)
        report = yard.index(told)
        assert yard.s3.calls[since:].count(("get_object", BESIDE_ONE)) == count
        assert (report.read, yard.listed()) == ((), [ONE]), "the wheel is not read again"


def test_a_key_that_is_removed_takes_its_files_out_of_the_index(yard: SignedYard) -> None:
    """Nobody knows what a stolen key signed: without `until` nothing of it is believed."""
    yard.upload(ONE, channel())
    yard.upload(TWO, channel(), signer("p256"))
    assert yard.refused(channel()) == {}
    assert yard.refused(channel(told=rules(lane_key("p256")))) == {ONE: "provenance-signature"}
    assert yard.listed() == [TWO]
    assert yard.refused(channel()) == {}
    assert yard.listed() == [ONE, TWO]


def test_a_key_with_an_end_keeps_what_the_bucket_had_before(yard: SignedYard) -> None:
    yard.upload(ONE, channel())
    end = yard.s3.objects[BESIDE_ONE].modified + timedelta(seconds=1)
    yard.upload(TWO, channel())
    told = channel(told=rules(lane_key(until=end), lane_key("p256")))
    assert yard.refused(told) == {TWO: "provenance-signature"}
    assert yard.listed() == [ONE]


def test_where_signatures_cannot_be_checked_no_page_is_written(
    yard: SignedYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.upload(ONE, channel())
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    before = dict(yard.s3.objects)
    with pytest.raises(EnvironmentLacks, match="not installed"):
        yard.index(channel())
    assert yard.s3.objects == before


def test_what_nobody_looks_for_is_not_read() -> None:
    class Nobody(Bucket):
        def __init__(self) -> None:
            pass

    assert read_attested(Nobody(), {}, {ONE: "a" * 64}, {}, channel("none")) == {}
    assert read_attested(Nobody(), {}, {ONE: "a" * 64}, {}, channel()) == {}


@pytest.mark.parametrize("dies_after", [False, True])
def test_whoever_is_killed_lists_nothing_without_what_is_demanded(tmp_path: Path, dies_after: bool) -> None:
    def story(yard: SignedYard) -> None:
        for name in (ONE, TWO):
            yard.upload(name, channel())
            yard.index(channel())

    whole = SignedYard(tmp_path / "dist")
    story(whole)
    assert len(whole.s3.calls) > 20
    for die_at in range(len(whole.s3.calls)):
        yard = SignedYard(tmp_path / "dist")
        yard.s3.die_at, yard.s3.dies_after = die_at, dies_after
        with pytest.raises(Killed):
            story(yard)
        yard.check()
        yard.index(channel())
        story(yard)
        assert yard.listed() == [ONE, TWO]
        files = {name for name in yard.s3.objects if name.startswith("files/")}
        assert files == {name for name in whole.s3.objects if name.startswith("files/")}


def test_nightly_is_signed_in_the_same_way(yard: SignedYard) -> None:
    (nightly,) = names("1.0.dev1+acme")
    told = lane_channel(replace(NIGHTLY, provenance="required"), provenance=rules())
    yard.upload(nightly, told)
    assert yard.refused(told) == {}
