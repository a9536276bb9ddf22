"""Which files of a context a COPY, an ADD or a bind mount takes, as BuildKit's copier takes them.

Modelled on BuildKit 0.25, solver/llbsolver/file/backend.go, and tonistiigi/fsutil, copy/copy.go.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import chain, islice

from imageyard.catalogue.suggest import nearest
from imageyard.errors import ImageyardError
from imageyard.recipe.dockerfile.evaluate import FileUse
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.folder_index import FolderIndex
from imageyard.recipe.glob import has_wildcard
from imageyard.recipe.patterns import Pattern, Patterns, compile_pattern
from imageyard.repository_paths import is_in
from imageyard.treebase import Entry, Tree

__all__ = ["Shelf"]

_LINK_LIMIT = 255  # containerd/continuity fs.RootPath gives up there too
_MANY = 2000
"""Paths: to look for one that is spelled alike through more of them takes seconds."""


@dataclass
class _Taken:
    """What a use takes."""

    paths: set[str] = field(default_factory=set)
    empty: set[str] = field(default_factory=set)  # folders that are looked into without anything taken
    unseen: set[str] = field(default_factory=set)  # what is copied if it is sent, and its changes not seen

    def add(self, paths: Collection[str], folder: str) -> None:
        """Take some of a folder's files, or none of them."""
        self.paths.update(paths)
        self.empty.update((folder,) if folder and not paths else ())


