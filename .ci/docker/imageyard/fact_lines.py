"""The lines of a fact: which of them are kept, which name a package, and how those of two images differ."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from imageyard.layout import lines

__all__ = [
    "LIMIT",
    "FactChanges",
    "KeptFacts",
    "PackageVersion",
    "VersionBegan",
    "began",
    "changes",
    "keep",
    "package",
    "packages",
    "sorted_lines",
]

LIMIT = 256 * 1024
"""Bytes of JSON that the facts of one row take at most: a record stays far below the 4 MiB that are read of one."""

_SEPARATORS = ("\t", " @ ", "==", "=")
_RULE = re.compile(r"[- ]+")
"""The line below the headers of `pip list`."""


class PackageVersion(NamedTuple):
    """A line that names a package, and its version."""

    name: str
    version: str


class KeptFacts(NamedTuple):
    """The facts that are kept, by name, and of each that is left out how large it is, in bytes."""

    facts: Mapping[str, tuple[str, ...]]
    too_large: Mapping[str, int]


class VersionBegan(NamedTuple):
    """A version that a package has from image number `at` on; None where it is in no image from there on."""

    fact: str
    name: str
    version: str | None
    at: int


@dataclass(frozen=True)
class FactChanges:
    """What differs in one fact of two images. `moved` has the version before and after; lines name no package."""

    came: Mapping[str, str] = field(default_factory=dict)
    went: Mapping[str, str] = field(default_factory=dict)
    moved: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    lines_came: tuple[str, ...] = ()
    lines_went: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.came, self.went, self.moved, self.lines_came, self.lines_went))


def sorted_lines(output: str) -> tuple[str, ...]:
    """Return the lines of a command's output, each once, in order of code points, without those that are empty."""
    return tuple(sorted({line.rstrip() for line in lines(output)} - {""}))


def keep(facts: Mapping[str, Sequence[str]], limit: int = LIMIT) -> KeptFacts:
    """Keep facts, in their order, as long as all fit into `limit` bytes of JSON.

    One that does not fit is left out as a whole: half a list would tell of packages that went.
    """
    kept: dict[str, tuple[str, ...]] = {}
    too_large: dict[str, int] = {}
    left = limit
    for name, found in facts.items():
        size = len(json.dumps({name: list(found)}))
        if size > left:
            too_large[name] = size
        else:
            kept[name] = tuple(found)
            left -= size
    return KeptFacts(kept, too_large)


def package(line: str) -> PackageVersion | None:
    """Read a line `NAME<TAB>VERSION`, `NAME @ PLACE`, `NAME==VERSION`, `NAME=VERSION` or `NAME VERSION`; else None.

    The first two are those of `dpkg-query -W` and, for what is installed from a file, of `pip freeze`.
    """
    for separator in _SEPARATORS:
        name, found, version = line.partition(separator)
        if found:
            name, version = name.strip(), version.strip()
            return PackageVersion(name, version) if name and version and " " not in name else None
    words = line.split()
    return PackageVersion(*words) if len(words) == 2 and not _RULE.fullmatch(line) else None


def packages(fact: Iterable[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Divide the lines of a fact into versions by name, and lines; a name that stands twice makes lines of both."""
    read = {line: package(line) for line in fact}
    count = Counter(one.name for one in read.values() if one)
    named = {line: one for line, one in read.items() if one and count[one.name] == 1}
    return {one.name: one.version for one in named.values()}, tuple(line for line in read if line not in named)


def changes(old: Iterable[str], new: Iterable[str]) -> FactChanges:
    """Tell what differs between one fact of two images, each part in the order of names."""
    (before, lines_before), (after, lines_after) = packages(old), packages(new)
    both = before.keys() & after.keys()
    return FactChanges(
        came={name: after[name] for name in sorted(after.keys() - before.keys())},
        went={name: before[name] for name in sorted(before.keys() - after.keys())},
        moved={name: (before[name], after[name]) for name in sorted(both) if before[name] != after[name]},
        lines_came=tuple(sorted(set(lines_after) - set(lines_before))),
        lines_went=tuple(sorted(set(lines_before) - set(lines_after))),
    )


def began(images: Sequence[Mapping[str, Sequence[str]]], pattern: str) -> list[VersionBegan]:
    """Tell with which of some images, in order of time, each version of the packages of a pattern began.

    `images` are their facts; one that lacks a fact says nothing of it. The pattern is a name, in which `*` stands for
    any text; Debian's `libc6:amd64` has the name `libc6` too. A line that names no package is its own name.
    """
    found: list[VersionBegan] = []
    now: dict[tuple[str, str], str | None] = {}
    for at, facts in enumerate(images):
        for fact, kept in facts.items():
            named, others = packages(kept)
            versions = {**dict.fromkeys(others, ""), **named}
            here: dict[tuple[str, str], str | None] = {
                (fact, name): version for name, version in versions.items() if _is_meant(name, pattern)
            }
            gone = dict.fromkeys(key for key, had in now.items() if key[0] == fact and had is not None)
            for key in sorted({**gone, **here}):
                if key not in now or now[key] != here.get(key):
                    now[key] = here.get(key)
                    found.append(VersionBegan(*key, now[key], at))
    return found


def _is_meant(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name.partition(":")[0], pattern)
