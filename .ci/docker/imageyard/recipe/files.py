"""Which files of a context a COPY, an ADD or a bind mount takes, as BuildKit's copier takes them.

Modelled on BuildKit 0.25, solver/llbsolver/file/backend.go, and tonistiigi/fsutil, copy/copy.go.
"""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from imageyard.catalogue.suggest import nearest
from imageyard.recipe import glob
from imageyard.recipe.dockerfile.evaluate import FileUse
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.patterns import Pattern, Patterns, compile_pattern
from imageyard.treebase import Entry, Tree

__all__ = ["Shelf"]

_LINK_LIMIT = 255  # containerd/continuity fs.RootPath gives up there too


class Shelf:
    """The files of one context, looked up the way BuildKit does; what a use takes is worked out once.

    `entries` are those of `tree` that the build sees.
    """

    def __init__(self, tree: Tree, entries: Mapping[str, Entry] | None = None) -> None:
        self.tree = tree
        self.entries = tree.entries() if entries is None else entries
        self.paths = list(self.entries)
        self.folders = {""}
        for path in self.paths:
            while (path := posixpath.dirname(path)) not in self.folders:
                self.folders.add(path)
        self.problems = {path: entry.problem for path, entry in self.entries.items() if entry.problem is not None}
        self._taken: dict[tuple[object, ...], frozenset[str]] = {}
        self._empty: dict[tuple[object, ...], set[str]] = {}

    def take(self, use: FileUse) -> frozenset[str]:
        """The paths of all files and links that a use reads, those of links followed on the way among them.

        Raises Fault for a path that is not there, or leaves the context.
        """
        key = _key(use)
        if key not in self._taken:
            empty: set[str] = set()
            self._taken[key] = frozenset(self._take(use, empty))
            self._empty[key] = empty
        return self._taken[key]

    def check(self, use: FileUse, sent: Collection[str]) -> None:
        """Raises Fault where a use takes nothing from a folder, and neither does another: it is not `sent` then.

        BuildKit looks into it all the same, and `docker build` of a whole folder fails like a seal: buildx sends only
        what uses name (`lstat /FOLDER: no such file or directory`, tried with buildx 0.29).
        """
        for folder in sorted(self._empty[_key(use)]):
            if not any(f"{path}/".startswith(f"{folder}/") for path in sent):
                raise Fault(
                    f"{use.path[:200]} takes no file, and no other use takes one from {folder}",
                    "BuildKit gets no empty folders: remove it, or name a file that is there beside it",
                )

    def find(self, path: str) -> tuple[frozenset[str], str]:
        """One file: the paths that lead to it, its own among them, and its own. Raises Fault where there is none."""
        followed: set[str] = set()
        real = self._follow(_inside(path), followed)
        if real not in self.entries:
            raise self._missing(path, real)
        return frozenset((*followed, real)), real

    def _take(self, use: FileUse, empty: set[str]) -> set[str]:
        """What a use takes; the folders that it looks into without taking anything go to `empty`."""
        if use.parents:
            return self._with_parents(use)
        found: set[str] = set()
        path = _inside(use.path)
        sources = self._matches(path, found, empty) if use.wildcards and glob.has_wildcard(path) else [path]
        for source in sources:
            real = self._follow(source, found)
            if real in self.entries:
                found.add(real)
            elif real in self.folders:
                left = _left(self._below(real), real, use.exclude)
                found.update(left)
                empty.update(() if left else (real,))
            else:
                raise self._missing(use.path, source)
        return found

    def _with_parents(self, use: FileUse) -> set[str]:
        pivot, dot, pattern = use.path.partition("/./")
        if not dot:
            pivot, pattern = "/", use.path
        found: set[str] = set()
        root = self._follow(_inside(pivot), found)
        pattern = _inside(pattern)
        if root not in self.folders:
            raise self._missing(use.path, root)
        inside = [root + "/" + each if root else each for each in _matching(self._relative(root), (pattern,))]
        if not inside and not glob.has_wildcard(pattern) and pattern:
            raise self._missing(use.path, posixpath.join(root, pattern))
        found.update(_left(inside, root, use.exclude))
        return found

    def _relative(self, folder: str) -> Iterator[str]:
        start = len(folder) + 1 if folder else 0
        return (path[start:] for path in self._below(folder))

    def _below(self, folder: str) -> Sequence[str]:
        if not folder:
            return self.paths
        first, end = f"{folder}/", f"{folder}0"  # "0" is the character after "/"
        return self.paths[bisect_left(self.paths, first) : bisect_left(self.paths, end)]

    def _matches(self, path: str, followed: set[str], empty: set[str]) -> list[str]:
        """The files and folders that a path with wildcards names; a folder that matches is not looked into."""
        parts = path.split("/")
        plain = next(i for i, part in enumerate(parts) if glob.has_wildcard(part))
        base = self._follow("/".join(parts[:plain]), followed)
        pattern = "/".join(parts[plain:])
        if base not in self.folders and base not in self.entries:
            raise self._missing(path, base)
        depth = pattern.count("/") + 1  # in Go's Match only a literal slash or a class matches one
        found: dict[str, None] = {}
        try:
            for each in self._relative(base):
                names = each.split("/")
                for size in range(1, len(names) + 1):
                    candidate = "/".join(names[:size])
                    if (f"{base}/{candidate}" if base else candidate) in found:
                        break
                    if (size == depth or "[" in pattern) and glob.match(pattern, candidate):
                        found[f"{base}/{candidate}" if base else candidate] = None
                        break
        except ValueError as error:
            raise Fault(f"{path[:200]}: {error}", "escape a '[' that is meant as itself with a backslash") from None
        empty.update(() if found or not base else (base,))
        return list(found)

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
            entry = self.entries.get(here)
            if entry is None or entry.kind != "link":
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
        known = [*self.paths, *self.folders] if len(self.paths) < 5000 else [*self.folders]
        close = nearest(path, (each for each in known if each != written), cutoff=0.6)
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


def _left(paths: Sequence[str], folder: str, exclude: tuple[str, ...]) -> Sequence[str]:
    """What `--exclude` leaves of a folder's files; its patterns are relative to the folder."""
    if not exclude:
        return paths
    start = len(folder) + 1 if folder else 0
    gone = set(_matching((path[start:] for path in paths), exclude))
    return [path for path in paths if path[start:] not in gone]


def _matching(paths: Iterable[str], texts: tuple[str, ...]) -> list[str]:
    patterns: list[Pattern] = []
    for text in texts:
        try:
            pattern = compile_pattern(text)
        except ValueError as error:
            raise Fault(f"bad pattern {text[:100]!r}: {error}") from None
        if pattern is not None:
            patterns.append(pattern)
    judge = Patterns(patterns)
    return [path for path in paths if judge.match(path)]