class Shelf:
    """The files of one context, looked up the way BuildKit does; what a use takes is worked out once.

    `entries` are those of `tree` that the build sees.
    """

    def __init__(self, tree: Tree, entries: Mapping[str, Entry] | None = None) -> None:
        self.tree = tree
        self.entries = tree.entries() if entries is None else entries
        self._taken: dict[tuple[object, ...], _Taken] = {}

    @cached_property
    def problems(self) -> Mapping[str, ImageyardError]:
        """Why some of the files cannot be read; only a use needs them."""
        return {path: entry.problem for path, entry in self.entries.items() if entry.problem is not None}

    @cached_property
    def folders(self) -> FolderIndex:
        """The folders of the context; only a use needs them."""
        return FolderIndex(list(self.entries))

    @cached_property
    def _not_files(self) -> frozenset[str]:
        """The folders, and the links: what it takes more to take than its path."""
        return frozenset((*self.folders.all, *(path for path, entry in self.entries.items() if entry.kind == "link")))

    def take(self, use: FileUse) -> Set[str]:
        """The paths of all files and links that a use reads, those of links followed on the way among them.

        Raises Fault for a path that is not there, or leaves the context.
        """
        key = _key(use)
        if key not in self._taken:
            self._taken[key] = self._take(use)
        return self._taken[key].paths

    def check(self, use: FileUse, sent: Collection[str]) -> None:
        """Raises Fault where a use takes nothing from a folder, and neither does another: it is not `sent` then.

        BuildKit looks into it all the same, and `docker build` of a whole folder fails like a seal: buildx sends only
        what uses name (`lstat /FOLDER: no such file or directory`, tried with buildx 0.29).
        """
        taken = self._taken[_key(use)]
        for folder in sorted(taken.empty):
            if any(path in sent for path in (folder, *self.folders.below(folder))):
                continue
            # the Dockerfile is sent too where .dockerignore leaves it out
            if not any(is_in(path, folder) for path in sent):
                raise Fault(
                    f"{use.path[:200]} takes no file, and no other use takes one from {folder}",
                    "BuildKit gets no empty folders: remove it, or name a file that is there beside it",
                )
        for path in sorted(taken.unseen.intersection(sent)):
            raise self._unseen(use, path)

    def find(self, path: str) -> tuple[frozenset[str], str]:
        """One file: the paths that lead to it, its own among them, and its own. Raises Fault where there is none."""
        followed: set[str] = set()
        real = self._follow(_inside(path), followed)
        if real not in self.entries:
            raise self._missing(path, real)
        return frozenset((*followed, real)), real

    def _take(self, use: FileUse) -> _Taken:
        if use.parents:
            return self._with_parents(use)
        taken = _Taken()
        path = _inside(use.path)
        sources: Iterable[str] = (path,)
        if use.wildcards and has_wildcard(path):
            base, pattern = self._base(path, taken)
            matches = _matches(self.folders, base, pattern)
            taken.empty.update(() if matches or not base else (base,))
            others = self._not_files.intersection(matches)
            taken.paths.update(matches)
            taken.paths -= others
            sources = sorted(others)
        for source in sources:
            real = self._follow(source, taken.paths)
            if real in self.entries:
                taken.paths.add(real)
            elif real in self.folders.all:
                left = _left(self.folders.below(real), real, use.exclude)
                taken.add(left, real)
                self._take_targets(left if use.exclude and not path else (), taken)
            else:
                raise self._missing(use.path, source)
        return taken

    def _with_parents(self, use: FileUse) -> _Taken:
        """What `--parents` takes: what a pattern matches below that which stands in front of the first `/./`."""
        before, dot, after = use.path.partition("/./")
        pivot, pattern = (_inside(before), _inside(after)) if dot else ("", _inside(use.path))
        taken = _Taken()
        if has_wildcard(pivot):
            self._take_below_each(pivot, pattern, use, taken)
            return taken
        root = self._follow(pivot, taken.paths)
        if root not in self.folders.all:
            raise self._missing(use.path, root)
        inside = self._included(root, pattern)
        if not inside and pattern and not has_wildcard(pattern):
            raise self._missing(use.path, posixpath.join(root, pattern))
        left = _left(inside, root, use.exclude)
        taken.add(left, root)
        self._take_targets(() if pivot else left, taken)
        return taken

    def _take_below_each(self, pivot: str, pattern: str, use: FileUse, taken: _Taken) -> None:
        """Take what a pattern matches below each folder that a pivot with wildcards matches.

        A file that it matches is copied whole, and what a link leads to, if only they are sent, and a change of them
        is not seen (cache/contenthash/checksum.go). buildx sends them where another use names them, or where a link
        is among what the first wildcard matches (fsutil, followlinks.go): the whole folder then.
        """
        base, wild = self._base(pivot, taken)
        first = _matches(self.folders, base, wild.partition("/")[0])
        all_sent = any(self._is_link(path) for path in first)
        for source in _matches(self.folders, base, wild):
            if source in self.folders.all:
                taken.paths.update(_left(self._included(source, pattern), source, use.exclude))
            elif all_sent:
                raise self._unseen(use, source)
            else:
                taken.unseen.add(source)
        taken.empty.update((base,) if base else ())

    def _included(self, root: str, text: str) -> Sequence[str]:
        """What of a folder's files a pattern matches that is one of `.dockerignore` too."""
        judge = _judge((text,))
        below = self.folders.below("/".join(filter(None, (root, judge.folder))))
        return judge.matching(below, len(root) + 1 if root else 0)

    def _take_targets(self, paths: Iterable[str], taken: _Taken) -> None:
        """Take what the links right in the context lead to.

        With `--parents` or `--exclude`, BuildKit's checksum of the context reads that, though only the links are
        copied: it fails where it is not there, and a change of it is one of the layer (cache/contenthash/checksum.go).
        """
        for path in paths:
            if "/" not in path and self._is_link(path):
                real = self._follow(path, taken.paths)
                if real not in self.entries and real not in self.folders.all:
                    raise self._missing(path, path)
                taken.paths.update(self.folders.below(real) if real in self.folders.all else (real,))

    def _base(self, path: str, taken: _Taken) -> tuple[str, str]:
        """A path with wildcards in two: the folder that the first of them is in, links followed, and the rest."""
        parts = path.split("/")
        plain = next(i for i, part in enumerate(parts) if has_wildcard(part))
        base = self._follow("/".join(parts[:plain]), taken.paths)
        if base not in self.folders.all and base not in self.entries:
            raise self._missing(path, base)
        return base, "/".join(parts[plain:])

    def _is_link(self, path: str) -> bool:
        return path in self.entries and self.entries[path].kind == "link"

    def _follow(self, path: str, followed: set[str]) -> str:
        """The path with every link on it followed, as in a file system whose root is the context."""
        done: list[str] = []
        todo = [part for part in reversed(path.split("/")) if part]
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                if not done:
                    raise Fault(f"{path}: a link leads out of the build context", "copy what it points to")
                done.pop()
                continue
            done.append(part)
            here = "/".join(done)
            if not self._is_link(here):
                continue
            links += 1
            if links > _LINK_LIMIT:
                raise Fault(f"{path}: its links go round in a circle", "remove one of the links")
            followed.add(here)
            text = self.tree.read(here).decode(errors="replace")
            done = [] if text.startswith("/") else done[:-1]
            todo += [each for each in reversed(text.split("/")) if each not in ("", ".")]
        return "/".join(done)

    def _missing(self, written: str, path: str) -> Fault:
        close = nearest(path, self._alike(path, written), cutoff=0.6)
        problem = next((why for each, why in self.problems.items() if path.startswith(f"{each}/")), None)
        if path.lstrip("/") in self.entries:
            hint = f"{path} is a link to {self.tree.read(path).decode(errors='replace')[:200]}, which is not there"
        elif path.split("/", 1)[0] == ".git":
            hint = "`.git` is no part of the context: pass what the build needs of it as a build arg"
        elif problem:
            return Fault(f"{written[:200]} is not in the build context: {problem.headline}", problem.hint)
        elif close and close[0]:
            hint = f"did you mean {close[0]!r}?"
        else:
            hint = "a file that git or .dockerignore ignores is no part of the context"
        return Fault(f"{written[:200]} is not in the build context", hint)

    def _unseen(self, use: FileUse, path: str) -> Fault:
        what = "what the link leads to is copied" if self._is_link(path) else "the file is copied whole"
        return Fault(
            f"a wildcard in front of /./ matches {path}, which is no folder: {use.path[:200]}",
            f"{what}, and BuildKit's cache does not see when it changes: name the folders that are meant",
        )

    def _alike(self, path: str, written: str) -> Iterator[str]:
        """What may be meant by a path that is not there; of a large context what is near to it, or named alike."""
        known: Iterable[str] = (*self.entries, *self.folders.all)
        if len(self.entries) > _MANY:
            folder, _, name = path.rpartition("/")
            near = (each for each in known if each.rpartition("/")[2] == name or each.rpartition("/")[0] == folder)
            known = islice(chain(near, self.folders.all), _MANY)
        return (each for each in known if each != written)


