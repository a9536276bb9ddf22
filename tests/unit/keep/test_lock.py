"""Pins of bases: what is asked for, what is written, and that one base without an answer writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from imageyard.errors import ConfigurationError, Denied, ImageyardError, NotFound, Transient
from imageyard.keep import lock
from imageyard.project.project import find_project
from imageyard.project.recipes import read_lock, recipes_of
from support.building.checkout import Workplace, scene_of
from support.registry.memory import Fault, MemoryRegistry
from support.registry.served import put_image

ONE, OTHER = "registry.test/debian:bookworm", "other.test/alpine:3"
DOCKERFILE = f"FROM {ONE} AS a\nFROM {OTHER}\nCOPY --from=a /x /\n"


class Scene:
    """A checkout whose base image starts from two others, and the registries that have them."""

    def __init__(self, top: Path) -> None:
        self.one, self.other = MemoryRegistry(), MemoryRegistry("other.test")
        self.client = self.one.client(self.other)
        self.work: Workplace = scene_of(top, self.client, Dockerfile=DOCKERFILE)
        self.digests = {ONE: self.put(self.one, "debian", "bookworm"), OTHER: self.put(self.other, "alpine", "3")}

    def put(self, registry: MemoryRegistry, repository: str, tag: str, note: str = "") -> str:
        place = registry.reference(repository)
        raw = self.client.get(place.with_digest(put_image(self.client, place, note=note)))
        return str(self.client.put(place.with_tag(tag), raw.body, raw.media_type))

    def lock(self, *only: str, refresh: bool = False, as_json: bool = False) -> Any:
        work = self.work
        recipes = recipes_of(work.project)
        return lock.lock(work.project, recipes, work.services, only, refresh=refresh, as_json=as_json)

    @property
    def written(self) -> dict[str, str]:
        """The digest of each base in the lock."""
        return dict(read_lock(self.work.project).pinned)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_what_is_not_locked_is_pinned_at_what_its_registry_answers(scene: Scene) -> None:
    told = scene.lock()
    assert scene.written == scene.digests
    assert set(told.splitlines()) == {f"{base}: locked at {digest[:19]}" for base, digest in scene.digests.items()}
    requests = len(scene.one.requests)
    assert scene.lock() == "all 2 bases are locked"
    assert len(scene.one.requests) == requests, "what is locked is not asked for"


def test_a_refresh_moves_what_moved(scene: Scene) -> None:
    scene.lock()
    newer = scene.put(scene.one, "debian", "bookworm", "newer")
    pins = scene.lock(refresh=True, as_json=True)
    assert {pin["base"]: (pin["moved"], pin["now"]) for pin in pins} == {
        ONE: (True, newer),
        OTHER: (False, scene.digests[OTHER]),
    }
    assert pins[0]["images"] == ["linux-base", "linux-middle-one", "linux-middle-two", "linux-leaf"]
    assert scene.written == {**scene.digests, ONE: newer}


@pytest.mark.parametrize(
    ("status", "code", "kind"), [(404, "MANIFEST_UNKNOWN", NotFound), (403, "DENIED", Denied), (503, "", Transient)]
)
def test_one_base_without_an_answer_writes_nothing(
    scene: Scene, status: int, code: str, kind: type[ImageyardError]
) -> None:
    scene.other.faults = [Fault("", status, times=99, code=code)]
    with pytest.raises(kind):
        scene.lock()
    assert scene.written == {}


def test_one_base_is_named_and_a_slip_has_a_hint(scene: Scene) -> None:
    scene.lock(OTHER)
    assert list(scene.written) == [OTHER]
    with pytest.raises(ConfigurationError, match=r"no Dockerfile starts from other\.test/alpin:3") as caught:
        scene.lock("other.test/alpin:3")
    assert OTHER in "".join(caught.value.hint)


def test_what_moved_or_is_gone_is_told_and_what_cannot_be_asked_is_not_called_fresh(scene: Scene) -> None:
    scene.lock()
    project = find_project(str(scene.work.project.file))
    scene.put(scene.one, "debian", "bookworm", "newer")
    scene.other.lose("alpine", scene.digests[OTHER])
    pins = lock.stale(project, recipes_of(project), scene.client)
    told = {pin.reference: lock._said(pin).split(",")[0] for pin in pins}
    assert told == {ONE: "moved", OTHER: "gone from its registry"}
    assert cast("str", lock.rendered(pins, as_json=False)).splitlines()[0].split() == ["base", "state", "images"]
    assert lock.rendered((), as_json=False) == "no base is locked: inv lock"
    scene.one.faults = [Fault("", 503, times=99)]
    with pytest.raises(Transient):
        lock.stale(project, recipes_of(project), scene.client)
