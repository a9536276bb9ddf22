"""From an image by digest to its tag: what is proven, who wins a race, and what is left wherever it is killed."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from imageyard.errors import Denied, ImageyardError, PolicyRefused, Transient
from imageyard.names import Reference
from imageyard.oci.raw import Raw
from imageyard.project.row_facts import RowFacts
from imageyard.publishing import record_artifact
from imageyard.publishing.publish import land
from imageyard.publishing.verify_published import prove
from imageyard.records import Record
from imageyard.registry import referrers
from imageyard.registry.client import Client
from imageyard.registry.tagging import Given
from imageyard.registry.upload import push_bytes
from support.building.checkout import Workplace, scene_of
from support.registry.built import put_built, put_index
from support.registry.memory import Fault, MemoryRegistry
from support.services import services

BASE = "linux-base"
RECORD = Record(BASE, "amd64", "published", 0, "", started="2026-01-01T00:00:00Z", recipe="1234", tag="t")


@pytest.fixture
def facts(tmp_path: Path) -> RowFacts:
    return scene_of(tmp_path).facts(BASE)


@pytest.fixture(params=[True, False], ids=["referrers API", "fallback tags"])
def registry(request: pytest.FixtureRequest) -> MemoryRegistry:
    return MemoryRegistry(has_referrers=request.param)


def publish(client: Client, place: Reference, image: Raw, facts: RowFacts, *, move: bool = False) -> Given:
    return land(client, place.with_digest(image.digest), facts.tag, facts.inputs, RECORD, move=move)


def test_the_tag_comes_with_the_record(registry: MemoryRegistry, facts: RowFacts) -> None:
    client, place = registry.client(), registry.reference("ci/image")
    image = put_built(client, place, facts)
    given = publish(client, place, image, facts)
    assert (given.digest, given.adopted) == (image.digest, False)
    assert registry.tags("ci/image")[facts.tag] == image.digest
    (record,) = record_artifact.read(client, place.with_digest(image.digest), services().reporter)
    (layer,) = json.loads(image.body)["layers"]
    assert record == replace(RECORD, digest=image.digest, layers=(layer["size"],))
    publish(client, place, image, facts)
    assert len(record_artifact.read(client, place.with_digest(image.digest), services().reporter)) == 1


class Killed(Exception):
    """The process ended here."""


def killed_at(registry: MemoryRegistry, number: int) -> None:
    """Let the registry do what the N-th request from now asks for, or not, and end the process there."""
    count = itertools.count()

    def before(request: str) -> None:
        if next(count) == number:
            registry.before = lambda request: None
            raise Killed(request)

    registry.before = before


def test_wherever_it_is_killed_the_tag_has_all_that_belongs_to_it(registry: MemoryRegistry, facts: RowFacts) -> None:
    killed = 0
    for number in itertools.count():
        client = registry.client()
        place = registry.reference(f"ci/kill-{number}")
        image = put_built(client, place, facts)
        killed_at(registry, number)
        try:
            publish(client, place, image, facts)
        except Killed:
            killed += 1
        else:
            break
        finally:
            registry.before = lambda request: None
        whole = record_artifact.read(client, place.with_digest(image.digest), services().reporter)
        assert facts.tag not in registry.tags(place.repository) or len(whole) == 1
        assert publish(client, place, image, facts).digest == image.digest, "a rerun does the rest"
        assert len(record_artifact.read(client, place.with_digest(image.digest), services().reporter)) == 1
    assert killed > 10


def test_where_another_run_was_faster_its_image_is_proven_and_adopted(
    registry: MemoryRegistry, facts: RowFacts
) -> None:
    client, place = registry.client(), registry.reference("ci/image")
    theirs, ours = put_built(client, place, facts, note="theirs"), put_built(client, place, facts, note="ours")
    client.put(place.with_tag(facts.tag), theirs.body, theirs.media_type)
    assert publish(client, place, ours, facts) == Given(theirs.digest, adopted=True)
    assert publish(client, place, ours, facts, move=True) == Given(ours.digest, adopted=False)
    assert registry.tags("ci/image")[facts.tag] == ours.digest


def test_an_image_of_other_inputs_under_the_tag_is_never_adopted(registry: MemoryRegistry, facts: RowFacts) -> None:
    client, place = registry.client(), registry.reference("ci/image")
    forged, ours = put_built(client, place, facts, inputs="0" * 64), put_built(client, place, facts)
    client.put(place.with_tag(facts.tag), forged.body, forged.media_type)
    with pytest.raises(PolicyRefused, match="is not what it should be"):
        publish(client, place, ours, facts)
    assert registry.tags("ci/image")[facts.tag] == forged.digest


def test_a_tag_that_cannot_move_is_adopted_where_it_was_given_meanwhile(facts: RowFacts) -> None:
    registry = MemoryRegistry(immutable=True)
    client, place = registry.client(), registry.reference("ci/image")
    theirs, ours = put_built(client, place, facts, note="theirs"), put_built(client, place, facts, note="ours")

    def faster(request: str) -> None:
        if request == f"PUT /v2/ci/image/manifests/{facts.tag}":
            registry.before = lambda request: None
            client.put(place.with_tag(facts.tag), theirs.body, theirs.media_type)

    registry.before = faster
    assert publish(client, place, ours, facts) == Given(theirs.digest, adopted=True)
    with pytest.raises(PolicyRefused, match="TAG_IMMUTABLE") as refused:
        publish(client, place, ours, facts, move=True)
    assert "raise `epoch`" in refused.value.hint[0]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("GET .*/blobs/", 403, code="DENIED", times=9), Denied),
        (Fault("PUT .*/manifests/sha256", 500, times=9), Transient),
        (Fault("PUT .*/manifests/linux", 403, code="DENIED"), Denied),
        (Fault("POST .*/uploads/", 429, times=9, headers={"retry-after": "100000"}), Transient),
    ],
)
def test_a_registry_that_refuses_or_fails_gets_no_tag(
    registry: MemoryRegistry, facts: RowFacts, fault: Fault, kind: type[ImageyardError]
) -> None:
    client, place = registry.client(), registry.reference("ci/image")
    image = put_built(client, place, facts)
    registry.faults = [replace(fault)]
    with pytest.raises(kind):
        publish(client, place, image, facts)
    assert facts.tag not in registry.tags("ci/image")


def test_an_answer_that_is_lost_on_the_way_is_no_failure(registry: MemoryRegistry, facts: RowFacts) -> None:
    client, place = registry.client(), registry.reference("ci/image")
    image = put_built(client, place, facts)
    registry.faults = [
        Fault(f"PUT .*/manifests/{facts.tag}", error=ConnectionResetError(), after=True),
        Fault("PUT .*/uploads/", error=ConnectionResetError(), after=True),
    ]
    assert publish(client, place, image, facts).digest == image.digest


@pytest.mark.parametrize("broken", ["no record", "no layer", "lost"])
def test_what_anybody_may_put_beside_an_image_is_left_out_where_it_is_no_record(
    registry: MemoryRegistry, facts: RowFacts, broken: str
) -> None:
    client, place = registry.client(), registry.reference("ci/image")
    image = put_built(client, place, facts)
    record_artifact.attach(client, place, image, RECORD)
    (entry,) = referrers.referrers(client, place.with_digest(image.digest))
    manifest = json.loads(client.get(place.with_digest(entry.digest)).body)
    content = b"not a record" if broken == "no record" else b"{}" + broken.encode()
    digest = push_bytes(client, place, content)
    layer = {**manifest["layers"][0], "digest": digest, "size": len(content)}
    manifest["layers"] = [] if broken == "no layer" else [layer]
    referrers.attach(client, place, json.dumps(manifest).encode())
    if broken == "lost":
        registry.lose("ci/image", digest)

    records = record_artifact.read(client, place.with_digest(image.digest), services().reporter)
    assert records == [RECORD]


def of(work: Workplace, *arches: str) -> dict[str, str]:
    return {platform: inputs for arch in arches for platform, inputs in work.facts(BASE, arch).inputs.items()}


def test_an_index_is_proven_with_all_that_it_leads_to(tmp_path: Path) -> None:
    work, registry = scene_of(tmp_path), MemoryRegistry()
    client, place = registry.client(), registry.reference("ci/image")
    rows = [(facts, put_built(client, place, facts)) for facts in (work.facts(BASE), work.facts(BASE, "arm64"))]
    index = place.with_digest(put_index(client, place, rows).digest)
    assert prove(client, index, of(work, "amd64", "arm64")).raw.digest == index.digest

    for wanted, words in (
        (of(work, "amd64"), "arm64"),
        (of(work, "amd64", "arm64") | {"linux/s390x": "1"}, "s390x"),
        (of(work, "amd64", "arm64") | {"linux/arm64": "0" * 64}, "not of 0000"),
    ):
        with pytest.raises(PolicyRefused) as refused:
            prove(client, index, wanted)
        assert words in "\n".join(refused.value.detail)
    registry.lose("ci/image", rows[1][1].digest)
    with pytest.raises(PolicyRefused, match="is not what it should be"):
        prove(client, index, of(work, "amd64", "arm64"))
