"""Rows that the engine has, on their way to a repository: exactly what passed its checks, and nothing on a guess."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from imageyard.catalogue.model import Row
from imageyard.names import Reference
from imageyard.project.labels import INPUTS_LABEL
from imageyard.publishing import build_record, export, record_artifact
from imageyard.publishing.push import push_rows
from imageyard.records import Record, from_json
from imageyard.runs import Run
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.engine.archives import engine_archive
from support.engine.memory import MemoryEngine
from support.registry.built import put_built
from support.registry.memory import Fault, MemoryRegistry
from support.services import services

BASE = "linux-base"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Scene:
    """A checkout, an engine that has the base of amd64, and the registry of the catalogue."""

    def __init__(self, top: Path, **files: str) -> None:
        self.engine, self.registry = MemoryEngine(), MemoryRegistry()
        self.work: Workplace = scene_of(top, self.registry.client(), engine=self.engine, **files)
        self.facts = self.work.facts(BASE)
        name = str(self.work.project.repository.with_tag(self.facts.tag))
        inputs = self.facts.recipe.inputs
        self.engine.load(name, inputs=inputs)
        content = {"architecture": "amd64", "os": "linux", "config": {"Labels": {INPUTS_LABEL: inputs}}}
        (top / "saved").mkdir()
        config = json.dumps(content).encode()
        self.engine.save_with(engine_archive(top / "saved/image.tar", [b"layer"], LAYER, config))

    def push(self, *, force: bool = False) -> tuple[list[tuple[Row, Reference]], int]:
        work = self.work
        return push_rows(work.project, work.recipes, work.services, [self.facts.row], "trusted", force=force)

    def record(self) -> Record:
        return from_json((self.work.services.run.folder / "rows" / f"{BASE}.amd64.json").read_bytes())

    @property
    def tags(self) -> dict[str, str]:
        return self.registry.tags("ci/image")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_row_is_sent_with_its_record_and_a_second_push_asks_only(scene: Scene) -> None:
    ((row, image),), code = scene.push()
    assert (row.name, code, scene.tags) == (BASE, 0, {scene.facts.tag: image.digest})
    (record,) = record_artifact.read(scene.work.services.registry(), image, services().reporter)
    assert record.recipe == scene.facts.recipe.id
    assert record.why == "built elsewhere, or so long ago that its record is gone"
    assert scene.record().outcome == "published"

    writes = [one for one in scene.registry.requests if not one.startswith(("GET", "HEAD"))]
    assert scene.push() == ([(row, image)], 0)
    assert [one for one in scene.registry.requests if not one.startswith(("GET", "HEAD"))] == writes


def test_the_record_of_the_build_goes_with_its_image(scene: Scene) -> None:
    built = Record(
        BASE, "amd64", "built", 0, "", started="2026-01-01T00:00:00Z", recipe=scene.facts.recipe.id, tag=scene.facts.tag
    )
    Run(scene.work.services.run.folder.with_name("20250101T000000.000Z-0000"), owner=True).write(built)
    ((_, image),), _ = scene.push()
    (record,) = record_artifact.read(scene.work.services.registry(), image, services().reporter)
    assert (record.started, record.log) == (built.started, None)


def test_what_the_engine_lacks_or_has_of_another_recipe_is_not_published(scene: Scene) -> None:
    name = str(scene.work.project.repository.with_tag(scene.facts.tag))
    scene.engine.load(name, inputs="0" * 64)
    assert scene.push() == ([], 10)
    assert scene.record().headline == f"{name} in the engine is not what its tag says"
    scene.engine.untag(name)
    assert scene.push() == ([], 7)
    assert (scene.record().headline, scene.tags) == (f"the engine has no {name}", {})


def test_what_is_not_pinned_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Dockerfile="FROM debian:bookworm\nCOPY word /\n")
    assert scene.push() == ([], 10)
    assert scene.record().headline == "linux-base is not pinned: debian:bookworm is not locked"
    assert scene.registry.requests == []


@pytest.mark.parametrize(("status", "code"), [(403, 8), (503, 9)])
def test_nothing_is_pushed_past_an_unknown_state(scene: Scene, status: int, code: int) -> None:
    scene.registry.faults = [Fault("(GET|HEAD) ", status, times=99, code="DENIED")]
    assert scene.push() == ([], code)
    assert [one for one in scene.registry.requests if not one.startswith(("GET", "HEAD"))] == []


def test_an_image_that_is_there_is_proven_and_moved_only_by_force(scene: Scene) -> None:
    client, place = scene.work.services.registry(), scene.registry.reference("ci/image")
    theirs = put_built(client, place, scene.facts, note="theirs")
    client.put(place.with_tag(scene.facts.tag), theirs.body, theirs.media_type)
    ((_, image),), _ = scene.push()
    assert image.digest == theirs.digest
    ((_, moved),), code = scene.push(force=True)
    assert (code, scene.tags[scene.facts.tag]) == (0, moved.digest)
    assert moved.digest != theirs.digest

    forged = put_built(client, place, scene.facts, inputs="0" * 64)
    client.put(place.with_tag(scene.facts.tag), forged.body, forged.media_type)
    assert scene.push() == ([], 10)


def test_a_row_that_another_run_published_meanwhile_is_adopted(scene: Scene) -> None:
    client, place = scene.work.services.registry(), scene.registry.reference("ci/image")
    target, seen = place.with_tag(scene.facts.tag), []

    def faster(request: str) -> None:
        if f"manifests/{scene.facts.tag}" in request:
            seen.append(request)
            if len(seen) == 2:  # the first question found the tag free
                scene.registry.before = lambda request: None
                theirs = put_built(client, place, scene.facts, note="theirs")
                client.put(target, theirs.body, theirs.media_type)

    scene.registry.before = faster
    ((_, image),), code = scene.push()
    assert (code, scene.record().adopted, scene.tags) == (0, True, {scene.facts.tag: image.digest})


def test_a_store_that_cannot_hold_what_is_declared_is_told_so(tmp_path: Path) -> None:
    scene = Scene(tmp_path, **{"images.yml": CATALOGUE.replace("base: {dockerfile", "base: {sbom: yes, dockerfile")})
    scene.engine.image_store = "classic"
    with pytest.raises(Exception, match="declared with the bill of materials"):
        export.require_whole(scene.work.services, scene.facts)
    loaded = scene.engine.inspect(str(scene.work.project.repository.with_tag(scene.facts.tag)))
    assert loaded is not None
    pushed = Record(BASE, "amd64", "interrupted", 130, "", started="2026-02-02T00:00:00Z", forced=True)
    made = build_record.record(scene.work.project, pushed, loaded, dated=False)
    assert (made.started, made.size, made.forced) == (pushed.started, 1000, True)
