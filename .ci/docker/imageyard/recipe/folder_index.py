"""The names in each folder of a context, and which paths a pattern of COPY matches: a folder is looked into once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from imageyard.recipe.glob import Glob, compile_glob, has_wildcard, literal

__all__ = ["FolderIndex"]


class FolderIndex:
    """The folders that some sorted paths are in, `""` the uppermost, and what is in each of them."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths
        self.all = {""}
        last = ""
        for path in paths:
            folder = path.rpartition("/")[0]
            if folder != last:
                last = folder
                while folder not in self.all:
                    self.all.add(folder)
                    folder = folder.rpartition("/")[0]

    def below(self, folder: str) -> Sequence[str]:
        """All paths in a folder and in those below it."""
        if not folder:
            return self.paths
        first, end = f"{folder}/", f"{folder}0"  # "0" is the character after "/"
        return self.paths[bisect_left(self.paths, first) : bisect_left(self.paths, end)]

    def matching(self, base: str, pattern: str) -> list[str]:
        """The files and folders below `base` that a pattern matches; one that matches is not looked into.

        Raises ValueError where the pattern is malformed.
        """
        compiled = compile_glob(pattern)
        if compiled.parts is None:
            return list(self._walked(base, compiled))
        found = [base]
        for part in compiled.parts:
            found = self._one_further(found, part)
        return found

    @cached_property
    def _inside(self) -> dict[str, tuple[list[str], list[str]]]:
        """The names in each folder, sorted, and beside them the paths that they are."""
        pairs: dict[str, list[tuple[str, str]]] = {folder: [] for folder in self.all}
        for path in (*self.paths, *self.all):
            folder, _, name = path.rpartition("/")
            if name:
                pairs[folder].append((name, path))
        for each in pairs.values():
            each.sort()
        return {folder: ([name for name, _ in each], [path for _, path in each]) for folder, each in pairs.items()}

    def _one_further(self, folders: Iterable[str], part: str) -> list[str]:
        """What is in some folders under a name that a pattern without slashes matches."""
        wild = has_wildcard(part)
        one = compile_glob(part) if wild else None
        start = one.start if one else literal(part)
        found: list[str] = []
        for folder in folders:
            names, paths = self._inside.get(folder, ((), ()))
            if part == "*":
                found += paths
                continue
            first, end = _starting_with(names, start)
            if one is None:
                found += paths[first : first + (names[first : first + 1] == [start])]
            else:
                matches = one.matches.fullmatch
                found += [path for name, path in zip(names[first:end], paths[first:end], strict=True) if matches(name)]
        return found

    def _walked(self, base: str, pattern: Glob) -> Iterator[str]:
        """The same for a pattern with a class that matches slashes: it is held against each path down to some depth."""
        matches = pattern.matches.fullmatch
        top = len(base) + 1 if base else 0
        todo = [(base, 1)]
        while todo:
            folder, depth = todo.pop()
            for path in self._inside.get(folder, ((), ()))[1]:
                if depth >= pattern.fewest and matches(path, top):
                    yield path
                elif depth < pattern.most and path in self.all:
                    todo.append((path, depth + 1))


def _starting_with(names: Sequence[str], start: str) -> tuple[int, int]:
    """From where to where sorted names start with `start`."""
    first = bisect_left(names, start)
    if not start or ord(start[-1]) == 0x10FFFF:
        return first, len(names)
    return first, bisect_left(names, start[:-1] + chr(ord(start[-1]) + 1), first)
