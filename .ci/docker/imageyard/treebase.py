"""What a tree of files is: entries, bytes and digests by path; trees from a dict, from a folder, without some files."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from imageyard.errors import ConfigurationError, Transient

__all__ = ["DictTree", "Entry", "Link", "ListedTree", "Tree", "folder_of", "without"]


@dataclass(frozen=True)
class Entry:
    """A file or symbolic link; `path` is POSIX, relative to the tree's root."""

    path: str
    kind: Literal["file", "link"]
    executable: bool = False


@dataclass(frozen=True)
class Link:
    """A symbolic link in a DictTree, by its text."""

    text: str


class Tree(Protocol):
    """Files by path. What it once told of a file holds: bytes that change under it are an error, never a mixture."""

    @property
    def label(self) -> str:
        """What to call it in an error."""

    @property
    def submodules(self) -> frozenset[str]:
        """Folders whose files belong to another git repository: submodules, and repositories nested in this one."""

    def entries(self) -> Mapping[str, Entry]:
        """All files and links, sorted by path; computed once."""

    def read(self, path: str) -> bytes:
        """The bytes of a file, or a link's text. Raises ConfigurationError where the tree has no such file."""

    def digest(self, path: str) -> str:
        """The sha256, in hex, of what `read` returns."""

    def sub(self, folder: str) -> Tree:
        """The same tree rooted at `folder`."""


class ListedTree:
    """What the trees have in common: they list once, hash once and notice change; a kind of tree adds the how."""

    label: str

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    @cached_property
    def _found(self) -> tuple[Mapping[str, Entry], frozenset[str]]:
        entries, submodules = self._list()
        # by code point, which is the order of the UTF-8 bytes
        return {entry.path: entry for entry in sorted(entries, key=lambda e: e.path)}, frozenset(submodules)

    @property
    def submodules(self) -> frozenset[str]:
        """See Tree."""
        return self._found[1]

    def entries(self) -> Mapping[str, Entry]:
        """See Tree."""
        return self._found[0]

    def read(self, path: str) -> bytes:
        """See Tree. Raises Transient where the file is not what it was when it was first looked at."""
        data = self._read(self._entry(path))
        self._settle(path, hashlib.sha256(data).hexdigest())
        return data

    def digest(self, path: str) -> str:
        """See Tree."""
        if path not in self._digests:
            self.read(path)
        return self._digests[path]

    def sub(self, folder: str) -> Tree:
        """See Tree."""
        return _View(self, folder_of(folder))

    def _entry(self, path: str) -> Entry:
        if path in self.entries():
            return self.entries()[path]
        why = next((s for s in self.submodules if f"{path}/".startswith(f"{s}/")), None)
        raise ConfigurationError(
            f"{path} is in {why}, which is a git repository of its own" if why else f"there is no file {path}",
            doing=f"reading {self.label}",
        )

    def _settle(self, path: str, digest: str) -> None:
        if self._digests.setdefault(path, digest) != digest:
            raise Transient(f"{path} changed while it was being read", doing=f"reading {self.label}", hint="run again")

    def _list(self) -> tuple[Iterable[Entry], Iterable[str]]:
        raise AssertionError("every tree lists its own files")

    def _read(self, entry: Entry) -> bytes:
        raise AssertionError("every tree reads its own files")


class DictTree(ListedTree):
    """Files from a dict: bytes, `(bytes, True)` for an executable, or a Link."""

    def __init__(self, files: Mapping[str, bytes | tuple[bytes, bool] | Link], label: str = "the given files") -> None:
        super().__init__()
        self.label = label
        self._files = dict(files)

    def _list(self) -> tuple[Iterable[Entry], Iterable[str]]:
        entries = []
        for path, what in self._files.items():
            kind: Literal["file", "link"] = "link" if isinstance(what, Link) else "file"
            entries.append(Entry(path, kind, isinstance(what, tuple) and what[1]))
        return entries, ()

    def _read(self, entry: Entry) -> bytes:
        what = self._files[entry.path]
        if isinstance(what, Link):
            return what.text.encode()
        return what[0] if isinstance(what, tuple) else what


class _View(ListedTree):
    """A tree as seen from one of its folders, or without some of its files; bytes and digests stay the tree's own."""

    def __init__(self, whole: Tree, folder: str, keeps: Callable[[str], bool] = lambda path: True) -> None:
        super().__init__()
        self._whole = whole
        self._prefix = f"{folder}/" if folder else ""
        self._keeps = keeps
        self.label = f"{whole.label.rstrip('/')}/{folder}" if folder else whole.label

    def _list(self) -> tuple[Iterable[Entry], Iterable[str]]:
        start = len(self._prefix)
        entries = (
            Entry(path[start:], entry.kind, entry.executable)
            for path, entry in self._whole.entries().items()
            if path.startswith(self._prefix) and self._keeps(path)
        )
        nested = (
            path[start:] for path in self._whole.submodules if path.startswith(self._prefix) and self._keeps(path)
        )
        return entries, nested

    def read(self, path: str) -> bytes:
        return self._whole.read(self._prefix + self._entry(path).path)

    def digest(self, path: str) -> str:
        return self._whole.digest(self._prefix + self._entry(path).path)


def without(tree: Tree, paths: Collection[str]) -> Tree:
    """`tree` without these files and folders, given relative to its root; those that are not there do not matter."""
    gone = {folder_of(path) for path in paths}

    def keeps(path: str) -> bool:
        while path:
            if path in gone:
                return False
            path = posixpath.dirname(path)
        return True

    return _View(tree, "", keeps)


def folder_of(text: str) -> str:
    """A folder of a tree as a prefix: no `.`, no slash at its end, `""` for the root."""
    clean = posixpath.normpath(text).strip("/") if text else ""
    if clean == ".." or clean.startswith("../"):
        raise ConfigurationError(f"{text} is outside the tree", doing="looking for a folder")
    return "" if clean == "." else clean
