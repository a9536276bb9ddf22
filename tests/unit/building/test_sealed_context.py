"""The sealed context is exactly the recipe's files, the same in every way wherever it is made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imageyard import git
from imageyard.building.sealed_context import SealedContext, seal
from imageyard.errors import Transient
from imageyard.recipe.model import MTIME, File
from imageyard.tree import WorkTree
from imageyard.treebase import DictTree, Link, Tree
from support.sealed.folders import files_of

LONG = "/".join(["folder" * 10] * 4) + "/file"
FIXED = DictTree(
    {
        "common/install.sh": (b"#!/bin/sh\n", True),
        "common/link": Link("install.sh"),
        "grün/ü.txt": "ü\n".encode(),
        "empty": b"",
        LONG: b"long\n",
        "to-long": Link(LONG),
        "tools/make.sh": b"make\n",
    }
)


def made(tree: Tree, into: Path, *paths: str, text: bytes = b"FROM scratch\n") -> SealedContext:
    files = [file for file in files_of(tree) if not paths or file.path in paths]
    return seal(files, {"": tree}, text, into, name="debian.Dockerfile")


def facts(top: Path) -> dict[str, tuple[str, object]]:
    """What is in a folder: mode, and bytes or a link's text."""
    found: dict[str, tuple[str, object]] = {}
    for path in sorted(top.rglob("*")):
        mode = oct(path.lstat().st_mode)
        what: object = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        found[str(path.relative_to(top))] = (mode, what)
    return found


def test_what_is_named_is_there_and_nothing_else(tmp_path: Path) -> None:
    sealed = made(FIXED, tmp_path / "s", "common/install.sh", "common/link", "empty")
    assert facts(sealed.folder) == {
        "common": ("0o40755", ""),
        "common/install.sh": ("0o100755", b"#!/bin/sh\n"),
        "common/link": ("0o120777", "install.sh"),
        "empty": ("0o100644", b""),
    }


def test_the_dockerfile_is_outside_of_the_context_with_an_ignore_file_of_its_own(tmp_path: Path) -> None:
    sealed = made(FIXED, tmp_path / "s", text=b"FROM scratch\nCOPY . /\n")
    assert sealed.dockerfile.name == "debian.Dockerfile"
    assert sealed.dockerfile.read_bytes() == b"FROM scratch\nCOPY . /\n"
    assert sealed.folder not in sealed.dockerfile.parents
    ignore = sealed.dockerfile.with_name("debian.Dockerfile.dockerignore").read_text()
    assert [line for line in ignore.splitlines() if not line.startswith("#")] == []


def test_all_times_are_one(tmp_path: Path) -> None:
    folder = made(FIXED, tmp_path / "s").folder
    assert {path.lstat().st_mtime for path in (folder, *folder.rglob("*"))} == {MTIME}


def test_each_named_context_has_its_own_folder(tmp_path: Path) -> None:
    files = (File("my.tools//make.sh", "file", FIXED.digest("tools/make.sh")), *files_of(DictTree({"empty": b""})))
    trees = {"": FIXED, "my.tools": FIXED.sub("tools"), "none": FIXED.sub("common")}
    sealed = seal(files, trees, b"", tmp_path / "s", name="D")
    assert list(facts(sealed.folder)) == ["empty"]
    assert {name: list(facts(folder)) for name, folder in sealed.named.items()} == {"my.tools": ["make.sh"], "none": []}


def test_another_content_is_in_another_folder(tmp_path: Path) -> None:
    """BuildKit tells what it has by the folder's name, and files in it by their size and time."""
    names = {made(DictTree({"a": data}), tmp_path / data.decode()).folder.name for data in (b"old", b"new")}
    again = made(DictTree({"a": b"old"}), tmp_path / "again").folder.name
    assert len(names) == 2
    assert again in names


@pytest.mark.parametrize("now", [{"a": b"new"}, {}, {"a": Link("elsewhere")}])
def test_file_that_changed_is_noticed(now: dict[str, bytes | Link], tmp_path: Path) -> None:
    files = files_of(DictTree({"a": b"old"}))
    with pytest.raises(Transient, match="a is no longer the file") as caught:
        seal(files, {"": DictTree(now)}, b"", tmp_path / "s", name="D")
    assert "run again" in caught.value.hint[0]


def test_equal_across_paths_umasks_and_times(tmp_path: Path) -> None:
    seals: list[tuple[str, dict[str, tuple[str, object]]]] = []
    for name, umask, when in (("one", 0o022, 1), ("two/deeper", 0o077, 2_000_000_000)):
        top = tmp_path / name
        before = os.umask(umask)
        try:
            (top / "a").mkdir(parents=True)
            (top / "a" / "run").write_text("#!/bin/sh\n")
            (top / "a" / "run").chmod(0o777 & ~umask)
            (top / "ü").write_text("x")
            (top / "link").symlink_to("a/run")
            os.utime(top / "a" / "run", (when, when))
            git.ask(top, "init", "-q")
            folder = made(WorkTree(top), tmp_path / f"sealed-{umask}").folder
        finally:
            os.umask(before)
        seals.append((folder.name, facts(folder)))
    assert seals[0] == seals[1]


NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)
CONTENT = st.binary(max_size=600) | st.tuples(st.binary(max_size=5), st.booleans())
LINKS = st.builds(
    Link, st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=200)
)
FILES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/".join([*parts, "f"])), CONTENT | LINKS, max_size=5
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES)
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, files: dict[str, object]) -> None:
    # a name that is a file in one path and a folder in another cannot be
    files = {path: what for path, what in files.items() if not any(p.startswith(f"{path}/") for p in files)}
    tree = DictTree(files)  # type: ignore[arg-type]
    folder = made(tree, tmp_path_factory.mktemp("sealed") / "s").folder
    found: dict[str, object] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = Link(os.readlink(path))
        elif path.is_file():
            found[name] = (path.read_bytes(), path.stat().st_mode & 0o777 == 0o755)
    plain = {path: (what, False) if isinstance(what, bytes) else what for path, what in files.items()}
    assert found == plain
