"""Quotes, escapes and `$` forms in a word of a Dockerfile, as BuildKit substitutes them.

Modelled on BuildKit 0.25, frontend/dockerfile/shell/lex.go: `$X`, `${X}`, `${X:-d}`, `${X-d}`, `${X:+a}`, `${X+a}`,
`${X:?e}`, `${X?e}`, `${X#p}`, `${X##p}`, `${X%p}`, `${X%%p}`, `${X/p/r}` and `${X//p/r}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.patterns import replace, trim_prefix, trim_suffix
from imageyard.recipe.dockerfile.split import SPACES

__all__ = ["Lookup", "substitute", "tokens"]

Lookup = Callable[[str], "str | None"]
"""The value of a variable, or None where it is not set."""

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*)(?!\w))")
_DEPTH = 50
_SPECIAL = "@*#?-$!0"


def substitute(word: str, lookup: Lookup, escape: str = "\\") -> str:
    """`word` with its quotes and escapes taken off and its variables replaced.

    Raises Fault for a form that BuildKit refuses, `${X:?message}` of an unset X among them.
    """
    parts = _simple(word, escape)
    if parts is None:
        return _Lexer(word, lookup, escape).run()[0]
    if len(parts) == 1:
        return parts[0]
    return "".join(part if at % 2 == 0 else lookup(part) or "" for at, part in enumerate(parts))


@lru_cache(maxsize=8192)
def _simple(word: str, escape: str) -> list[str] | None:
    """Texts and, at odd places, names between them, for a word of nothing but `$X` and `${X}`; None for any other.

    The same words come back with every row of a catalogue.
    """
    if "'" in word or '"' in word or escape in word:
        return None
    parts: list[str] = []
    done = 0
    for found in _VARIABLE.finditer(word):
        parts += word[done : found.start()], found[1] or found[2]
        done = found.end()
    parts.append(word[done:])
    return None if any("$" in text for text in parts[::2]) else parts


def tokens(line: str, *, raw: bool, raw_escapes: bool) -> list[str]:
    """The words of a line with all variables unset and left as they are written; `raw` keeps the quotes.

    So BuildKit looks for heredocs, the escape character always the backslash. Raises Fault as `substitute` does.
    """
    return _Lexer(line, lambda _: None, "\\", raw=raw, raw_escapes=raw_escapes, keep_unset=True).run()[1]


@dataclass
class _Lexer:
    text: str
    lookup: Lookup
    escape: str
    raw: bool = False
    raw_escapes: bool = False
    keep_unset: bool = False

    def __post_init__(self) -> None:
        self.at = self.depth = 0
        # One buffer for all levels, as in BuildKit: a nested ${X:-...} empties the word that was begun outside it.
        self.word: list[str] = []

    def run(self) -> tuple[str, list[str]]:
        return self._until("", self.raw_escapes)

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _next(self) -> str:
        char = self._peek()
        self.at += len(char)
        return char

    def _until(self, stop: str, raw_escapes: bool) -> tuple[str, list[str]]:
        if self.depth == _DEPTH:
            raise Fault(f"substitutions are nested more than {_DEPTH} deep", "name the parts with ARG")
        before, self.raw_escapes = self.raw_escapes, raw_escapes
        self.depth += 1
        try:
            return self._scan(stop)
        finally:
            self.raw_escapes = before
            self.depth -= 1

    def _scan(self, stop: str) -> tuple[str, list[str]]:
        result: list[str] = []
        found: list[str] = []
        self.word.clear()
        while char := self._peek():
            if stop and char == stop:
                self.at += 1
                break
            if char == "$":
                part = self._dollar()
                for each in part:
                    self._collect(each, found)
            elif char in "'\"<":
                part = {"'": self._single, '"': self._double, "<": self._angle}[char]()
                self.word.append(part)
            else:
                self.at += 1
                part = char
                if char == self.escape:
                    escaped = self._next()
                    part = (char if self.raw_escapes else "") + escaped
                    self.word.append(part)
                else:
                    self._collect(char, found)
            result.append(part)
        else:
            if stop:
                raise Fault(f"unexpected end of statement while looking for matching {stop}")
        if last := "".join(self.word):
            found.append(last)
            self.word.clear()
        return "".join(result), found

    def _collect(self, char: str, found: list[str]) -> None:
        if char not in SPACES:
            self.word.append(char)
        elif word := "".join(self.word):
            found.append(word)
            self.word.clear()

    def _single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            self.at = len(self.text)
            raise Fault("a single quote is not closed", "close it, or escape it where it is meant as itself")
        inside = self.text[self.at + 1 : end]
        self.at = end + 1
        return f"'{inside}'" if self.raw else inside

    def _double(self) -> str:
        self.at += 1
        quote = '"' if self.raw else ""
        result = [quote]
        while char := self._peek():
            if char == '"':
                self.at += 1
                result.append(quote)
                return "".join(result)
            if char == "$":
                result.append(self._dollar())
                continue
            self.at += 1
            if char == self.escape:
                if self.raw_escapes:
                    result.append(char)
                following = self._peek()
                if not following:
                    break
                if following in ('"', "$", self.escape):
                    char = self._next()
            result.append(char)
        raise Fault("a double quote is not closed", "close it, or escape it where it is meant as itself")

    def _angle(self) -> str:
        start = self.at
        self.at += 1
        if self._peek() == "<":
            self.at += 1
            while self._peek() and self._peek() in "\t\r ":
                self.at += 1
        return self.text[start : self.at]

    def _dollar(self) -> str:
        self.at += 1
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self.lookup(name)
            return f"${name}" if value is None and self.keep_unset else value or ""
        self.at += 1
        if not self._peek():
            raise _open()
        if self._peek() in "{}:":
            raise Fault("bad substitution: a name must follow '${'", "write ${NAME}")
        name = self._name()
        mark = self._next()
        if mark == "}":
            value = self.lookup(name)
            return f"${{{name}}}" if value is None and self.keep_unset else value or ""
        if mark == "/":
            return self._replace(name)
        if mark and mark in ":+-?#%":
            return self._modify(name, mark)
        raise _unsupported(mark)

    def _name(self) -> str:
        start = self.at
        first = self._peek()
        if first.isdecimal():
            while self._peek().isdecimal():
                self.at += 1
        elif first and first in _SPECIAL:
            self.at += 1
        else:
            while (char := self._peek()) and (char.isalpha() or char.isdecimal() or char == "_"):
                self.at += 1
        return self.text[start : self.at]

    def _part(self, stop: str, raw_escapes: bool) -> str:
        try:
            return self._until(stop, raw_escapes)[0]
        except Fault:
            if not self._peek():
                raise _open(stop) from None
            raise

    def _modify(self, name: str, mark: str) -> str:
        null_is_unset = mark == ":"
        if null_is_unset:
            mark = self._next()
        shown = ":" + mark if null_is_unset else mark
        pattern = mark in ("#", "%")
        if null_is_unset and pattern:
            raise _unsupported(shown)
        word = self._part("}", pattern)
        value = self.lookup(name)
        if value is None and self.keep_unset:
            return f"${{{name}{shown}{word}}}"
        lacks = value is None or (null_is_unset and not value)
        if mark == "-":
            return word if lacks else value or ""
        if mark == "+":
            return "" if lacks else word
        if mark == "?":
            if lacks:
                raise Fault(f"{name}: {word or ('is not set' if value is None else 'is empty')}", f"set {name}")
            return value or ""
        if not pattern:
            raise _unsupported(shown)
        greedy = word.startswith(mark)
        trim = trim_suffix if mark == "%" else trim_prefix
        return trim(word[1:] if greedy else word, value or "", greedy)

    def _replace(self, name: str) -> str:
        every = self._peek() == "/"
        if every:
            self.at += 1
        pattern = self._part("/", True)
        replacement = self._part("}", True)
        value = self.lookup(name)
        if value is None and self.keep_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        return replace(pattern, value or "", replacement, every=every)


def _open(stop: str = "}") -> Fault:
    return Fault(f"a '${{' has no matching {stop!r}", f"add the {stop!r}")


def _unsupported(mark: str) -> Fault:
    return Fault(
        f"unsupported modifier ({mark}) in a substitution",
        "BuildKit knows ${X:-d} ${X-d} ${X:+a} ${X+a} ${X:?e} ${X?e} ${X#p} ${X##p} ${X%p} ${X%%p} ${X/p/r} ${X//p/r}",
    )
