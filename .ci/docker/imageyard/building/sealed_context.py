"""The sealed context: folders with exactly the files of a recipe, and the Dockerfile beside them.

buildx sends folders to whoever builds. What the recipe does not name is not there, so that a build which reads more
fails and does not go stale.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from imageyard.errors import Transient
from imageyard.recipe.model import MTIME

if TYPE_CHECKING:
    from imageyard.recipe.model import File
    from imageyard.treebase import Tree

__all__ = ["SealedContext", "seal"]

_SEND_ALL = "# The folders hold what is to be sent.\n"


@dataclass(frozen=True)
class SealedContext:
    """The folder of the main context, the Dockerfile, which is outside of it, and the folders of named contexts."""

    folder: Path
    dockerfile: Path
    named: Mapping[str, Path]


def seal(
    files: Iterable[File], trees: Mapping[str, Tree], dockerfile: bytes, into: Path, *, name: str
) -> SealedContext:
    """Write the files of a recipe and its Dockerfile to the folder `into`, which is new each time.

    `trees` are the context, under the name `""`, and the named ones; `name` is the file name of the Dockerfile. Modes
    are 0644, and 0755 for executables and folders, all times are MTIME: an image has the same bytes wherever it is
    built. A folder of which an exclude or `.dockerignore` leaves no file is not there: git knows no empty folders.

    BuildKit keeps what it was sent under the main folder's name, and asks again only for files whose size or time
    differ (buildx 0.29, build/opt.go, `SharedKey`; tonistiigi/fsutil): so the folder is named after what it holds. Of a
    folder it leaves out what `.dockerignore` says; an ignore file beside the Dockerfile takes its place (BuildKit 0.25,
    frontend/dockerui/context.go).
    Raises Transient where a file is no longer what the recipe says of it.
    """
    files = tuple(files)
    all_of_it = "".join(f"{file.path}\0{file.mode}\0{file.digest}\n" for file in files)
    hashed = hashlib.sha256(all_of_it.encode(errors="surrogateescape")).hexdigest()
    tops = {one: into / (f"named-{quote(one, safe='')}" if one else f"context-{hashed[:32]}") for one in trees}
    for top in tops.values():
        top.mkdir(parents=True)
    writers = {one: _Writer(top, trees[one]) for one, top in tops.items()}
    for file in files:
        context, _, path = file.path.rpartition("//")
        writers[context].write(path, file)
    for writer in writers.values():
        writer.close()
    apart = into / "dockerfile"
    apart.mkdir()
    (apart / name).write_bytes(dockerfile)
    (apart / f"{name}.dockerignore").write_text(_SEND_ALL)
    return SealedContext(tops.pop(""), apart / name, tops)


class _Writer:
    """Writes files below a folder, with the folders they are in."""

    def __init__(self, top: Path, tree: Tree) -> None:
        self._top = os.fsencode(top)
        self._tree = tree
        self._folders = {b""}

    def write(self, path: str, file: File) -> None:
        """Write one file. Raises Transient where it is no longer what the recipe says of it."""
        name = os.fsencode(path)
        self._make(os.path.dirname(name))  # noqa: PTH120  (pathlib takes no bytes)
        where = self._top + b"/" + name
        if self._tree.entries().get(path) is None or self._tree.digest(path) != file.digest:
            raise _changed(file)
        if file.mode == "link":
            os.symlink(self._tree.read(path), where)  # noqa: PTH211
        else:
            opened = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(opened, "wb") as out:
                for piece in self._tree.pieces(path):
                    out.write(piece)
                os.fchmod(opened, 0o755 if file.mode == "exec" else 0o644)
        os.utime(where, (MTIME, MTIME), follow_symlinks=False)

    def _make(self, folder: bytes) -> None:
        if folder not in self._folders:
            self._make(os.path.dirname(folder))  # noqa: PTH120
            os.mkdir(self._top + b"/" + folder)  # noqa: PTH102
            self._folders.add(folder)

    def close(self) -> None:
        """Give the folders their mode and time, which writing into them changed."""
        for folder in self._folders:
            where = self._top + b"/" + folder
            os.chmod(where, 0o755)  # noqa: PTH101, S103  (as git and tar have them)
            os.utime(where, (MTIME, MTIME))


def _changed(file: File) -> Transient:
    return Transient(
        f"{file.path} is no longer the file that the tag was computed from",
        doing="sealing the build context",
        hint="run again, with nothing writing to the build context",
    )
