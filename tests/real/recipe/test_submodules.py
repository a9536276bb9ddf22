"""Submodules and clones in a context: what they hold is copied, sealed as plain, and moves the tag."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.git import sh
from support.yard.scratch import CONTEXT, Yard

pytestmark = [pytest.mark.engine, pytest.mark.mirror]

CATALOGUE = """\
defaults: {arches: [ARCH]}
axes: {plain: {linux, child, parent}}
images:
  child: {dockerfile: child/Dockerfile, args: {BASE: "image:linux-parent"}, names: {linux-child: }}
  parent: {dockerfile: parent/Dockerfile, names: {linux-parent: }}
"""


def repository(top: Path, **files: str) -> Path:
    top.mkdir()
    for name, text in files.items():
        (top / name).write_text(text)
    sh(top, "init", "-q")
    sh(top, "add", "-A")
    sh(top, "commit", "-q", "-m", "one")
    return top


@pytest.fixture
def vendored(yard: Yard, tmp_path: Path) -> Yard:
    """A context with a submodule and a clone that lies in it."""
    yard.catalogue(CATALOGUE)
    yard.dockerfile("parent/Dockerfile", "RUN mkdir /src")
    yard.write("child/Dockerfile", "ARG BASE\nFROM ${BASE}\nCOPY third_party /src/\n")
    lib, clone = repository(tmp_path / "lib", f="lib\n"), repository(tmp_path / "clone", g="clone\n")
    sh(
        yard.top,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(lib),
        f"{CONTEXT}/third_party/lib",
    )
    sh(yard.top / CONTEXT / "third_party", "clone", "-q", str(clone), "clone")
    return yard


def tag(yard: Yard) -> str:
    done = yard.inv("tag", "linux-child")
    assert done.code == 0, done.err
    return done.out.strip()


def files_in(yard: Yard, image: str) -> list[str]:
    listed = yard.engine.docker("run", "--rm", "--entrypoint", "find", image, "/src", "-type", "f")
    return sorted(path for path in listed.split() if "/.git" not in path)


def test_what_they_hold_is_copied_and_moves_the_tag(vendored: Yard) -> None:
    yard = vendored
    done = yard.inv("build", "linux-child")
    assert done.code == 0, done.err
    sealed, plain = f"{yard.repository}:{tag(yard)}", f"{yard.repository}:plain"
    parent = f"{yard.repository}:{yard.inv('tag', 'linux-parent').out.strip()}"
    context = yard.top / CONTEXT
    yard.engine.docker(
        "build",
        "-q",
        "-t",
        plain,
        "-f",
        str(context / "child/Dockerfile"),
        "--build-arg",
        f"BASE={parent}",
        str(context),
    )
    assert files_in(yard, sealed) == files_in(yard, plain) == ["/src/clone/g", "/src/lib/f"]

    tags = [tag(yard)]
    for name in ("lib/f", "clone/g"):
        yard.write(f"third_party/{name}", "changed\n")
        tags.append(tag(yard))
    sh(context / "third_party/lib", "checkout", "-q", "--", "f")
    sh(context / "third_party/clone", "checkout", "-q", "--", "g")
    assert len(set(tags)) == 3
    assert tag(yard) == tags[0]
    (context / "third_party/lib/h").write_text("more\n")
    sh(context / "third_party/lib", "add", "h")
    sh(context / "third_party/lib", "commit", "-q", "-m", "two")
    assert tag(yard) != tags[0], "the submodule moved"


def test_one_that_is_not_checked_out_is_named_where_it_is_copied(vendored: Yard) -> None:
    sh(vendored.top, "submodule", "--quiet", "deinit", "--force", f"{CONTEXT}/third_party/lib")
    assert vendored.inv("tag", "linux-parent").code == 0
    done = vendored.inv("tag", "linux-child")
    assert done.code == 2
    assert f"{CONTEXT}/child/Dockerfile:3: the submodule {CONTEXT}/third_party/lib is not checked out" in done.err
    assert f"git submodule update --init {CONTEXT}/third_party/lib" in done.err
