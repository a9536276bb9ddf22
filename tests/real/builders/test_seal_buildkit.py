"""The seal on the real BuildKit: what is in it arrives, and equals a build of the folder, whatever the names."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from imageyard.builders import buildx
from imageyard.building.sealed_context import SealedContext
from imageyard.recipe.model import MTIME
from imageyard.treebase import Link
from support.engine.private import PrivateEngine
from support.sealed.folders import sealed

pytestmark = pytest.mark.engine

LONG = "/".join(["folder" * 10] * 4) + "/file"
FILES: dict[str, bytes | tuple[bytes, bool] | Link] = {
    ".dockerignore": b"*\n",  # must change nothing: what it leaves out is not in the seal to begin with
    "common/install.sh": (b"#!/bin/sh\n", True),
    "common/link": Link("install.sh"),
    "common/up": Link("../empty"),
    "out": Link("../../out"),
    "absolute": Link("/etc/passwd"),
    "dangling": Link("nowhere"),
    "to-long": Link(LONG),
    LONG: b"long",
    "f" * 250: b"n",
    "grün/ü.txt": b"u",
    "a\nb": b"1",
    "b\\c": b"2",
    " sp ace ": b"3",
    "[x]*?": b"4",
    "empty": b"",
    "large": bytes(range(256)) * 8192,
}


Export = Callable[..., "dict[str, tarfile.TarInfo]"]


@pytest.fixture
def export(docker_engine: PrivateEngine, tmp_path: Path) -> Export:
    """What is in an image made from a context: a sealed one, or a folder with its Dockerfile in it."""

    def run(context: SealedContext | Path, name: str) -> dict[str, tarfile.TarInfo]:
        where = tmp_path / f"{name}.tar"
        argv = [buildx.find(), "build", "--builder=default", "--progress=plain", f"--output=type=tar,dest={where}"]
        plain = isinstance(context, Path)
        done = subprocess.run(
            [*argv, str(context)] if plain else [*argv, "-f", str(context.dockerfile), str(context.folder)],
            env={**os.environ, **docker_engine.env, "BUILDX_CONFIG": str(tmp_path / "buildx")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        with tarfile.open(where) as tar:
            return {member.name: member for member in tar}

    return run


def test_arrives_whole(export: Export, tmp_path: Path) -> None:
    found = export(sealed("FROM scratch\nCOPY . /\n", FILES, tmp_path / "s"), "sealed")
    links = {name: what.text for name, what in FILES.items() if isinstance(what, Link)}
    assert {name: member.linkname for name, member in found.items() if member.issym()} == links
    runs = {name: isinstance(what, tuple) for name, what in FILES.items() if not isinstance(what, Link)}
    assert {name: member.mode == 0o755 for name, member in found.items() if member.isfile()} == runs
    assert {member.mtime for member in found.values()} == {MTIME}
    assert {member.mode for member in found.values() if member.isdir()} == {0o755}
    assert {(member.uid, member.gid) for member in found.values()} == {(0, 0)}


def test_equals_a_build_of_the_folder(export: Export, tmp_path: Path) -> None:
    files = {name: what for name, what in FILES.items() if name != ".dockerignore"}
    top = tmp_path / "context"
    for name, what in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, Link):
            path.symlink_to(what.text)
        else:
            path.write_bytes(what if isinstance(what, bytes) else what[0])
            path.chmod(0o755 if isinstance(what, tuple) else 0o644)
    (top / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (top / "Dockerfile.dockerignore").write_text("Dockerfile*\n")
    found = export(sealed("FROM scratch\nCOPY . /\n", files, tmp_path / "s"), "sealed")
    expected = export(top, "folder")

    def facts(members: dict[str, tarfile.TarInfo]) -> dict[str, tuple[bytes, int, str, int]]:
        return {name: (m.type, m.mode, m.linkname, m.size) for name, m in members.items()}

    assert facts(found) == facts(expected)


@pytest.mark.parametrize("first", [b"old bytes", b"new bytes"])
def test_equal_size_and_time_with_other_bytes(first: bytes, export: Export, tmp_path: Path) -> None:
    second = b"new bytes" if first == b"old bytes" else b"old bytes"
    for name, data in (("first", first), ("second", second)):
        export(sealed("FROM scratch\nCOPY file /\n", {"file": data}, tmp_path / f"sealed-{name}"), name)
        with tarfile.open(fileobj=io.BytesIO((tmp_path / f"{name}.tar").read_bytes())) as tar:
            file = tar.extractfile("file")
            assert file is not None
            assert file.read() == data
