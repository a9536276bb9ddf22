"""Pins of bases: what is asked for, what is written, and that one base without an answer writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from imageyard.catalogue.base_config import BaseConfig
from imageyard.errors import ConfigurationError, Denied, ImageyardError, NotFound, PolicyRefused, Transient
from imageyard.keep import lock, stale
from imageyard.keep.locked_bases import said
from imageyard.project.project import find_project
from imageyard.project.recipes import read_lock, recipes_of
from support.building.checkout import Workplace, scene_of
from support.registry.memory import Fault, MemoryRegistry
from support.registry.served import platform, put_image, put_index

ONE, OTHER = "registry.test/debian:bookworm", "other.test/alpine:3"
DOCKERFILE = f"FROM {ONE} AS a\nFROM {OTHER}\nCOPY --from=a /x /\n"


class Scene:
    """A checkout whose base image starts from two others, and the registries that have them."""

    def __init__(self, top: Path, dockerfile: str = DOCKERFILE) -> None:
        self.one, self.other = MemoryRegistry(), MemoryRegistry("other.test")
        self.client = self.one.client(self.other)
        self.work: Workplace = scene_of(top, self.client, Dockerfile=dockerfile)
        self.digests = {ONE: self.put(self.one, "debian", "bookworm"), OTHER: self.put(self.other, "alpine", "3")}

    def put(self, registry: MemoryRegistry, repository: str, tag: str, note: str = "", **config: Any) -> str:
        """Put an image; `config` are the keys of its config's `config`."""
        place = registry.reference(repository)
        raw = self.client.get(place.with_digest(put_image(self.client, place, note=note, config=config)))
        return str(self.client.put(place.with_tag(tag), raw.body, raw.media_type))

    def lock(
        self, *only: str, pattern: str = "*", refresh: bool = False, epoch: bool = False, as_json: bool = False
    ) -> Any:
        work = self.work
        recipes = recipes_of(work.project)
        done = lock.lock(work.project, recipes, work.services, pattern, only, refresh=refresh, epoch=epoch)
        return lock.rendered(done, as_json=as_json)

    @property
    def file(self) -> Path:
        return self.work.project.file.parent / "images.lock"

    @property
    def configs(self) -> dict[str, BaseConfig]:
        """The config of each image in the lock, which has the same for both platforms."""
        found = read_lock(self.work.project).configs
        assert all(set(by_platform) == {"linux/amd64", "linux/arm64"} for by_platform in found.values())
        return {digest: by_platform["linux/amd64"] for digest, by_platform in found.items()}

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


def test_what_a_base_leaves_is_asked_with_its_digest(tmp_path: Path) -> None:
    """Of those that stages start from; what is copied from leaves nothing."""
    scene = Scene(tmp_path, f"FROM {ONE}\nCOPY --from={OTHER} /x /\n")
    moved = scene.put(scene.one, "debian", "bookworm", "n", Env=["V=2"], OnBuild=["COPY app-$V.txt /"])
    scene.lock()
    assert scene.written == {ONE: moved, OTHER: scene.digests[OTHER]}
    assert scene.configs == {moved: BaseConfig(("V=2",), ("COPY app-$V.txt /",))}
    assert scene.file.read_text().splitlines()[1] == (
        f'{moved} linux/amd64,linux/arm64 {{"Env":["V=2"],"OnBuild":["COPY app-$V.txt /"]}}'
    )


def test_it_is_asked_until_nothing_new_is_found(tmp_path: Path) -> None:
    """A trigger pulls an image that no Dockerfile names; the files that it copies are not there, and nobody cares."""
    scene = Scene(tmp_path, f"FROM {ONE}\nCOPY ${{CONF:?}}/${{FILE}} /\n")
    triggers = [f"COPY --from={OTHER} /x /", "COPY no-such-file /"]
    moved = scene.put(scene.one, "debian", "bookworm", "n", Env=["CONF=conf"], OnBuild=triggers)
    scene.lock()
    assert scene.written == {ONE: moved, OTHER: scene.digests[OTHER]}
    assert list(scene.configs) == [moved]


