"""What a tree of files is: entries, bytes and digests by path; trees from a dict, from a folder, without some files."""

from __future__ import annotations

import gc
import hashlib
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import Literal, NamedTuple, Protocol

from imageyard.errors import ConfigurationError, ImageyardError, Transient
from imageyard.repository_paths import folder_of, is_outside, leads_out, through_links

__all__ = [
    "DictTree",
    "Entry",
    "Link",
    "ListedTree",
    "Placed",
    "Tree",
    "uncollected",
    "with_files",
    "without",
]


class Entry(NamedTuple):
    """A file or symbolic link; `path` is POSIX, relative to the tree's root.

    One with a `problem` cannot be read, for a reason that concerns only those who want it.
    """

    path: str
    kind: Literal["file", "link"]
    executable: bool = False
    problem: ImageyardError | None = None


@dataclass(frozen=True)
class Link:
    """A symbolic link in a DictTree, by its text."""

    text: str


class Tree(Protocol):
    """Files by path. What it once told of a file holds: bytes that change under it are an error, never a mixture."""

    @property
    def label(self) -> str:
        """What to call it in an error."""

    def entries(self) -> Mapping[str, Entry]:
        """All files and links, sorted by path; computed once. Those of submodules and nested clones are among them."""

    def read(self, path: str) -> bytes:
        """The bytes of a file, or a link's text.

        Raises ConfigurationError where the tree has no such file, and the problem of an entry that has one.
        """

    def pieces(self, path: str) -> Iterator[bytes]:
        """The same bytes in pieces, for a file that may be larger than memory. Raises Transient at a changed one."""

    def digest(self, path: str) -> str:
        """The sha256, in hex, of what `read` returns. Raises as it does."""

    def digests(self, paths: Collection[str]) -> Mapping[str, str]:
        """The digests of these files, and maybe of others, worked out together. Raises as `read` does."""

    def sub(self, folder: str) -> Tree:
        """The same tree rooted at `folder`, or where links on the way to it lead, out of this tree's folder too.

        Raises ConfigurationError where they lead out of the repository.
        """


class Placed(NamedTuple):
    """A file or folder of a tree: the tree, and the path there. There may be nothing at it.

    `whole` is the path from the repository's top, links followed, where the tree is one of a repository.
    """

    tree: Tree
    path: str
    whole: str = ""

    def paths(self) -> Sequence[str]:
        """What is there, by its path in the tree: one file, or those of a folder."""
        entries = self.tree.entries()
        return (self.path,) if self.path in entries else _below(entries, f"{self.path}/")


class ListedTree:
    """What the trees have in common: they list once, hash once and notice change; a kind of tree adds the how."""

    label: str

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    @cached_property
    def _found(self) -> Mapping[str, Entry]:
        # by code point, which is the order of the UTF-8 bytes
        return {entry[0]: entry for entry in sorted(self._list(), key=itemgetter(0))}

    def entries(self) -> Mapping[str, Entry]:
        """See Tree."""
        return self._found

    def read(self, path: str) -> bytes:
        """See Tree. Raises Transient where the file is not what it was when it was first looked at."""
        return b"".join(self.pieces(path))

    def pieces(self, path: str) -> Iterator[bytes]:
        """See Tree."""
        hashed = hashlib.sha256()
        for piece in self._pieces(self._entry(path)):
            hashed.update(piece)
            yield piece
        self._settle(path, hashed.hexdigest())

    def digest(self, path: str) -> str:
        """See Tree."""
        if path not in self._digests:
            for _ in self.pieces(path):
                pass
        return self._digests[path]

    def digests(self, paths: Collection[str]) -> Mapping[str, str]:
        """See Tree."""
        return {path: self.digest(path) for path in paths}

    def sub(self, folder: str) -> Tree:
        """See Tree."""
        real = through_links(folder, self._link)
        return self._beyond(real) if is_outside(real) else _View(self, real)

    def _beyond(self, path: str) -> Tree:
        """The tree of a folder that is outside of this one, as seen from here."""
        raise leads_out(path)

    def _link(self, path: str) -> str | None:
        entry = self.entries().get(path)
        return self.read(path).decode(errors="replace") if entry and entry.kind == "link" else None

    def _entry(self, path: str) -> Entry:
        entry = self.entries().get(path)
        if entry is None:
            raise ConfigurationError(f"there is no file {path}", doing=f"reading {self.label}")
        if entry.problem is not None:
            raise entry.problem
        return entry

    def _settle(self, path: str, digest: str) -> None:
        if self._digests.setdefault(path, digest) != digest:
            raise self._changed(path)

    def _changed(self, path: str) -> Transient:
        return Transient(f"{path} changed while it was being read", doing=f"reading {self.label}", hint="run again")

    def _list(self) -> Iterable[Entry]:
        raise AssertionError("every tree lists its own files")

    def _pieces(self, entry: Entry) -> Iterable[bytes]:
        raise AssertionError("every tree reads its own files")


