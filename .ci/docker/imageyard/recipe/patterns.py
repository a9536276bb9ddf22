"""The patterns of `.dockerignore` and `COPY --exclude`: moby/patternmatcher 0.6, on POSIX paths."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imageyard.recipe import glob

__all__ = ["Pattern", "Patterns", "clean", "compile_pattern"]

GO_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What Go's `unicode.IsSpace` holds; `str.strip` takes four control characters more."""


@dataclass(frozen=True)
class Pattern:
    """One pattern. `negated`: what it matches is taken back in."""

    text: str
    negated: bool
    matches: Callable[[str], bool]


class Patterns:
    """A list of patterns, of which the last that matches a path decides.

    A path also matches by its folders, and not from scratch: what a pattern said of a folder when the walk came to
    it holds for all below, so that a pattern which was not asked there, because it could change nothing, is asked
    only for the path itself (`MatchesUsingParentResults`, which fsutil calls for every path of a context).
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(patterns)
        self._folders: dict[str, tuple[bool, ...]] = {"": (False,) * len(self._patterns)}

    def match(self, path: str) -> bool:
        """Whether the patterns match `path`, relative and clean, negations counted."""
        return self._walk(path)[0] if self._patterns else False

    def _walk(self, path: str) -> tuple[bool, tuple[bool, ...]]:
        above = self._folder(posixpath.dirname(path))
        matched = False
        said: list[bool] = []
        for pattern, inherited in zip(self._patterns, above, strict=True):
            # only a pattern that would change the answer is asked
            hit = inherited or (pattern.negated == matched and pattern.matches(path))
            said.append(hit)
            if hit:
                matched = not pattern.negated
        return matched, tuple(said)

    def _folder(self, folder: str) -> tuple[bool, ...]:
        if folder not in self._folders:
            self._folders[folder] = self._walk(folder)[1]
        return self._folders[folder]


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
    return Pattern(text, negated, _matcher(text))


def _matcher(pattern: str) -> Callable[[str], bool]:
    """How `pattern` matches: literally, by its start, by its end or by a regular expression (`Pattern.compile`)."""
    parts: list[str] = []
    kind = "exact"
    at = 0
    first = True
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if pattern.startswith("**", at - 1):
            at += 1
            at += pattern.startswith("/", at)
            if at < len(pattern):
                parts.append("(.*/)?")
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
    return _by_kind(kind, pattern, "".join(parts))


def _by_kind(kind: str, pattern: str, expression: str) -> Callable[[str], bool]:
    match kind:
        case "exact":
            return lambda path: path == pattern
        case "prefix":
            return lambda path: path.startswith(pattern[:-2])
        case "suffix":
            end = pattern[2:]
            return lambda path: path.endswith(end) or (end[:1] == "/" and path == end[1:])
        case _:
            compiled = re.compile(_translate(expression))
            return lambda path: compiled.fullmatch(path) is not None


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