def _key(use: FileUse) -> tuple[object, ...]:
    return use.path, use.wildcards, use.exclude, use.parents


def _inside(path: str) -> str:
    """A source as a path in the context. Raises Fault where it leaves it; BuildKit would cut that part off."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise Fault(f"{path[:200]} leads out of the build context", "name a path inside the context")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _matches(index: FolderIndex, base: str, pattern: str) -> list[str]:
    """The files and folders that a pattern names in a folder; a folder that matches is not looked into."""
    try:
        return index.matching(base, pattern)
    except ValueError as error:
        raise Fault(f"{pattern[:200]}: {error}", "escape a '[' that is meant as itself with a backslash") from None


def _left(paths: Sequence[str], folder: str, exclude: tuple[str, ...]) -> Sequence[str]:
    """What `--exclude` leaves of a folder's files; its patterns are relative to the folder."""
    return _judge(exclude).left(paths, len(folder) + 1 if folder else 0) if exclude else paths


@lru_cache(maxsize=256)
def _judge(texts: tuple[str, ...]) -> Patterns:
    patterns: list[Pattern] = []
    for text in texts:
        try:
            pattern = compile_pattern(text)
        except ValueError as error:
            raise Fault(f"bad pattern {text[:100]!r}: {error}") from None
        if pattern is not None:
            patterns.append(pattern)
    return Patterns(patterns)