class DictTree(ListedTree):
    """Files from a dict: bytes, `(bytes, True)` for an executable, or a Link."""

    def __init__(self, files: Mapping[str, bytes | tuple[bytes, bool] | Link], label: str = "the given files") -> None:
        super().__init__()
        self.label = label
        self._files = dict(files)

    def _list(self) -> Iterable[Entry]:
        for path, what in self._files.items():
            kind: Literal["file", "link"] = "link" if isinstance(what, Link) else "file"
            yield Entry(path, kind, isinstance(what, tuple) and what[1])

    def _pieces(self, entry: Entry) -> Iterable[bytes]:
        what = self._files[entry.path]
        if isinstance(what, Link):
            return (what.text.encode(),)
        return (what[0] if isinstance(what, tuple) else what,)


class _View(ListedTree):
    """A tree as seen from one of its folders, or without some of its files; bytes and digests stay the tree's own."""

    def __init__(self, whole: Tree, folder: str, gone: Collection[str] = ()) -> None:
        super().__init__()
        self._whole = whole
        self._prefix = f"{folder}/" if folder else ""
        self._gone = gone
        self.label = f"{whole.label.rstrip('/')}/{folder}" if folder else whole.label

    @cached_property
    def _found(self) -> Mapping[str, Entry]:
        entries, start = self._whole.entries(), len(self._prefix)
        if start:
            return {path[start:]: entries[path]._replace(path=path[start:]) for path in _below(entries, self._prefix)}
        hidden = {path for each in self._gone for path in (each, *_below(entries, f"{each}/"))}
        return {path: entry for path, entry in entries.items() if path not in hidden} if hidden else entries

    def pieces(self, path: str) -> Iterator[bytes]:
        return self._whole.pieces(self._prefix + self._entry(path).path)

    def digest(self, path: str) -> str:
        return self._whole.digest(self._prefix + self._entry(path).path)

    def _beyond(self, path: str) -> Tree:
        return self._whole.sub(self._prefix + path)

    def digests(self, paths: Collection[str]) -> Mapping[str, str]:
        if not self._prefix:
            return self._whole.digests(paths)
        found = self._whole.digests([self._prefix + path for path in paths])
        return {path: found[self._prefix + path] for path in paths}


def without(tree: Tree, paths: Collection[str]) -> Tree:
    """`tree` without these files and folders, given relative to its root; those that are not there do not matter."""
    return _View(tree, "", {folder_of(path) for path in paths})


class _Laid(ListedTree):
    """A tree with files from elsewhere laid into it; bytes and digests stay those of the trees that they are in."""

    def __init__(self, whole: Tree, files: Mapping[str, Placed]) -> None:
        super().__init__()
        self._whole = whole
        self.label = whole.label
        self._laid = {name: placed for where, what in files.items() for name, placed in _renamed(where, what)}

    @cached_property
    def _found(self) -> Mapping[str, Entry]:
        laid = {name: placed.tree.entries()[placed.path]._replace(path=name) for name, placed in self._laid.items()}
        return dict(sorted({**self._whole.entries(), **laid}.items()))

    def pieces(self, path: str) -> Iterator[bytes]:
        laid = self._of(path)
        return laid.tree.pieces(laid.path)

    def digest(self, path: str) -> str:
        laid = self._of(path)
        return laid.tree.digest(laid.path)

    def digests(self, paths: Collection[str]) -> Mapping[str, str]:
        own = self._whole.digests([path for path in paths if path not in self._laid])
        return {path: self.digest(path) if path in self._laid else own[path] for path in paths}

    def _of(self, path: str) -> Placed:
        return self._laid.get(path) or Placed(self._whole, self._entry(path).path)

    def _beyond(self, path: str) -> Tree:
        return self._whole.sub(path)


def with_files(tree: Tree, files: Mapping[str, Placed]) -> Tree:
    """`tree` with files and folders from elsewhere, each at the path in it that it is given under."""
    return _Laid(tree, files) if files else tree


def _renamed(where: str, placed: Placed) -> Iterator[tuple[str, Placed]]:
    """What is at a place: the path that it gets where the place becomes `where`, and its own."""
    for path in placed.paths():
        yield where + path[len(placed.path) :], Placed(placed.tree, path)


def _below(entries: Mapping[str, Entry], prefix: str) -> Sequence[str]:
    """The paths that begin with a prefix that ends in a slash: they stand together, as all are sorted."""
    paths = list(entries)
    return paths[bisect_left(paths, prefix) : bisect_left(paths, f"{prefix[:-1]}0")]  # "0" is the character after "/"


@contextmanager
def uncollected() -> Iterator[None]:
    """Hold Python's search for reference cycles back while very many values are made, none of which is in one.

    With 50,000 files it takes a third of the time in which they are listed.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
