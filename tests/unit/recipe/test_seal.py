"""The sealed context is exactly the recipe's files, byte for byte the same wherever it is made."""

from __future__ import annotations

import hashlib
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard import git
from imageyard.errors import Transient
from imageyard.recipe import seal as sealing
from imageyard.recipe.seal import MTIME, seal
from imageyard.tree import WorkTree
from imageyard.treebase import DictTree, Link, Tree

LONG = "/".join(["folder" * 10] * 4) + "/file"


@dataclass(frozen=True)
class File:
    path: str
    mode: Literal["file", "exec", "link"]
    digest: str


@dataclass(frozen=True)
class Recipe:
    files: tuple[File, ...]


def recipe_of(tree: Tree, *paths: str) -> Recipe:
    def file(path: str) -> File:
        entry = tree.entries()[path]
        return File(path, "link" if entry.kind == "link" else "exec" if entry.executable else "file", tree.digest(path))

    return Recipe(tuple(file(path) for path in (paths or tree.entries())))


def members(tree: Tree, recipe: Recipe) -> list[tarfile.TarInfo]:
    with seal(recipe.files, tree) as sealed, tarfile.open(fileobj=sealed) as tar:
        return tar.getmembers()


FIXED = DictTree(
    {
        "Dockerfile": b"FROM scratch\nCOPY . /\n",
        "common/install.sh": (b"#!/bin/sh\n", True),
        "common/link": Link("install.sh"),
        "grün/ü.txt": "ü\n".encode(),
        "empty": b"",
        LONG: b"long\n",
        "to-long": Link(LONG),
    }
)


def test_golden() -> None:
    with seal(recipe_of(FIXED).files, FIXED) as sealed:
        data = sealed.read()
    assert len(data) == 20480
    assert hashlib.sha256(data).hexdigest() == "9ff144d5bbd5cc881852f137d0c3fba51d9d513d127a9530c0e707187ba0fe48"


def test_members() -> None:
    found = [
        (m.name, m.type, oct(m.mode), m.linkname)
        for m in members(FIXED, recipe_of(FIXED, "common/install.sh", "common/link"))
    ]
    assert found == [
        (".", tarfile.DIRTYPE, "0o755", ""),
        ("common", tarfile.DIRTYPE, "0o755", ""),
        ("common/install.sh", tarfile.REGTYPE, "0o755", ""),
        ("common/link", tarfile.SYMTYPE, "0o777", "install.sh"),
    ]


def test_nothing_of_the_machine_is_in_it() -> None:
    found = members(FIXED, recipe_of(FIXED))
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in found} == {(0, 0, "", "", MTIME)}


def test_starts_as_a_tar_that_buildx_knows() -> None:
    tree = DictTree({LONG: b"", "ü": b""})
    with seal(recipe_of(tree).files, tree) as sealed:
        head = sealed.read(1024)
    assert tarfile.TarInfo.frombuf(head[:512], "utf-8", "strict").type == tarfile.DIRTYPE


def test_files_of_named_contexts_are_elsewhere() -> None:
    recipe = Recipe((File("tools//a", "file", "0" * 64), *recipe_of(FIXED, "empty").files))
    assert [m.name for m in members(FIXED, recipe)] == [".", "empty"]


@pytest.mark.parametrize("large", [False, True])
def test_can_be_a_child_s_standard_input(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr(sealing, "_IN_MEMORY", 1)
    with seal(recipe_of(FIXED).files, FIXED) as sealed:
        assert os.read(sealed.fileno(), 1) == b"."


@pytest.mark.parametrize("now", [{"a": b"new"}, {}, {"a": Link("elsewhere")}])
def test_file_that_changed_is_noticed(now: dict[str, bytes | Link]) -> None:
    recipe = recipe_of(DictTree({"a": b"old"}))
    with pytest.raises(Transient, match="a is no longer the file") as caught:
        seal(recipe.files, DictTree(now))
    assert "run again" in caught.value.hint[0]


def test_equal_across_paths_umasks_and_times(tmp_path: Path) -> None:
    seals: list[bytes] = []
    for name, umask, when in (("one", 0o022, 1), ("two/deeper", 0o077, 2_000_000_000)):
        top = tmp_path / name
        before = os.umask(umask)
        try:
            (top / "a").mkdir(parents=True)
            (top / "a" / "run").write_text("#!/bin/sh\n")
            (top / "a" / "run").chmod(0o777 & ~umask)
            (top / "ü").write_text("x")
            (top / "link").symlink_to("a/run")
        finally:
            os.umask(before)
        os.utime(top / "a" / "run", (when, when))
        git.ask(top, "init", "-q")
        tree = WorkTree(top)
        with seal(recipe_of(tree).files, tree) as sealed:
            seals.append(sealed.read())
    assert seals[0] == seals[1]


NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/\0"), min_size=1, max_size=120).filter(
    lambda name: name not in (".", "..")
)
CONTENT = st.binary(max_size=600) | st.tuples(st.binary(max_size=5), st.booleans())
LINKS = st.builds(
    Link, st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=200)
)
FILES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/".join([*parts, "f"])), CONTENT | LINKS, max_size=5
)


@given(FILES)
def test_what_goes_in_comes_out(files: dict[str, bytes | tuple[bytes, bool] | Link]) -> None:
    # a name that is a file in one path and a folder in another cannot be
    files = {path: what for path, what in files.items() if not any(p.startswith(f"{path}/") for p in files)}
    tree = DictTree(files)
    found: dict[str, bytes | tuple[bytes, bool] | Link] = {}
    with seal(recipe_of(tree).files, tree) as sealed, tarfile.open(fileobj=sealed) as tar:
        for member in tar:
            if member.issym():
                found[member.name] = Link(member.linkname)
            elif member.isfile():
                file = tar.extractfile(member)
                assert file is not None
                found[member.name] = (file.read(), member.mode == 0o755)
    plain = {path: (what, False) if isinstance(what, bytes) else what for path, what in files.items()}
    assert found == plain
