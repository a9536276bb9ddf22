"""Which files there are and which bytes they have: in the work tree, or at a revision."""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import stat
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from imageyard import git, path_problems
from imageyard.digest_cache import DigestCache, Seen, seen, size_of
from imageyard.errors import EnvironmentLacks, ImageyardError, Transient
from imageyard.git_tree import GitTree
from imageyard.repository_paths import path_in_repository
from imageyard.treebase import (
    DictTree,
    Entry,
    Link,
    ListedTree,
    Placed,
    Tree,
    uncollected,
    without,
)

__all__ = ["DictTree", "Entry", "GitTree", "Link", "Tree", "WorkTree", "without"]

_PIECE = 1 << 20
"""Bytes."""
_UTF8 = sys.getfilesystemencoding() == "utf-8"
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Without O_NONBLOCK, a named pipe in place of a file would be waited for."""


class WorkTree(ListedTree):
    """git's view of the working tree: tracked files as they are on disk, and untracked ones that are not ignored.

    A file is executable by its owner's bit, which no umask takes away, or by the index where `core.fileMode` is
    false. Bytes are those on disk: a checkout with `core.autocrlf=true` has other bytes than one without. A submodule
    and a repository that lies in this one are seen as their own git sees them. With `only`, one file or folder alone.
    """

    def __init__(self, top: Path, folder: str = "", only: str = "") -> None:
        super().__init__()
        self.top = top
        self._only = only
        self.folder = path_in_repository(folder, lambda path: _text_of_link(top / path))
        self.label = f"the work tree {top / self.folder}"
        self._root = os.fsencode(top / self.folder) + b"/"
        self._plain = os.fsdecode(self._root)
        self._seen: dict[str, Seen] = {}
        self._cache = DigestCache(top / self.folder / only)

    @classmethod
    def at(cls, top: Path, path: str) -> Placed:
        """A file or folder of the repository, links followed, in a tree that holds nothing else."""
        whole = path_in_repository(path, lambda part: _text_of_link(top / part))
        folder, _, name = whole.rpartition("/")
        return Placed(cls(top, folder, name), name, whole)

    def digests(self, paths: Collection[str]) -> Mapping[str, str]:
        """See Tree: files that are as they were when they were hashed before are not read again."""
        entries, digests = self.entries(), self._digests
        with uncollected():
            wanted = [path for path in paths if path not in digests]
            known = self._cache.known(self._seen, wanted)
            if digests:
                digests |= known
            else:
                self._digests = digests = known
            for path in wanted:
                if path not in known:
                    entry = entries.get(path)
                    if entry is None or entry.kind == "link" or entry.problem:
                        self.digest(path)
                    else:
                        digests[path] = self._hash(path)
            self._cache.save(entries.keys())
        return digests

    def digest(self, path: str) -> str:
        """See Tree."""
        if path not in self._digests:
            entry = self._entry(path)
            if entry.kind == "link":
                return super().digest(path)
            self._settle(path, self._hash(path))
        return self._digests[path]

    def _hash(self, path: str) -> str:
        """The digest of a file, noted where it is the file that was listed."""
        listed = self._seen.get(path)
        try:
            handle = os.open(self._on_disk(path), _FLAGS)
            try:
                if listed:
                    digest = _digest(handle, size_of(listed))
                    if seen(os.fstat(handle)) == listed:
                        self._cache.put(path, listed, digest)
                        return digest
                before = os.fstat(handle)
                same = stat.S_ISREG(before.st_mode)
                if same:
                    os.lseek(handle, 0, os.SEEK_SET)
                    digest = _digest(handle, before.st_size)
                    same = seen(before) == seen(os.fstat(handle))
            finally:
                os.close(handle)
        except OSError as error:
            raise self._unreadable(path, error) from None
        if not same:
            raise self._changed(path)
        return digest

    @cached_property
    def _repository(self) -> tuple[str, str]:
        """The folder of the repository that the files are of, a submodule's or `""`, and their folder in it."""
        parts = self.folder.split("/") if self.folder else []
        for depth in range(len(parts), 0, -1):
            owner = "/".join(parts[:depth])
            if (self.top / owner / ".git").exists():
                return owner, "/".join(parts[depth:])
        return "", self.folder

    def _list(self) -> Iterable[Entry]:
        with uncollected():
            return list(self._entries())

    def _entries(self) -> Iterator[Entry]:
        owner, folder = self._repository
        top = self.top / owner
        keeps_mode, keeps_links = git.file_settings(top)
        start = len(folder) + 1 if folder else 0
        last, there, real, conflicted = "", True, {"": True}, None
        seen_by_path, lstat, on_disk = self._seen, os.lstat, self._on_disk
        for tag, whole, index_mode, stage in git.listing(top, folder, self._only):
            path = whole[start:]
            if stage > "0":
                if path != conflicted:  # its stages stand together
                    conflicted = path
                    yield Entry(path, "file", problem=path_problems.conflict(posixpath.join(owner, whole)))
                continue
            above = path.rpartition("/")[0]
            if above != last:
                last, there = above, self._is_real(above, real)
            try:
                found = lstat(on_disk(path)) if there else None
            except (FileNotFoundError, NotADirectoryError):
                found = None
            except OSError as error:
                yield Entry(path, "file", problem=self._unreadable(path, error))
                continue
            mode = found.st_mode if found else 0
            kind = stat.S_IFMT(mode)
            if found and kind in (stat.S_IFREG, stat.S_IFLNK):
                link = kind == stat.S_IFLNK or (index_mode == "120000" and not keeps_links)
                runs = not link and (bool(mode & stat.S_IXUSR) if keeps_mode else index_mode == "100755")
                if not link:
                    seen_by_path[path] = seen(found)
                problem = None if path.isascii() else path_problems.not_utf8(path)
                yield Entry(path, "link" if link else "file", runs, problem)
            else:
                yield from self._unusual(path, kind, tag, index_mode)

    def _unusual(self, path: str, kind: int, tag: str, index_mode: str) -> Iterator[Entry]:
        """What is there instead of a file or a link: a repository, or what is in the way, or nothing."""
        shown = posixpath.join(self.folder, path).rstrip("/")
        if not kind and tag == "S":
            yield Entry(path, "link" if index_mode == "120000" else "file", problem=path_problems.sparse(shown))
        elif index_mode == "160000" and kind in (0, stat.S_IFDIR):
            yield from self._nested(path, shown)
        elif kind == stat.S_IFDIR:
            if path.endswith("/"):
                yield from self._nested(path[:-1], shown)
        elif kind:
            yield Entry(path, "file", problem=path_problems.odd(shown))

    def _is_real(self, folder: str, real: dict[str, bool]) -> bool:
        """Whether a folder is one, and no link to elsewhere."""
        if folder not in real:
            above = self._is_real(folder.rpartition("/")[0], real)
            real[folder] = above and not os.path.islink(self._on_disk(folder))  # noqa: PTH114  (pathlib takes no bytes)
        return real[folder]

    def _on_disk(self, path: str) -> str | bytes:
        """Where a path of git's is on disk, whose names are UTF-8: the locale may be none that has them."""
        return self._plain + path if _UTF8 else self._root + path.encode(errors="surrogateescape")

    def _nested(self, path: str, shown: str) -> Iterator[Entry]:
        """The files of a repository in this one: a submodule, or a clone that lies here."""
        top = Path(os.fsdecode(self._on_disk(path)))
        if not (top / ".git").exists():
            yield Entry(path, "file", problem=path_problems.not_checked_out(shown))
            return
        inner = WorkTree(top)
        try:
            entries = inner.entries()
        except ImageyardError as error:
            yield Entry(path, "file", problem=path_problems.unreadable_repository(shown, error))
            return
        prefix = f"{path}/"
        self._seen |= {prefix + name: seen for name, seen in inner._seen.items()}
        for entry in entries.values():
            yield entry._replace(path=prefix + entry.path)

    def _beyond(self, path: str) -> Tree:
        return WorkTree(self.top, posixpath.join(self.folder, path))

    def _pieces(self, entry: Entry) -> Iterator[bytes]:
        where = self._on_disk(entry.path)
        try:
            if entry.kind == "link" and os.path.islink(where):  # noqa: PTH114
                yield os.readlink(os.fsencode(where))  # noqa: PTH115
                return
            with open(where, "rb", buffering=0) as file:  # noqa: PTH123  (the name may not be in the locale's encoding)
                before = seen(os.fstat(file.fileno()))
                while piece := file.read(_PIECE):
                    yield piece
                if seen(os.fstat(file.fileno())) != before:
                    raise self._changed(entry.path)
        except OSError as error:
            raise self._unreadable(entry.path, error) from None

    def _unreadable(self, path: str, error: OSError) -> EnvironmentLacks | Transient:
        if isinstance(error, FileNotFoundError):
            return Transient(
                f"{path} vanished while it was being read", doing=f"reading {self.label}", hint="run again"
            )
        if error.errno == errno.ELOOP:  # it is a link now
            return self._changed(path)
        return EnvironmentLacks(f"cannot read {path}: {error.strerror}", doing=f"reading {self.label}")


def _digest(handle: int, size: int) -> str:
    """The sha256 of the next `size` bytes, or of those that there are."""
    hashed = hashlib.sha256()
    while size > 0 and (piece := os.read(handle, min(size, _PIECE))):
        hashed.update(piece)
        size -= len(piece)
    return hashed.hexdigest()


def _text_of_link(where: Path) -> str | None:
    return os.readlink(where) if where.is_symlink() else None  # noqa: PTH115
