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
        self._texts: dict[str, str] = {}
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
    def _inside(self) -> dict[str, dict[str, str]]:
        """The paths in each folder by their names."""
        found: dict[str, dict[str, str]] = {folder: {} for folder in self.all}
        for path in (*self.paths, *self.all):
            folder, _, name = path.rpartition("/")
            if name:
                found[folder][name] = path
        return found

    def _one_further(self, folders: Iterable[str], part: str) -> list[str]:
        """What is in some folders under a name that a pattern without slashes matches."""
        inside = [(folder, self._inside[folder]) for folder in folders if folder in self._inside]
        if part == "*":
            return [path for _, paths in inside for path in paths.values()]
        if not has_wildcard(part):
            name = literal(part)
            return [paths[name] for _, paths in inside if name in paths]
        one = compile_glob(part)
        found: list[str] = []
        for folder, paths in inside:
            if one.each:
                found += map(paths.__getitem__, one.each.findall(self._joined(folder)))
            else:
                found += [path for name, path in paths.items() if one.matches.fullmatch(name)]
        return found

    def _joined(self, folder: str) -> str:
        """The names in a folder for `Glob.each`."""
        if folder not in self._texts:
            self._texts[folder] = "\0".join(("", *self._inside[folder], ""))
        return self._texts[folder]

    def _walked(self, base: str, pattern: Glob) -> Iterator[str]:
        """The same for a pattern with a class that matches slashes: it is held against each path down to some depth."""
        matches = pattern.matches.fullmatch
        top = len(base) + 1 if base else 0
        todo = [(base, 1)]
        while todo:
            folder, depth = todo.pop()
            for path in self._inside.get(folder, {}).values():
                if depth >= pattern.fewest and matches(path, top):
                    yield path
                elif depth < pattern.most and path in self.all:
                    todo.append((path, depth + 1))
