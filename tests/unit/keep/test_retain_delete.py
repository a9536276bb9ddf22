"""What `inv retain` does where a registry refuses to delete, or breaks off: nothing that is left lacks a part."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from imageyard.errors import ConfigurationError, Denied, Transient
from imageyard.keep.inventory import InventoryReader
from imageyard.keep.retain_delete import items_of
from imageyard.keep.retain_state import RepositoryState
from imageyard.keep.retention_facts import StoredManifest
from imageyard.keep.retention_plan import (
    DeleteReason,
    KeepReason,
    RetentionPlan,
    RetentionVerdict,
    bound_to,
    first_apart,
)
from imageyard.names import Digest
from imageyard.oci.raw import Raw
from support.building.checkout import Workplace, scene_of
from support.git import commit_all
from support.keep.published import IMAGES, LATER, OLD, START, RetainRequest, published, put, run, seen
from support.registry.memory import Fault, MemoryRegistry


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def scene(home: Path, tmp_path: Path, registry: MemoryRegistry) -> Workplace:
    made = scene_of(tmp_path, registry.client())
    commit_all(tmp_path)
    return made


def plan(*manifests: StoredManifest, stay: str = "") -> RetentionPlan:
    """A plan by which all goes but `stay`."""
    verdicts = {
        one.digest: RetentionVerdict(one, KeepReason.PINNED if one.digest == stay else DeleteReason.UNTAGGED)
        for one in manifests
    }
    return RetentionPlan(verdicts, tuple(digest for digest in verdicts if digest != stay))


INDEX = StoredManifest("index", children=("amd64", "arm64"))
AMD64, ARM64 = StoredManifest("amd64"), StoredManifest("arm64")
SIGNATURE = StoredManifest("signature", subject="arm64")
OTHER = StoredManifest("other", children=("arm64",))
EVERY = plan(INDEX, OTHER, AMD64, ARM64, SIGNATURE)


def test_a_batch_ends_before_what_belongs_to_something_in_it() -> None:
    assert first_apart(EVERY, EVERY.deletions, 100) == ("index", "other")
    assert first_apart(EVERY, EVERY.deletions, 1) == ("index",)
    assert first_apart(EVERY, EVERY.deletions[2:], 100) == ("amd64", "arm64"), "what refers to one comes after it"
    assert first_apart(EVERY, (), 100) == ()


def test_what_stays_keeps_its_parts_and_what_refers_to_them() -> None:
    assert bound_to(EVERY, {"index"}) == {"amd64", "arm64", "signature"}
    assert bound_to(EVERY, {"other"}) == {"arm64", "signature"}
    assert bound_to(EVERY, {"signature", "gone"}) == frozenset()
    assert bound_to(plan(INDEX, AMD64, ARM64, stay="arm64"), {"index"}) == {"amd64"}


def test_the_items_of_a_restore_record_have_their_bytes(registry: MemoryRegistry) -> None:
    digest = put(registry, None, "loose")
    reader = InventoryReader(registry.client(), registry.reference(IMAGES), {digest: START})
    (item,) = items_of(plan(reader.read(START).manifests[digest]), reader)
    assert (item["digest"], bool(item["manifest"])) == (digest, True)


def test_what_is_refused_keeps_its_parts_and_all_else_goes(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    found = published(scene, registry)
    seen(scene)
    refused = found[f"{OLD}1"]
    registry.faults = [Fault(f"^DELETE .*{refused}", status=400, code="DENIED_BY_RULE", times=9)]
    report = tmp_path / "report.json"
    with pytest.raises(Transient, match="5 of 13 manifests could not be deleted"):
        run(scene, LATER, RetainRequest(yes=True, share=1.0, report=report))
    kept = {tag for tag in found if not tag.startswith(OLD)} | {f"{OLD}1"}
    assert set(registry.tags(IMAGES)) == kept
    assert len(registry.manifests(IMAGES)) == 4 + 3 + 5, "the index, its two images, and their records"
    items = json.loads(report.read_text())["repositories"][0]["items"]
    assert sum(one["refused"] is not None for one in items) == 5
    registry.faults = []
    run(scene)
    assert len(registry.manifests(IMAGES)) == 4 + 3


def test_a_run_that_breaks_off_says_what_is_deleted_and_what_nobody_knows(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path
) -> None:
    published(scene, registry)
    before = registry.manifests(IMAGES)
    seen(scene)
    registry.faults = [Fault("^DELETE", status=202), Fault("^DELETE", status=403, times=9, after=True)]
    registry.faults[0].after = True
    report = tmp_path / "report.json"
    with pytest.raises(Denied):
        run(scene, LATER, RetainRequest(yes=True, share=1.0, report=report))
    items = json.loads(report.read_text())["repositories"][0]["items"]
    gone = before - registry.manifests(IMAGES)
    said = {one["digest"]: one["deleted"] for one in items}
    assert len(gone) == 2, "one was confirmed, of the other only the answer was a refusal"
    assert {digest for digest, deleted in said.items() if deleted} < gone
    assert gone <= {digest for digest, deleted in said.items() if deleted is not False}


LOST: dict[str, tuple[list[Fault], bool]] = {
    # which answers of a deletion get lost, and whether the run comes as far as to forget what it deleted
    "none is lost": ([], True),
    "it dies before it forgets": ([], False),
    "the last answer is lost, and it is gone": (
        [Fault("^DELETE", status=202, after=True), Fault("^DELETE", status=403, times=9, after=True)],
        True,
    ),
    "so is the question about it": (
        [Fault("^DELETE", status=403, times=9, after=True), Fault("^HEAD .*sha256:", status=403, times=9)],
        True,
    ),
}


def come_back(registry: MemoryRegistry, images: dict[str, Raw], tags: dict[str, str]) -> None:
    """Put back what was deleted, children first, as `inv recover` does."""
    client, place = registry.client(), registry.reference(IMAGES)
    for raw in sorted(images.values(), key=lambda raw: b'"manifests"' in raw.body):
        client.put(place.with_digest(raw.digest), raw.body, raw.media_type)
    for tag, digest in tags.items():
        client.put(place.with_tag(tag), images[digest].body, images[digest].media_type)


@pytest.mark.parametrize(("faults", "forgets"), LOST.values(), ids=LOST)
def test_what_comes_back_after_its_deletion_is_new(
    scene: Workplace, registry: MemoryRegistry, tmp_path: Path, faults: list[Fault], forgets: bool
) -> None:
    """Recovered, or built anew with the same bytes, it is as old as that: nobody recovers what he wants deleted."""
    published(scene, registry)
    client, place = registry.client(), registry.reference(IMAGES)
    tags = registry.tags(IMAGES)
    images = {digest: client.get(place.with_digest(Digest(digest))) for digest in registry.manifests(IMAGES)}
    seen(scene)
    (state,) = (tmp_path / ".imageyard" / "retention").glob("registry.test_ci_image-*.json")
    before = state.read_bytes()
    registry.faults = [replace(fault) for fault in faults]
    with suppress(Denied):
        run(scene)
    registry.faults = []
    gone = set(images) - registry.manifests(IMAGES)
    assert gone
    if not forgets:
        state.write_bytes(before)
    come_back(registry, {digest: images[digest] for digest in gone}, {t: d for t, d in tags.items() if d in gone})
    run(scene, LATER + timedelta(hours=1))
    assert gone <= registry.manifests(IMAGES)
    run(scene, LATER + timedelta(days=100))
    assert not gone & registry.manifests(IMAGES)


def test_what_was_absent_once_is_new_when_it_comes_back(scene: Workplace, registry: MemoryRegistry) -> None:
    """Whoever deleted it: a run that did not see it forgets when it was first seen."""
    digest = put(registry, f"{OLD}9", "mine")
    seen(scene)
    raw = registry.client().get(registry.reference(IMAGES).with_digest(digest))
    registry.client().delete(registry.reference(IMAGES).with_digest(digest))
    run(scene, LATER)
    come_back(registry, {digest: raw}, {f"{OLD}9": digest})
    run(scene, LATER + timedelta(hours=1))
    assert digest in registry.manifests(IMAGES)


def test_a_restore_record_that_is_damaged_ends_it(scene: Workplace, registry: MemoryRegistry, tmp_path: Path) -> None:
    published(scene, registry)
    seen(scene)
    run(scene)
    (path,) = (tmp_path / ".imageyard" / "retention").glob("*.restore.json")
    path.write_text(json.dumps({"at": "long ago", "state": "running", "items": [], "deleted": []}))
    with pytest.raises(ConfigurationError, match="is damaged"):
        run(scene)


def test_a_restore_record_is_open_by_its_name_until_it_has_ended(tmp_path: Path, registry: MemoryRegistry) -> None:
    """The next run has the open ones alone; one that dies right before the old name goes leaves nothing open."""
    place = registry.reference(IMAGES)
    new = RepositoryState(tmp_path, place).new_record(place, START, [{"digest": "a"}, {"digest": "b"}])
    assert [path.name for path in tmp_path.iterdir()] == [new.path.name]
    assert new.path.name.endswith(".open.restore.json")
    new.end("interrupted")
    left = new.path.read_bytes()
    (again,) = RepositoryState(tmp_path, place).open_records()
    again.complete({"b"}.__contains__)
    (ended,) = tmp_path.iterdir()
    assert not ended.name.endswith(".open.restore.json")
    content = json.loads(ended.read_text())
    assert (content["state"], content["deleted"]) == ("completed later", ["a"])
    new.path.write_bytes(left)
    (again,) = RepositoryState(tmp_path, place).open_records()
    again.complete({"b"}.__contains__)
    assert list(tmp_path.iterdir()) == [ended]
    assert RepositoryState(tmp_path, place).open_records() == []
