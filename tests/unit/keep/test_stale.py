"""What is stale: bases that moved, and locks, epochs and builds that are older than they may be."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import cast

import pytest
from imageyard.keep.stale import OldThing, old_things, rendered, stale
from imageyard.names import Digest
from imageyard.publishing import record_artifact
from imageyard.records import Record
from support.building.checkout import Workplace, scene_of
from support.registry.memory import MemoryRegistry
from support.registry.served import put_image

CATALOGUE = """\
registry: registry.test/ci/image
axes: {plain: {linux, one, two}}
images:
  one: {dockerfile: one.Dockerfile, arches: [amd64], names: {linux-one: }}
  two: {dockerfile: two.Dockerfile, arches: [amd64], names: {linux-two: }}
"""
TODAY = date(2026, 11, 28)
MONTH = timedelta(days=30)


def put(registry: MemoryRegistry, name: str, note: str) -> Digest:
    client, place = registry.client(), registry.reference(f"base/{name}")
    raw = client.get(place.with_digest(put_image(client, place, note=note)))
    return client.put(place.with_tag("1"), raw.body, raw.media_type)


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def scene(tmp_path: Path, registry: MemoryRegistry) -> Workplace:
    days = {"one": "2026-06-01", "two": "2026-11-20"}
    lines = [f"registry.test/base/{name}:1@{put(registry, name, name)}  # {day}" for name, day in days.items()]
    lines += ["epoch 2026-05-02", "epoch 2026-11-21 linux-two", "epoch of-no-day linux-one"]
    files = {f"{name}.Dockerfile": f"FROM registry.test/base/{name}:1\nCOPY word /\n" for name in days}
    text = "\n".join(lines) + "\n"
    return scene_of(tmp_path, registry.client(), **{"images.yml": CATALOGUE, "images.lock": text, **files})


def test_a_pattern_asks_for_the_bases_of_its_images_alone(scene: Workplace, registry: MemoryRegistry) -> None:
    put(registry, "two", "newer")
    begun = len(registry.requests)
    (one,) = stale(scene.project, scene.recipes, registry.client(), "linux-one")
    assert (one.images, one.moved) == (("linux-one",), False)
    assert not [line for line in registry.requests[begun:] if "base/two" in line]
    assert [base.moved for base in stale(scene.project, scene.recipes, registry.client())] == [False, True]


def published(scene: Workplace, registry: MemoryRegistry, name: str, started: str) -> None:
    client, place = registry.client(), registry.reference("ci/image")
    tag = scene.facts(name).tag
    raw = client.get(place.with_digest(put_image(client, place, note=name)))
    record = Record(name, "amd64", "published", 0, "", started=started, tag=tag)
    record_artifact.attach(client, place, raw, record)
    client.put(place.with_tag(tag), raw.body, raw.media_type)


def old(scene: Workplace, pattern: str = "*", age: timedelta = MONTH) -> list[tuple[str, str]]:
    found = old_things(scene.project, scene.recipes, scene.services, pattern, age, TODAY)
    return [(one.kind, one.name) for one in found]


def test_locks_epochs_and_builds_of_long_ago(scene: Workplace, registry: MemoryRegistry) -> None:
    published(scene, registry, "linux-one", "2026-01-01T00:00:00.000+00:00")
    published(scene, registry, "linux-two", "2026-11-27T00:00:00.000+00:00")
    lock, epoch, build = ("lock", "registry.test/base/one:1"), ("epoch", "every image"), ("build", "linux-one amd64")
    assert old(scene) == [lock, epoch, build]
    assert old(scene, "linux-two") == [epoch], "what the images of a pattern are made of"
    assert old(scene, "linux-two", timedelta(days=300)) == []
    assert ("lock", "registry.test/base/two:1") in old(scene, "linux-two", timedelta(days=7))


def test_what_is_not_published_has_no_age(scene: Workplace) -> None:
    assert old(scene, "*", timedelta(days=365)) == []


def test_how_it_is_told() -> None:
    things = (OldThing("build", "linux-one amd64", date(2026, 11, 1)), OldThing("lock", "b:1", date(2026, 10, 29)))
    lines = cast("str", rendered((), things, today=TODAY, as_json=False)).splitlines()
    assert lines[0] == "no base is locked: inv lock"
    assert lines[2].endswith("built 2026-11-01, 27 days ago")
    assert lines[3].endswith("locked 2026-10-29, 30 days ago")
    assert cast("str", rendered((), (), today=TODAY, as_json=False)).endswith("nothing is older than that")
    assert rendered((), things[:1], today=TODAY, as_json=True) == {
        "bases": [], "old": [{"kind": "build", "name": "linux-one amd64", "since": "2026-11-01"}],
    }  # fmt: skip
