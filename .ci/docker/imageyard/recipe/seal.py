"""The sealed context: a tar of exactly the recipe's files, the same bytes on every machine."""

from __future__ import annotations

import hashlib
import io
import posixpath
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from typing import IO, cast

from imageyard.errors import Transient
from imageyard.recipe.model import File
from imageyard.treebase import Tree

__all__ = ["MTIME", "seal"]

MTIME = 946_684_800
"""Seconds: 2000-01-01T00:00:00Z, the time of everything in the tar. Zip archives, wheels among them, cannot hold a
time before 1980, so that an image whose files date from 1970 breaks builds in it."""
_IN_MEMORY = 16 * 2**20
"""Bytes; a larger tar goes to a file without a name."""


def seal(files: Sequence[File], tree: Tree) -> IO[bytes]:
    """The tar that a build gets on standard input, at its start; to be closed by the caller.

    It holds these files of a recipe, the Dockerfile among them, and the folders they are in: sorted, modes 0644, 0755
    for executables and folders, owner 0, one fixed time. Files of named contexts (`NAME//PATH`) are not in it.
    Nor is a folder of which an exclude or `.dockerignore` leaves no file: git knows no empty folders.
    Raises Transient where a file is no longer what the recipe says of it.
    """
    spool = cast("IO[bytes]", tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115  (the caller closes it)
    try:
        _write(spool, [file for file in files if "//" not in file.path], tree)
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return spool


def _write(out: IO[bytes], files: Sequence[File], tree: Tree) -> None:
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        # buildx and BuildKit know a tar by its first 1024 bytes; a long or non-ASCII name would take more than that
        tar.addfile(_member(".", tarfile.DIRTYPE, 0o755))
        for folder in _folders(file.path for file in files):
            tar.addfile(_member(folder, tarfile.DIRTYPE, 0o755))
        for file in sorted(files, key=lambda each: each.path):
            data = _content(file, tree)
            if file.mode == "link":
                member = _member(file.path, tarfile.SYMTYPE, 0o777)
                member.linkname = data.decode(errors="surrogateescape")
                tar.addfile(member)
                continue
            member = _member(file.path, tarfile.REGTYPE, 0o755 if file.mode == "exec" else 0o644)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def _member(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type = kind
    member.mode = mode
    member.mtime = MTIME
    return member


def _folders(paths: Iterable[str]) -> list[str]:
    """Every folder on the way to a path: those that a tar leaves out get the time of the build."""
    found: set[str] = set()
    for path in paths:
        while (path := posixpath.dirname(path)) and path not in found:
            found.add(path)
    return sorted(found)


def _content(file: File, tree: Tree) -> bytes:
    if file.path in tree.entries():
        data = tree.read(file.path)
        if hashlib.sha256(data).hexdigest() == file.digest:
            return data
    raise Transient(
        f"{file.path} is no longer the file that the tag was computed from",
        doing="sealing the build context",
        hint="run again, with nothing writing to the build context",
    )
