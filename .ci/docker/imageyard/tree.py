"""Which files there are and which bytes they have: in the work tree, or at a revision."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Iterable
from pathlib import Path

from imageyard import git
from imageyard.errors import ConfigurationError, EnvironmentLacks, Transient
from imageyard.treebase import DictTree, Entry, Link, ListedTree, Tree, folder_of, without

__all__ = ["DictTree", "Entry", "GitTree", "Link", "Tree", "WorkTree", "without"]

_BLOCK = 512
"""Files that one `git cat-file` reads ahead; a context of more is read in several."""


class WorkTree(ListedTree):
    """git's view of the working tree: tracked files as they are on disk, and untracked ones that are not ignored.

    A file is executable by its owner's bit, which no umask takes away, or by the index where `core.fileMode` is
    false. Bytes are those on disk: a checkout with `core.autocrlf=true` has other bytes than one without.
    """

    def __init__(self, top: Path, folder: str = "") -> None:
        super().__init__()
        self.top = top
        self.folder = folder_of(folder)
        self.label = f"the work tree {top / self.folder}"
        self._root = os.fsencode(top / self.folder)

    def _list(self) -> tuple[Iterable[Entry], Iterable[str]]:
        keeps_mode, keeps_links = git.file_settings(self.top)
        real: dict[str, bool] = {"": True}
        entries: list[Entry] = []
        nested: list[str] = []
        for item in git.listing(self.top, self.folder):
            path = item.path[len(self.folder) + 1 :] if self.folder else item.path
            if item.stage not in ("", "0"):
                raise ConfigurationError(
                    f"{item.path} has a merge conflict", hint=f"resolve it, then: git add {item.path}"
                )
            if path.endswith("/"):
                nested.append(path.rstrip("/"))
                continue
            mode = self._mode(path, real)
            if mode is None:
                if item.tag == "S":
                    raise _sparse(item.path)
            elif stat.S_ISDIR(mode):
                if item.mode == "160000":
                    nested.append(path)
            else:
                link = stat.S_ISLNK(mode) or (item.mode == "120000" and not keeps_links)
                runs = bool(mode & stat.S_IXUSR) if keeps_mode else item.mode == "100755"
                entries.append(Entry(path, "link" if link else "file", runs and not link))
        return entries, nested

    def _mode(self, path: str, real: dict[str, bool]) -> int | None:
        """The mode of `path` on disk, or None where it is gone, or its folder is now a link to elsewhere."""
        if not self._is_real(posixpath.dirname(path), real):
            return None
        try:
            mode = os.lstat(self._on_disk(path)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unreadable(path, error) from None
        if stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode):
            return mode
        raise ConfigurationError(
            f"{path} is neither a file nor a link nor a folder",
            doing=f"listing {self.label}",
            hint=f"remove it, or restore it: git checkout -- {path}",
        )

    def _is_real(self, folder: str, real: dict[str, bool]) -> bool:
        if folder not in real:
            real[folder] = self._is_real(posixpath.dirname(folder), real) and not _is_link(self._on_disk(folder))
        return real[folder]

    def _read(self, entry: Entry) -> bytes:
        where = self._on_disk(entry.path)
        try:
            if entry.kind == "link" and _is_link(where):
                return os.readlink(where)  # noqa: PTH115
            with open(where, "rb") as file:  # noqa: PTH123  (the name may not be in the locale's encoding)
                return file.read()
        except OSError as error:
            raise self._unreadable(entry.path, error) from None

    def _on_disk(self, path: str) -> bytes:
        return os.path.join(self._root, path.encode())  # noqa: PTH118

    def _unreadable(self, path: str, error: OSError) -> EnvironmentLacks | Transient:
        if isinstance(error, FileNotFoundError):
            return Transient(
                f"{path} vanished while it was being read", doing=f"reading {self.label}", hint="run again"
            )
        return EnvironmentLacks(f"cannot read {path}: {error.strerror}", doing=f"reading {self.label}")


class GitTree(ListedTree):
    """The tree of a revision, with bytes as a checkout on this machine would write them.

    Files are read a block at a time, beginning with the one that was asked for.
    """

    def __init__(self, top: Path, rev: str, folder: str = "") -> None:
        super().__init__()
        self.top = top
        self.rev = rev
        self.folder = folder_of(folder)
        self.label = f"{rev}:{self.folder}"
        self._blobs: dict[str, git.TreeEntry] = {}
        self._block: dict[str, bytes] = {}

    def _list(self) -> tuple[Iterable[Entry], Iterable[str]]:
        entries: list[Entry] = []
        nested: list[str] = []
        for item in git.tree_listing(self.top, self.rev, self.folder):
            path = item.path[len(self.folder) + 1 :] if self.folder else item.path
            if item.mode == "160000":
                nested.append(path)
                continue
            self._blobs[path] = item
            entries.append(Entry(path, "link" if item.mode == "120000" else "file", item.mode == "100755"))
        return entries, nested

    def _read(self, entry: Entry) -> bytes:
        if entry.path not in self._block:
            paths = list(self.entries())
            start = paths.index(entry.path)
            ahead = [p for p in paths[start:] + paths[:start] if p == entry.path or p not in self._digests][:_BLOCK]
            data = git.blobs(self.top, [self._blobs[path] for path in ahead])
            self._block = dict(zip(ahead, data, strict=True))
            for path in ahead:
                self._settle(path, hashlib.sha256(self._block[path]).hexdigest())
        return self._block[entry.path]


def _is_link(where: bytes) -> bool:
    return os.path.islink(where)  # noqa: PTH114  (pathlib takes no bytes)


def _sparse(path: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is left out by a sparse checkout",
        doing="listing the files of a build context",
        hint=f"git sparse-checkout add {posixpath.dirname(path) or '.'}, or git sparse-checkout disable",
    )
