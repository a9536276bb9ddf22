"""References in the files of a repository: listed, moved in place, refused where nothing keeps them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from imageyard.errors import PolicyRefused, Transient
from imageyard.keep import pin_files
from imageyard.names import Digest
from imageyard.oci.revocation import Revocation, mark
from imageyard.project.recipes import recipes_of
from imageyard.registry.store import RegistryStore
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.registry.memory import Fault, MemoryRegistry
from support.registry.served import platform, put_image, put_index

OLD, GONE = "0123456789abcdef0123", "f" * 20


class Scene:
    """A checkout and its registry, which has an older image as a whole and its row."""

    def __init__(self, top: Path, more: str = "") -> None:
        self.registry = MemoryRegistry()
        self.client = self.registry.client()
        self.work: Workplace = scene_of(top, self.client, **{"images.yml": CATALOGUE + more})
        self.place = self.registry.reference("ci/image")
        self.whole = self.put(f"linux-base-{OLD}", "amd64", "arm64")
        self.row = self.put(f"linux-base-{OLD[::-1]}", "amd64")
        image = self.work.project.catalogue.images["linux-base"]
        self.now = recipes_of(self.work.project).index_tag(image)
        self.now_row = recipes_of(self.work.project).tag(self.work.project.row("linux-base", "amd64"))

    def put(self, tag: str, *arches: str) -> str:
        images = {put_image(self.client, self.place, note=f"{tag} {a}", arch=a): platform(a) for a in arches}
        return str(put_index(self.client, self.place.with_tag(tag), images))

    def write(self, file: str, text: str, *, tracked: bool = True) -> Path:
        path = self.work.project.top / file
        path.write_text(text)
        if tracked:
            subprocess.run(["git", "add", "-f", file], cwd=self.work.project.top, check=True)
        return path

    def pins(self) -> tuple[pin_files.Pin, ...]:
        return pin_files.pins(self.work.project, recipes_of(self.work.project), self.client)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_each_is_listed_with_its_place_and_its_standing(scene: Scene) -> None:
    scene.write("ci.yml", f"a: {scene.place}:{scene.now}\nb: linux-base-{OLD}\nc: {scene.place}:linux-base\n")
    scene.write("run.sh", f"docker pull {scene.place}:linux-base-weekly-20261128 {scene.place}:v1\n", tracked=False)
    assert [(one.file, one.mention.line, one.standing) for one in scene.pins()] == [
        ("ci.yml", 1, "current"), ("ci.yml", 2, "older"), ("ci.yml", 3, "floating"),
        ("run.sh", 1, "canary"), ("run.sh", 1, "unknown"),
    ]  # fmt: skip
    assert "ci.yml:2" in str(pin_files.rendered(scene.pins(), as_json=False))


def test_they_are_moved_in_place_to_the_same_kind_of_thing(scene: Scene) -> None:
    """The whole to the whole, a row to its row, a digest with its tag; nothing else of the file changes."""
    digest = scene.put(scene.now, "amd64", "arm64")
    text = "# {0}\r\na: {1}:{2}\nb: {1}:{3}\nc: '{1}:{2}{4}'\n\xff"
    old = text.format("one", scene.place, f"linux-base-{OLD}", f"linux-base-{OLD[::-1]}", f"@{scene.whole}")
    path = scene.write("ci.yml", "")
    path.write_bytes(old.encode("latin-1"))
    path.chmod(0o755)
    pin_files.move(scene.work.project, scene.pins())
    new = text.format("one", scene.place, scene.now, scene.now_row, f"@{digest}")
    assert path.read_bytes() == new.encode("latin-1")
    assert path.stat().st_mode & 0o777 == 0o755
    assert not [one for one in scene.pins() if one.new]


def test_a_digest_alone_is_current_where_an_image_has_it(scene: Scene) -> None:
    digest = scene.put(scene.now, "amd64", "arm64")
    scene.write("ci.yml", f"a: {scene.place}@{digest}\nb: {scene.place}@{scene.whole}\n")
    assert [one.standing for one in scene.pins()] == ["current", "unknown"]


def test_what_cannot_be_moved_says_why(scene: Scene) -> None:
    scene.write("ci.yml", f"a: linux-base-{GONE}\nb: {scene.place}:linux-base-{OLD}@{scene.whole}\n")
    assert [(one.new, one.why) for one in scene.pins()] == [
        ("", "which of its architectures it is of cannot be told"),
        ("", f"{scene.now} is not there yet"),
    ]


@pytest.mark.parametrize("named", ["registry.test/ci/image:", ""], ids=["with its repository", "a tag alone"])
@pytest.mark.parametrize("digest", [True, False], ids=["a digest elsewhere", "no digest"])
def test_nothing_is_moved_to_what_must_not_be_used(scene: Scene, named: str, digest: bool) -> None:
    """Whatever else the files name: a reference without a digest asks for its new tag too."""
    text = f"a: {named}linux-base-{OLD}\n" + (f"b: {scene.place}@{scene.whole}\n" if digest else "")
    path = scene.write("ci.yml", text)
    whole = scene.put(scene.now, "amd64", "arm64")
    mark(RegistryStore(scene.client, scene.place), Revocation(Digest(whole), "broken"))
    pin_files.move(scene.work.project, scene.pins())
    assert path.read_text() == text
    assert scene.pins()[0].why == f"{scene.now} must not be used: it is revoked: broken"


def test_nothing_is_moved_to_what_nobody_knows_of(scene: Scene) -> None:
    path = scene.write("ci.yml", f"a: linux-base-{OLD}\nb: linux-base-{OLD[::-1]}\n")
    scene.put(scene.now, "amd64", "arm64")
    scene.registry.faults = [Fault(f"/manifests/{scene.now}$", 503, times=99)]
    found = scene.pins()
    with pytest.raises(Transient):
        pin_files.move(scene.work.project, found)
    assert path.read_text() == f"a: linux-base-{OLD}\nb: {scene.now_row}\n", "the other one moves"
    assert found[0].why == f"the registry does not say whether {scene.now} may be used"


@pytest.mark.parametrize(
    ("text", "tracked", "why"),
    [
        (f"linux-base-{OLD}", True, ""),
        (f"linux-base-{OLD}", False, "its file is not tracked"),
        (f"linux-base-{GONE}", True, "it is not there any more"),
        (f"linux-base-{OLD}-local", True, "such a tag is at no registry"),
        (f"registry.test/ci/branch:linux-base-{OLD}", True, "what is in the branch repository is not kept"),
    ],
)
def test_what_retention_would_not_protect(scene: Scene, text: str, tracked: bool, why: str) -> None:
    scene.write("ci.yml", text, tracked=tracked)
    if not why:
        pin_files.check(scene.pins())
        return
    with pytest.raises(PolicyRefused) as caught:
        pin_files.check(scene.pins())
    (said,) = caught.value.detail
    assert said.startswith(f"ci.yml:1: {text}: {why}")


@pytest.mark.parametrize(
    ("pins", "tag", "protected"),
    [("linux-base-*", OLD, True), ("linux-other-*", OLD, False), ("linux-base-*", GONE, False)],
)
def test_a_pattern_of_the_catalogue_protects_what_is_there(
    tmp_path: Path, pins: str, tag: str, protected: bool
) -> None:
    scene = Scene(tmp_path, f"retention: {{pins: ['{pins}']}}\n")
    scene.write("ci.yml", f"linux-base-{tag}", tracked=False)
    assert [not pin.exposed for pin in scene.pins()] == [protected]


def test_a_current_one_that_is_not_built_yet_is_no_fault(scene: Scene) -> None:
    scene.write("ci.yml", scene.now)
    pin_files.check(scene.pins())


def test_a_registry_that_does_not_say_is_no_proof(scene: Scene) -> None:
    scene.write("ci.yml", f"{scene.place}:linux-base-{OLD}")
    scene.registry.faults = [Fault("", 503, times=99)]
    with pytest.raises(Transient):
        pin_files.check(scene.pins())
