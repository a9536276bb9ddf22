"""What is said of each file by `inv lane.verify`: its hash, its provenance, and what does not hold."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from imageyard.errors import EnvironmentLacks, NotFound, PolicyRefused, Transient
from imageyard.lanes.dsse import MOST_BYTES
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.places import PROVENANCE, file_key
from imageyard.lanes.verify import VerifiedFile, as_data, as_table, refusal_in, verify_local, verify_stored
from support.lanes.channels import names, wheel_file
from support.lanes.memory_s3 import BEGIN
from support.lanes.signed import lane_key, rules, signer
from support.lanes.signed_yard import SignedYard, channel
from support.lanes.wheels import wheel

ONE, TWO = names("1.0+acme", "1.1+acme")
BESIDE_ONE = file_key("acme", "stable", ONE) + PROVENANCE


@pytest.fixture
def yard(tmp_path: Path) -> SignedYard:
    return SignedYard(tmp_path / "dist")


def verify(yard: SignedYard, told: LaneChannel, *files: str) -> dict[str, VerifiedFile]:
    return {one.filename: one for one in verify_stored(yard.s3.bucket(), told, files)}


ALL_HOLD = dict.fromkeys(("sha256", "envelope", "signature", "statement", "subject", "repository", "workflow"), "yes")


def test_a_file_that_holds(yard: SignedYard) -> None:
    yard.upload(ONE, channel())
    yard.index(channel())
    found = verify(yard, channel())[ONE]
    assert (found.checks, found.key, found.why) == (ALL_HOLD, "ed25519-1", "")
    assert refusal_in([found]) is None
    heads, line = as_table([found]).splitlines()
    assert heads.split()[:4] == ["LANE", "CHANNEL", "FILE", "SHA256"]
    assert line.split() == ["acme", "stable", ONE, *["yes"] * 7, "ed25519-1", "-"]
    assert json.loads(json.dumps(as_data([found])))[0]["checks"] == ALL_HOLD


def test_what_does_not_hold_is_said_of_each_file(yard: SignedYard) -> None:
    """Whoever has the keys of the bucket and not that of the lane: other bytes, other provenance, an unlisted file."""
    for name in (ONE, TWO):
        yard.upload(name, channel())
    yard.index(channel())
    yard.s3.after = lambda: None
    assert refusal_in(list(verify(yard, channel()).values())) is None
    yard.s3.put(file_key("acme", "stable", ONE), wheel(ONE, files={"torch_acme/evil.py": b"x"}))
    yard.s3.put(file_key("acme", "stable", TWO) + PROVENANCE, signer(seed=2).sign(TWO, "a" * 64))
    found = verify(yard, channel())
    assert found[ONE].checks == {**ALL_HOLD, "sha256": "no", "subject": "no"}
    assert "the index says sha256:" in found[ONE].why
    assert found[TWO].checks == {"sha256": "yes", "envelope": "yes", "signature": "no"}
    error = refusal_in(list(found.values()))
    assert isinstance(error, PolicyRefused)
    assert [line.partition(":")[0] for line in error.detail] == [ONE, TWO]


def test_provenance_that_is_missing_is_wrong_where_it_is_demanded(yard: SignedYard) -> None:
    yard.s3.after = lambda: None
    yard.upload(ONE, channel("optional"), None)
    yard.index(channel("optional"))
    optional, required = verify(yard, channel("optional"))[ONE], verify(yard, channel())[ONE]
    assert (optional.why, optional.checks) == ("", {"sha256": "yes"})
    assert "no .intoto.jsonl" in optional.remark
    assert "no .intoto.jsonl" in required.why


def test_files_by_name(yard: SignedYard) -> None:
    yard.upload(ONE, channel())
    assert verify(yard, channel()) == {}
    assert "does not list it" in verify(yard, channel(), ONE)[ONE].why
    yard.index(channel())
    yard.upload(TWO, channel())
    assert list(verify(yard, channel(), ONE)) == [ONE]
    with pytest.raises(NotFound, match="has no file"):
        verify(yard, channel(), ONE, "torch_acme-9+acme-py3-none-any.whl")
    yard.s3.after = lambda: None
    del yard.s3.objects[file_key("acme", "stable", ONE)]
    assert "no such file" in verify(yard, channel())[ONE].why


def test_an_index_that_cannot_be_read(yard: SignedYard) -> None:
    yard.s3.after = lambda: None
    yard.s3.put("index/acme/stable/simple/index.v1_json", b"<html>")
    with pytest.raises(Transient, match="no JSON"):
        verify(yard, channel())


def test_huge_provenance_is_not_read_whole(yard: SignedYard) -> None:
    yard.s3.after = lambda: None
    yard.upload(ONE, channel("none"))
    yard.s3.put(BESIDE_ONE, b" " * (MOST_BYTES * 10))
    since = len(yard.s3.calls)
    assert verify(yard, channel(), ONE)[ONE].checks == {"sha256": "no", "envelope": "no"}
    assert ("get_object", BESIDE_ONE) in yard.s3.calls[since:]


def test_local_files(yard: SignedYard) -> None:
    path = wheel_file(yard.folder, ONE)
    told = channel()
    done = yard.upload(ONE, told)
    assert "no .intoto.jsonl" in verify_local(told, [path])[0].why
    path.with_name(ONE + PROVENANCE).write_bytes(yard.s3.objects[BESIDE_ONE].body)
    (found,) = verify_local(told, [path])
    assert (found.checks, found.why, found.digest) == ({**ALL_HOLD, "sha256": "-"}, "", done.facts.sha256)
    ended = channel(told=rules(lane_key(until=BEGIN + timedelta(days=900))))
    assert "nobody says when it was stored" in verify_local(ended, [path])[0].why
    path.write_bytes(b"other")
    assert verify_local(told, [path])[0].checks["subject"] == "no"
    path.unlink()
    with pytest.raises(EnvironmentLacks, match="cannot read"):
        verify_local(told, [path])
