"""What `inv retain` does where a registry refuses to delete, or breaks off: nothing that is left lacks a part."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from imageyard.errors import Denied, Transient
from imageyard.keep.inventory import InventoryReader
from imageyard.keep.retain_delete import items_of
from imageyard.keep.retention_facts import StoredManifest
from imageyard.keep.retention_plan import (
    DeleteReason,
    KeepReason,
    RetentionPlan,
    RetentionVerdict,
    bound_to,
    first_apart,
)
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
