"""The text of a Dockerfile as logical lines: directives, comments, continuations, heredocs.

Modelled on BuildKit 0.25, frontend/dockerfile/parser (parser.go, directives.go).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.heredocs import heredocs
from imageyard.recipe.dockerfile.split import SPACES, blanks, json_list, split_flags

__all__ = ["SIZE_LIMIT", "DockerfileText", "Line", "frontend", "read", "split_line"]

SIZE_LIMIT = 1_000_000
"""Bytes: far above any real Dockerfile."""
_LINE_LIMIT = 65_536  # Go's bufio.MaxScanTokenSize

_DIRECTIVE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*")
_DIRECTIVES = ("syntax", "escape", "check")
_HEREDOC_KEYWORDS = ("ADD", "COPY", "RUN")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Line:
    """An instruction with its continuations joined: `rest` is what follows its flags."""

    number: int  # where it begins, from 1
    keyword: str  # upper case
    flags: tuple[str, ...]
    rest: str
    original: str  # as joined, before anything was taken off
    bodies: tuple[str, ...] = ()  # of its heredocs, each with the line that ends it


@dataclass(frozen=True)
class DockerfileText:
    """A whole file: its escape character, its frontend (`# syntax`), its lines."""

    escape: str
    frontend: str | None
    lines: tuple[Line, ...]


class _Placed(Fault):
    """A fault whose line is known."""

    def __init__(self, fault: Fault, line: int) -> None:
        super().__init__(fault.headline, fault.hint)
        self.line = line


def read(data: bytes, file: str) -> DockerfileText:
    """Read a file. Raises ConfigurationError with `FILE:LINE` for what is no Dockerfile or cannot be split."""
    try:
        text = _decoded(data)
        return _read(text)
    except _Placed as fault:
        raise fault.at(file, fault.line) from None


def _decoded(data: bytes) -> str:
    if len(data) > SIZE_LIMIT:
        raise _Placed(Fault(f"a Dockerfile of {len(data)} bytes", f"at most {SIZE_LIMIT} bytes are read"), 1)
    data = data.removeprefix(b"\xef\xbb\xbf")
    if (at := data.find(b"\0")) >= 0:
        raise _Placed(Fault("the file holds NUL bytes: it is no text"), data.count(b"\n", 0, at) + 1)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Placed(Fault("the file is not UTF-8", "save it as UTF-8"), line) from None
    if len(data) >= _LINE_LIMIT:
        for number, each in enumerate(data.split(b"\n"), start=1):
            if len(each) >= _LINE_LIMIT:
                raise _Placed(Fault("a line is longer than 65535 bytes, which BuildKit refuses", "break it"), number)
    return text


def _read(text: str) -> DockerfileText:
    physical = text.split("\n")
    if not physical[-1]:
        physical.pop()
    reader = _Reader([line + "\n" for line in physical])
    lines = tuple(reader.lines())
    if not lines:
        raise _Placed(Fault("the file has no instructions", "begin with FROM"), max(1, len(physical)))
    return DockerfileText(reader.escape, frontend(text), lines)


class _Reader:
    def __init__(self, physical: list[str]) -> None:
        self.physical = physical
        self.at = 0
        self.escape = "\\"
        self.continued = _continuation("\\")
        self.directives: set[str] | None = set()  # None: the first line that is no directive has been read

    def lines(self) -> list[Line]:
        found: list[Line] = []
        while self.at < len(self.physical):
            number = self.at + 1
            self._placed(number, self._directive)
            if (joined := self._joined()) is not None:
                found.append(self._placed(number, partial(self._line, joined, number)))
        return found

    def _placed(self, number: int, step: Callable[[], _T]) -> _T:
        try:
            return step()
        except Fault as fault:
            raise _Placed(fault, number) from None

    def _directive(self) -> None:
        if self.directives is None:
            return
        name, value = _directive(self.physical[self.at].rstrip("\r\n").lstrip(SPACES))
        if not name:
            self.directives = None
            return
        if name in self.directives:
            raise Fault(f"only one {name} parser directive can be used", "remove one of them")
        self.directives.add(name)
        if name == "escape":
            if value not in ("\\", "`"):
                raise Fault(f"invalid escape character {value[:20]!r}", "use ` or \\")
            self.escape, self.continued = value, _continuation(value)

    def _joined(self) -> str | None:
        """The next instruction with its continuations, or None for a comment or a blank line."""
        line = self._take().rstrip("\r\n").lstrip(SPACES)
        parts = [self._cut("" if line.startswith("#") else line)]
        if not parts[0][0] and not parts[0][1]:
            return None
        while parts[-1][1] and self.at < len(self.physical):
            line = self._take().rstrip("\r\n")
            bare = line.lstrip(SPACES)
            if bare and not bare.startswith("#"):
                parts.append(self._cut(line))
        return "".join(part for part, _ in parts)

    def _cut(self, line: str) -> tuple[str, bool]:
        """The line without the escape character that continues it, and whether there was one."""
        found = self.continued.search(line)
        return (line[: found.start()] + (found[1] or ""), True) if found else (line, False)

    def _take(self) -> str:
        self.at += 1
        return self.physical[self.at - 1]

    def _line(self, joined: str, number: int) -> Line:
        keyword, flags, rest = split_line(joined, self.escape)
        bodies: list[str] = []
        if "<<" in joined and _takes_heredocs(keyword, rest, self.escape):
            bodies = [self._body(each.name, each.ended_by) for each in heredocs(joined)]
        return Line(number, keyword, flags, rest, joined, tuple(bodies))

    def _body(self, name: str, ended: Callable[[str], bool]) -> str:
        start = self.at
        while self.at < len(self.physical):
            if ended(self._take().rstrip("\r\n")):
                return "".join(self.physical[start : self.at - 1]) + name
        raise Fault(f"the heredoc {name[:100]!r} is not ended", f"end it with a line that holds only {name[:100]}")


def split_line(joined: str, escape: str) -> tuple[str, tuple[str, ...], str]:
    """The keyword in upper case, the flags, and the rest of an instruction."""
    parts = blanks(joined.strip(SPACES), 1)
    flags, rest = split_flags(parts[1], escape) if len(parts) == 2 else ((), "")
    return _upper(parts[0]), flags, rest.strip(SPACES)


def _upper(keyword: str) -> str:
    return keyword.upper() if keyword.isascii() else keyword


def _takes_heredocs(keyword: str, rest: str, escape: str) -> bool:
    if keyword == "ONBUILD" and rest:
        keyword, _, rest = split_line(rest, escape)
    return keyword in _HEREDOC_KEYWORDS and json_list(rest) is None


def _continuation(escape: str) -> re.Pattern[str]:
    char = re.escape(escape)
    return re.compile(rf"([^{char}]){char}[ \t]*\Z|^{char}[ \t]*\Z")


def _directive(line: str, mark: str = "#") -> tuple[str, str]:
    """Name and value of a directive, or two empty texts: the first line that is none ends them."""
    if not line.startswith(mark):
        return "", ""
    found = _DIRECTIVE.fullmatch(line[len(mark) :].lstrip(SPACES))
    name = found[1].lower() if found else ""
    return (name, found[2]) if found and name in _DIRECTIVES else ("", "")


def frontend(text: str) -> str | None:
    """The image of the frontend that `# syntax=` names, also in the forms `// syntax=` and `{"syntax": ...}`.

    BuildKit looks for it apart from the other directives (DetectSyntax in directives.go): a `#!` line may precede it,
    blanks may not, and only the first word counts.
    """
    if text.startswith("#!"):
        text = text.partition("\n")[2]
    for mark in ("#", "//"):
        for line in text.split("\n"):
            name, value = _directive(line.removesuffix("\r"), mark)
            if not name:
                break
            if name == "syntax":
                return value.partition(" ")[0]
    if text.lstrip(" \t\r\n").startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        named = found.get("syntax") if isinstance(found, dict) else None
        return named if isinstance(named, str) else None
    return None
