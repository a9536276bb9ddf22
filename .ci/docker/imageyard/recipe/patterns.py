"""The patterns of `.dockerignore` and `COPY --exclude`: moby/patternmatcher 0.6, on POSIX paths."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby, takewhile
from typing import Literal

from imageyard.recipe import glob

__all__ = ["Pattern", "Patterns", "clean", "compile_pattern"]

GO_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What Go's `unicode.IsSpace` holds; `str.strip` takes four control characters more."""

_SIGNS = frozenset("*?[]^\\")
"""A part of a pattern that has none of these matches itself alone."""


@dataclass(frozen=True)
class Pattern:
    """One pattern. `negated`: what it matches is taken back in.

    `body` is the path that it matches, what such a path starts with or ends in, or a regular expression of it.
    """

    text: str
    negated: bool
    kind: Literal["exact", "prefix", "suffix", "regexp"]
    body: str

    def matches(self, path: str) -> bool:
        """Whether the pattern matches `path` itself; what it says of the folders above does not count here."""
        return _any_of((self,))(path)

    @cached_property
    def folder(self) -> str:
        """A folder that all it matches is in: the parts of its path in front of the first with a wildcard."""
        parts = self.text.split("/")
        return "/".join(takewhile(lambda part: not set(part) & _SIGNS, parts[:-1]))

    def reaches_into(self, folder: str) -> bool:
        """Whether it may match something that is in `folder` itself, and not in a folder below it."""
        depth = folder.count("/") + 1 if folder else 0
        return self._depth in (None, depth) and (not self.folder or f"{folder}/".startswith(f"{self.folder}/"))

    @cached_property
    def _depth(self) -> int | None:
        """In how many folders all that it matches is, or None where that may be any number."""
        return None if "**" in self.text or "[" in self.text else self.text.count("/")  # a class may match a slash


class Patterns:
    """A list of patterns, of which the last that matches a path decides.

    A path also matches by its folders, and not from scratch: what a pattern said of a folder when the walk came to
    it holds for all below, so that a pattern which was not asked there, because it could change nothing, is asked
    only for the path itself (`MatchesUsingParentResults`, which fsutil calls for every path of a context).

    Patterns that follow each other and are negated alike are asked as one: the first of them that matches decides,
    after which none of the others could change the answer.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._runs = [(negated, tuple(run)) for negated, run in groupby(patterns, key=lambda each: each.negated)]
        self._folders: dict[str, _Folder] = {}
        self._any_of = lru_cache(maxsize=None)(_any_of)

    def match(self, path: str) -> bool:
        """Whether the patterns match `path`, relative and clean, negations counted."""
        matched = False
        # only what would change the answer is asked
        for negated, matches in self._of(path.rpartition("/")[0]).questions:
            if negated == matched and matches(path):
                matched = not negated
        return matched

    @cached_property
    def folder(self) -> str:
        """A folder that all they match is in; with several patterns that is the uppermost."""
        folders = [pattern.folder for _, run in self._runs for pattern in run]
        return folders[0] if len(folders) == 1 else ""

    def matching(self, paths: Iterable[str], start: int = 0) -> list[str]:
        """Those of `paths` that the patterns match, the first `start` signs of each put aside."""
        return [path for path in paths if self.match(path[start:])]

    def left(self, paths: Iterable[str], start: int = 0) -> list[str]:
        """Those of `paths` that the patterns do not match; see `matching`."""
        return [path for path in paths if not self.match(path[start:])] if self._runs else list(paths)

    def _of(self, folder: str) -> _Folder:
        if folder not in self._folders:
            said = tuple(self._said(folder))
            runs = tuple(tuple(each for each in run if each.reaches_into(folder)) for _, run in self._runs)
            # what cannot change an answer is left out; what was around it is one run then
            able = [(self._runs[at][0], runs[at], said[at]) for at in range(len(runs)) if runs[at] or said[at]]
            questions = []
            for negated, some in groupby(able, key=lambda each: each[0]):
                every = tuple(some)
                patterns = tuple(pattern for _, run, _ in every for pattern in run)
                inherited = any(each[2] for each in every)
                questions.append((negated, _always if inherited else self._any_of(patterns)))
            self._folders[folder] = _Folder(said, runs, questions)
        return self._folders[folder]

    def _said(self, folder: str) -> Iterator[bool]:
        """Which runs matched a folder, or one above it."""
        if not folder:
            yield from (False for _ in self._runs)
            return
        matched = False
        above = self._of(folder.rpartition("/")[0])
        for (negated, _), said, run in zip(self._runs, above.said, above.runs, strict=True):
            hit = said or (negated == matched and self._any_of(run)(folder))
            matched = not negated if hit else matched
            yield hit


@dataclass(frozen=True)
class _Folder:
    """Which runs matched a folder, which patterns of each may match what is in it, and what to ask of that."""

    said: Sequence[bool]
    runs: Sequence[tuple[Pattern, ...]]
    questions: Sequence[tuple[bool, Callable[[str], bool]]]


def _always(path: str) -> bool:
    return True


def _any_of(patterns: tuple[Pattern, ...]) -> Callable[[str], bool]:
    """Whether one of some patterns matches a path, its folders aside."""
    bodies = {kind: tuple(p.body for p in patterns if p.kind == kind) for kind in ("exact", "prefix", "suffix")}
    prefixes, suffixes = bodies["prefix"], bodies["suffix"]
    exact = frozenset((*bodies["exact"], *(end[1:] for end in suffixes if end[:1] == "/")))
    expressions = [f"(?:{pattern.body})" for pattern in patterns if pattern.kind == "regexp"]
    expression = re.compile("|".join(expressions)).fullmatch if expressions else None

    def matches(path: str) -> bool:
        return (
            path in exact
            or path.startswith(prefixes)
            or path.endswith(suffixes)
            or (expression is not None and expression(path) is not None)
        )

    return matches


def clean(path: str) -> str:
    """Go's `filepath.Clean`: no `.`, no `//`, no `..` that can be resolved, no slash at the end."""
    text = posixpath.normpath(path)
    return text[1:] if text.startswith("//") else text