def test_an_old_lock_gets_configs_and_its_digests_stay(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    old = "".join(f"{base}@{digest}  # by hand\n" for base, digest in scene.digests.items())
    scene.file.write_text(old)
    scene.put(scene.one, "debian", "bookworm", "newer")
    told = scene.lock()
    assert told.splitlines() == [f"{base}: its ENV and ONBUILD are locked too" for base in (ONE, OTHER)]
    assert scene.written == scene.digests
    assert scene.configs == dict.fromkeys(scene.digests.values(), BaseConfig())
    assert [line for line in scene.file.read_text().splitlines() if "by hand" in line] == old.splitlines()
    requests = len(scene.one.requests)
    assert scene.lock() == "all 2 bases are locked"
    assert len(scene.one.requests) == requests


def test_a_digest_that_is_gone_keeps_no_other_base_from_being_locked(scene: Scene) -> None:
    gone = f"sha256:{'1' * 64}"
    scene.file.write_text(f"{ONE}@{gone}\n")
    assert scene.lock().splitlines() == [
        f"{ONE}: gone from its registry",
        f"{OTHER}: locked at {scene.digests[OTHER][:19]}",
    ]
    assert scene.written == {ONE: gone, OTHER: scene.digests[OTHER]}


def test_a_base_that_is_named_by_digest_is_asked_and_not_pinned(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    digest = scene.put(scene.one, "debian", "bookworm", "n", Env=["V=2"])
    scene.work.project.file.with_name("Dockerfile").write_text(f"FROM {ONE}@{digest}\n")
    assert scene.lock() == f"{ONE}@{digest}: its ENV and ONBUILD are locked too"
    assert scene.written == {}
    assert scene.configs == {digest: BaseConfig(("V=2",))}
    scene.work.project.file.with_name("Dockerfile").write_text(f"FROM {OTHER}\n")
    scene.lock()
    assert list(scene.configs) == [scene.digests[OTHER]], "what nothing pins or names has gone"


def test_a_platform_that_a_base_does_not_have_is_told(tmp_path: Path) -> None:
    scene = Scene(tmp_path, f"FROM {OTHER}\n")
    place = scene.other.reference("alpine", "3")
    put_index(scene.client, place, {put_image(scene.client, place): platform("amd64")})
    assert scene.lock() == f"{OTHER}: it has no image for linux/arm64"
    assert list(read_lock(scene.work.project).configs.values()) == [{"linux/amd64": BaseConfig()}]


@pytest.mark.parametrize("by_arg", [False, True])
def test_a_frontend_is_locked_like_a_base_and_leaves_nothing(tmp_path: Path, by_arg: bool) -> None:
    scene = Scene(tmp_path, f"{'' if by_arg else '# syntax=registry.test/frontend:1'}\nFROM scratch\n")
    catalogue = scene.work.project.file
    if by_arg:
        given = "{dockerfile: Dockerfile, args: {BUILDKIT_SYNTAX: registry.test/frontend:1},"
        catalogue.write_text(catalogue.read_text().replace("{dockerfile: Dockerfile,", given))
    project = find_project(str(catalogue))
    frontend = scene.put(scene.one, "frontend", "1")
    row = project.row("linux-base", "amd64")
    assert recipes_of(project).of(row).unpinned == ("the frontend registry.test/frontend:1 has no digest",)
    lock.lock(project, recipes_of(project), scene.work.services, refresh=False)
    assert scene.written == {"registry.test/frontend:1": frontend}
    assert read_lock(project).configs == {}
    recipe = recipes_of(project).of(row)
    assert (recipe.frontend, recipe.unpinned) == (f"registry.test/frontend:1@{frontend}", ())


@pytest.mark.parametrize("where", ["/manifests/sha256:", "/blobs/"])
def test_a_config_without_an_answer_writes_nothing(scene: Scene, where: str) -> None:
    scene.other.faults = [Fault(where, 503, times=99)]
    with pytest.raises(Transient):
        scene.lock()
    assert (scene.written, scene.configs) == ({}, {})


def test_a_refresh_moves_what_moved(scene: Scene) -> None:
    scene.lock()
    newer = scene.put(scene.one, "debian", "bookworm", "newer")
    done = scene.lock(refresh=True, as_json=True)
    pins = done["bases"]
    assert {pin["base"]: (pin["moved"], pin["now"]) for pin in pins} == {
        ONE: (True, newer),
        OTHER: (False, scene.digests[OTHER]),
    }
    assert pins[0]["images"] == ["linux-base", "linux-middle-one", "linux-middle-two", "linux-leaf"]
    assert scene.written == {**scene.digests, ONE: newer}
    assert set(scene.configs) == {newer, scene.digests[OTHER]}


def test_a_refresh_tells_which_images_get_which_tags(scene: Scene) -> None:
    scene.lock()
    before = recipes_of(scene.work.project)
    scene.put(scene.one, "debian", "bookworm", "newer")
    told = scene.lock(refresh=True)
    after = recipes_of(scene.work.project)
    rows = scene.work.project.catalogue.rows
    wanted = [[row.name, row.arch, before.tag(row), after.tag(row)] for row in rows]
    assert [line.split() for line in told.split("\n\n")[1].splitlines()[1:]] == wanted
    assert scene.lock(refresh=True, as_json=True)["tags"] == []


def test_a_refresh_moves_the_epoch_of_every_image(scene: Scene) -> None:
    scene.lock()
    scene.file.write_text(f"# bases\n{scene.file.read_text()}epoch 2026-01-01\nepoch 2026-01-02 linux-leaf\n")
    done = scene.lock(refresh=True, epoch=True, as_json=True)
    (moved,) = done["epochs"]
    assert (moved["image"], moved["was"]) == ("*", "2026-01-01")
    assert read_lock(scene.work.project).epochs == {"*": moved["now"]}
    assert {tag["image"] for tag in done["tags"]} == set(scene.work.project.catalogue.images)
    text = scene.file.read_text()
    done = scene.lock(refresh=True, epoch=True, as_json=True)
    assert (done["epochs"], done["tags"], scene.file.read_text()) == ([], [], text), "a day has one epoch"


@pytest.mark.parametrize(
    ("given", "moved"),
    [
        ({"refresh": True, "epoch": True}, {"*"}),
        ({"refresh": True}, set()),
        ({"epoch": True}, set()),
        ({"refresh": True, "epoch": True, "pattern": "linux-{leaf,middle-two}"}, {"linux-leaf", "linux-middle-two"}),
    ],
)
def test_which_epochs_move(scene: Scene, given: dict[str, Any], moved: set[str]) -> None:
    scene.lock()
    scene.lock(**given)
    assert set(read_lock(scene.work.project).epochs) == moved


def test_a_base_that_is_named_moves_without_an_epoch(scene: Scene) -> None:
    scene.lock(OTHER, refresh=True, epoch=True)
    assert read_lock(scene.work.project).epochs == {}


def test_a_pattern_locks_the_bases_of_its_images(tmp_path: Path) -> None:
    scene = Scene(tmp_path, f"FROM {ONE}\n")
    (tmp_path / "child.Dockerfile").write_text(f"ARG BASE\nFROM ${{BASE}}\nARG N\nCOPY --from={OTHER} /x /\n")
    scene.lock(pattern="linux-base")
    assert list(scene.written) == [ONE]
    with pytest.raises(PolicyRefused, match=r"1 of 2 bases are not locked: other\.test/alpine:3"):
        lock.check(scene.work.project, recipes_of(scene.work.project))
    scene.lock(pattern="linux-leaf")
    assert set(scene.written) == {ONE, OTHER}
    assert lock.check(scene.work.project, recipes_of(scene.work.project)) == "all 2 bases are locked"


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
    pins = stale.stale(project, recipes_of(project), scene.client)
    told = {pin.reference: said(pin).split(",")[0] for pin in pins}
    assert told == {ONE: "moved", OTHER: "gone from its registry"}
    assert cast("str", stale.rendered(pins, as_json=False)).splitlines()[0].split() == ["base", "state", "images"]
    assert stale.rendered((), as_json=False) == "no base is locked: inv lock"
    scene.one.faults = [Fault("", 503, times=99)]
    with pytest.raises(Transient):
        stale.stale(project, recipes_of(project), scene.client)
