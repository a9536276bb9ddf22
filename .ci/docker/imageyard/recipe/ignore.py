"""`.dockerignore`: what of a context a build does not see."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from imageyard.errors import ConfigurationError
from imageyard.recipe.patterns import GO_SPACE, Pattern, Patterns, clean, compile_pattern
from imageyard.treebase import Entry, Placed, Tree

__all__ = ["NAME", "Ignore", "load", "parse"]

NAME = ".dockerignore"
"""The context's; one of a Dockerfile's own has the Dockerfile's name in front."""
_BOM = b"\xef\xbb\xbf"
_LONGEST = 64 * 1024
"""Bytes: Go's bufio.Scanner, with which Docker reads the file, refuses a line of so many."""
_HOPS = 40


@dataclass(frozen=True)
class Ignore:
    """The patterns of one ignore file; `file` is its path in the context, or None where there is none.

    The Dockerfile and the ignore file itself can be excluded like any other: they are still read, and only COPY and
    ADD no longer see them.
    """

    file: str | None
    patterns: Patterns

    def excludes(self, path: str) -> bool:
        """Whether the build does not see the file or link at `path`, relative to the context."""
        return self.patterns.match(path)

    def filter(self, entries: Mapping[str, Entry]) -> dict[str, Entry]:
        """What of `entries` the build sees."""
        return {path: entries[path] for path in self.patterns.left(entries)}


def load(tree: Tree, own: Placed | None = None) -> Ignore:
    """The ignore file that counts in a context: the Dockerfile's own, if it has one, else that of `tree`.

    A Dockerfile's own one is beside it, `DOCKERFILE.dockerignore`.

    As with BuildKit's built-in frontend, one of its own counts even if it is empty, and either may be a link, read
    from where it points to in the context.
    Raises ConfigurationError with file and line for a pattern that Docker refuses.
    """
    for candidate in (*([own] if own else ()), Placed(tree, NAME)):
        path = _follow(candidate.tree, candidate.path)
        if path is not None:
            return parse(candidate.tree.read(path), path)
    return Ignore(None, Patterns(()))


def parse(data: bytes, file: str) -> Ignore:
    """Read an ignore file (moby/patternmatcher, ignorefile.ReadAll). Raises as `load` does."""
    patterns: list[Pattern] = []
    for number, raw in enumerate(data.removeprefix(_BOM).split(b"\n"), 1):
        if len(raw) >= _LONGEST:
            raise _refused(file, number, f"a line of {len(raw)} bytes; Docker reads at most {_LONGEST - 1}")
        try:
            pattern = _line(raw)
        except UnicodeDecodeError:
            raise _refused(file, number, "not UTF-8") from None
        except ValueError as error:
            shown = raw.decode(errors="replace").strip()[:100]
            raise _refused(file, number, f"bad pattern {shown!r}: {error}") from None
        if pattern is not None:
            patterns.append(pattern)
    return Ignore(file, Patterns(patterns))


def _line(raw: bytes) -> Pattern | None:
    text = raw.decode()
    if text.startswith("#"):
        return None
    if "\0" in text:
        raise ValueError("a NUL character")
    text = text.strip(GO_SPACE)
    negated = text.startswith("!")
    text = text[1:].strip(GO_SPACE) if negated else text
    if text:
        text = clean(text)
        text = text[1:] if len(text) > 1 and text.startswith("/") else text
    return compile_pattern(f"!{text}" if negated else text)


def _follow(tree: Tree, path: str) -> str | None:
    """Where the file at `path` really is, links followed inside the context; None where there is none."""
    for _ in range(_HOPS):
        entry = tree.entries().get(path)
        if entry is None or entry.kind == "file":
            return None if entry is None else path
        text = tree.read(path).decode(errors="replace")
        path = clean(posixpath.join("/", posixpath.dirname(path), text)).lstrip("/")
    return None


def _refused(file: str, line: int, why: str) -> ConfigurationError:
    return ConfigurationError(why, doing="reading which files the build ignores", at=f"{file}:{line}")