def compile_pattern(text: str) -> Pattern | None:
    """Read one pattern, `!` at its front included; None where it is blank.

    Raises ValueError, with the reason, for what Docker refuses, and for a backslash before a letter or a digit,
    which Docker hands to Go's regular expressions, where it is never what was meant.
    """
    text = text.strip(GO_SPACE)
    if not text:
        return None
    text = clean(text)
    negated = text.startswith("!")
    if negated:
        text = text[1:]
    if not text:
        raise ValueError("'!' alone takes nothing back")
    glob.match(text, ".")
    return Pattern(text, negated, *_read(text))


def _read(pattern: str) -> tuple[Literal["exact", "prefix", "suffix", "regexp"], str]:
    """How `pattern` matches, and the body of it (`Pattern.compile`)."""
    parts: list[str] = []
    kind: Literal["exact", "prefix", "suffix", "regexp"] = "exact"
    at = 0
    first = True
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if pattern.startswith("**", at - 1):
            at += 1
            at += pattern.startswith("/", at)
            if at < len(pattern):
                parts.append("(?:.*/)?")
                kind = "regexp"
            elif kind == "exact":
                kind = "prefix"
            else:
                parts.append(".*")
                kind = "regexp"
            kind = "suffix" if first else kind
        elif char in "*?":
            parts.append("[^/]*" if char == "*" else "[^/]")
            kind = "regexp"
        elif char in ".+()|{}$":
            parts.append("\\" + char)
        elif char in "[]\\":
            # glob.match refused a backslash at the end
            parts.append(char if char != "\\" else char + pattern[at])
            at += char == "\\"
            kind = "regexp"
        else:
            parts.append(char)
        first = False
    bodies = {"exact": pattern, "prefix": pattern[:-2], "suffix": pattern[2:]}
    return kind, bodies[kind] if kind in bodies else _translate("".join(parts))


def _translate(expression: str) -> str:
    """A regular expression of Go's, of the few forms that `_matcher` writes, as one of Python's."""
    out: list[str] = []
    at = 0
    while at < len(expression):
        char = expression[at]
        if char == "[":
            text, at = _class(expression, at + 1)
            out.append(text)
        elif char == "\\":
            out.append(re.escape(_escaped(expression, at)))
            at += 2
        else:
            # a caret is left as it is: in the middle of an expression it matches nothing, here as there
            out.append(char if char in "(.*)?^" else re.escape(char))
            at += 1
    return "".join(out)


def _class(expression: str, at: int) -> tuple[str, int]:
    """The character class whose inside starts at `at`, and where it ends (Go's `regexp/syntax`, `parseClass`)."""
    negated = expression.startswith("^", at)
    at += negated
    items: list[str] = []
    while not (items and expression.startswith("]", at)):
        if expression.startswith("[:", at) and ":]" in expression[at + 2 :]:
            raise ValueError("named character classes such as [:alpha:] are not supported")
        low, at = _class_char(expression, at)
        high = low
        if expression.startswith("-", at) and not expression.startswith("]", at + 1) and at + 1 < len(expression):
            high, at = _class_char(expression, at + 1)
        if high < low:
            raise ValueError(f"the range {low}-{high} in a character class is the wrong way round")
        items.append(f"{re.escape(low)}-{re.escape(high)}")
    return f"[{'^' if negated else ''}{''.join(items)}]", at + 1


def _class_char(expression: str, at: int) -> tuple[str, int]:
    if at >= len(expression):
        raise ValueError("a character class is not closed")
    if expression[at] == "\\":
        return _escaped(expression, at), at + 2
    return expression[at], at + 1


def _escaped(expression: str, at: int) -> str:
    char = expression[at + 1]
    if char.isalnum() or not char.isascii():
        raise ValueError(
            f"a backslash before {char!r}: it escapes signs, not letters, and folders are separated by '/'"
        )
    return char
