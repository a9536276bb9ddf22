"""ONBUILD and ENV of a parent on the real engine: the child's image has what a plain build of the folder gives it."""

from __future__ import annotations

import pytest
from support.yard.scratch import Yard

pytestmark = [pytest.mark.engine, pytest.mark.mirror]

CATALOGUE = """\
defaults: {arches: [ARCH]}
axes: {plain: {linux, parent, child}}
images:
  parent: {dockerfile: parent/Dockerfile, args: {V: "2"}, names: {linux-parent: }}
  child: {dockerfile: child/Dockerfile, args: {BASE: "image:linux-parent", WHO: ann}, names: {linux-child: }}
"""
PARENT = (
    "ARG V",
    "ENV V=$V",
    "ONBUILD COPY *.c requirements*.txt /src/",
    "ONBUILD ARG WHO",
    "ONBUILD ENV IS=$WHO",
    "ONBUILD RUN echo $IS > /is",
)
CHILD = "ARG BASE\nFROM ${BASE}\nCOPY app-${V:-1}* /in/\n"


@pytest.fixture
def inheriting(yard: Yard) -> Yard:
    yard.catalogue(CATALOGUE)
    yard.dockerfile("parent/Dockerfile", *PARENT)
    yard.write("child/Dockerfile", CHILD)
    for name in ("src.c", "requirements.txt", "requirements-dev.txt", "app-1.txt", "app-2.txt", "other"):
        yard.write(name, f"{name}\n")
    return yard


def tags_of(yard: Yard) -> list[str]:
    """The tags of the parent and of the child."""
    told = [yard.inv("tag", name) for name in ("linux-parent", "linux-child")]
    assert [done.code for done in told] == [0, 0], [done.err for done in told]
    return [done.out.strip() for done in told]


def files_in(yard: Yard, image: str) -> list[str]:
    """The files of two folders of an image, by the engine itself."""
    listed = yard.engine.docker("run", "--rm", "--entrypoint", "find", image, "/src", "/in", "-type", "f")
    return sorted(listed.split())


def test_a_child_has_what_a_plain_build_of_its_folder_has(inheriting: Yard) -> None:
    yard = inheriting
    done = yard.inv("build", "linux-child")
    assert done.code == 0, done.err
    assert "InvalidDefaultArgInFrom" not in done.err, "BASE is always given"
    parent, child = (f"{yard.repository}:{tag}" for tag in tags_of(yard))
    context = yard.top / ".ci" / "docker"
    plain = f"{yard.repository}:plain"
    yard.engine.docker(
        "build", "-q", "-t", plain, "-f", str(context / "child/Dockerfile"), "--build-arg", f"BASE={parent}",
        "--build-arg", "WHO=ann", str(context),
    )  # fmt: skip
    expected = ["/in/app-2.txt", "/src/requirements-dev.txt", "/src/requirements.txt", "/src/src.c"]
    assert files_in(yard, plain) == files_in(yard, child) == expected
    assert {yard.cat(image.rpartition(":")[2], "/is").strip() for image in (child, plain)} == {"ann"}


@pytest.mark.parametrize(
    ("file", "moves"), [("src.c", True), ("requirements-dev.txt", True), ("app-2.txt", True), ("app-1.txt", False)]
)
def test_the_tag_moves_with_what_the_parent_has_it_copy(inheriting: Yard, file: str, moves: bool) -> None:
    before = tags_of(inheriting)
    inheriting.write(file, "changed\n")
    after = tags_of(inheriting)
    assert (before[0] == after[0], before[1] != after[1]) == (True, moves)
