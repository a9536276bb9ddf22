"""Go's `filepath.Match`, which BuildKit uses for the wildcards of COPY and ADD: on POSIX paths, case-sensitive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Glob", "compile_glob", "has_wildcard", "literal", "match"]


def has_wildcard(pattern: str) -> bool:
    """Whether `pattern` holds one of `*`, `?`, `[` outside an escape, as BuildKit asks before it expands a source."""
    skip = False
    for char in pattern:
        if skip:
            skip = False
        elif char == "\\":
            skip = True
        elif char in "*?[":
            return True
    return False


@dataclass(frozen=True)
class Glob:
    """A pattern as a regular expression, which says of every path what `match` says.

    `each`, where there is one, finds all names that match among many that NULs stand between, before and after: no
    name has one. `parts` are patterns for a path's parts, one each, or None
    where a class may match a `/`, so that the number of parts is not fixed: it is from `fewest` up to `most` then.
    """

    matches: re.Pattern[str]
    each: re.Pattern[str] | None
    parts: tuple[str, ...] | None
    fewest: int
    most: int


def compile_glob(pattern: str) -> Glob:
    """Read a pattern. Raises ValueError, as `match` does, where it is malformed."""
    expression: list[str] = []
    for number, (star, chunk, last) in enumerate(_chunks(pattern)):
        body = "".join(piece for piece, _ in _pieces(chunk))
        if not star:
            expression.append(body)
        elif last:
            expression.append(f"[^/\\0]*{body}")
        else:
            # Go takes the first place where a chunk matches and never comes back to look for another. The group in
            # the lookahead does that: it is not entered again once it matched
            expression.append(f"(?=(?P<g{number}>[^/\\0]*?{body}))(?P=g{number})")
    pieces = [piece for _, chunk, _ in _chunks(pattern) for piece in _pieces(chunk)]
    fewest = 1 + sum(text == "/" for _, text in pieces)
    loose = sum(text is None and re.fullmatch(piece, "/", re.DOTALL) is not None for piece, text in pieces)
    whole = "".join(expression)
    return Glob(
        re.compile(whole, re.DOTALL),
        None if "(?P" in whole else re.compile(rf"\0({whole})(?=\0)", re.DOTALL),  # more groups are more results
        None if loose else _parts(pattern),
        fewest,
        fewest + loose,
    )


def literal(pattern: str) -> str:
    """What a pattern without wildcards means: each escaped sign as itself."""
    return "".join(text or "" for _, chunk, _ in _chunks(pattern) for _, text in _pieces(chunk))


def _parts(pattern: str) -> tuple[str, ...]:
    """A pattern, no class of which matches a `/`, cut at each slash, an escaped one too."""
    parts, at, cut = [], 0, 0
    in_class = False
    while at < len(pattern):
        size = 2 if pattern[at] == "\\" else 1
        char = pattern[at + size - 1]
        if char == "/" and not in_class:
            parts.append(pattern[cut:at])
            cut = at + size
        elif size == 1 and char in "[]":
            in_class = char == "["
        at += size
    return (*parts, pattern[cut:])


def _chunks(pattern: str) -> Iterator[tuple[bool, str, bool]]:
    """The pieces between stars: whether a star stands in front of it, the piece, whether it is the last."""
    while pattern:
        star, chunk, pattern = _scan(pattern)
        yield star, chunk, not pattern


def _pieces(chunk: str) -> Iterator[tuple[str, str | None]]:
    """What of a regular expression stands for each sign of a chunk, and the sign itself where it is no wildcard."""
    while chunk:
        char, chunk = chunk[0], chunk[1:]
        if char == "[":
            piece, chunk = _class_piece(chunk)
            yield piece, None
        elif char == "?":
            yield r"[^/\0]", None
        else:
            if char == "\\":
                char, chunk = _unescaped(chunk)
            yield re.escape(char), char


def _class_piece(chunk: str) -> tuple[str, str]:
    """A class, given after its `[`, in a regular expression, and what follows it."""
    negated, ranges, chunk = _class(chunk)
    # Go lets a range run backwards, and then nothing is in it
    inside = "".join(f"{re.escape(max(low, chr(1)))}-{re.escape(high)}" for low, high in ranges if "\0" < high >= low)
    if negated:
        return rf"[^\0{inside}]", chunk
    return f"[{inside}]" if inside else "(?!)", chunk


def match(pattern: str, path: str) -> bool:
    """Whether `pattern` matches the whole of `path`; `*` and `?` do not match a `/`, a character class does.

    Follows `path/filepath.Match` of Go 1.24 on Unix, but for one thing: after a `*`, Go also tries to go on in the
    middle of a character of several bytes, so that `*??` matches a single one. A build does not get to see that, as
    buildx sends only what the same pattern matches by whole characters (tried with buildx 0.29).
    Raises ValueError where the pattern is malformed, whatever the path is.
    It is what Go does, step by step; `compile_glob` does the same for many paths.
    """
    rest, name = pattern, path
    while rest:
        star, chunk, rest = _scan(rest)
        if star and not chunk:
            return "/" not in name
        tail = _after(chunk, name, last=not rest)
        if tail is None and star:
            reach = name.find("/")
            for start in range(1, (len(name) if reach < 0 else reach) + 1):
                tail = _after(chunk, name[start:], last=not rest)
                if tail is not None:
                    break
        if tail is None:
            _validate(rest)
            return False
        name = tail
    return not name


def _after(chunk: str, name: str, *, last: bool) -> str | None:
    """What of `name` is left after `chunk`, or None where it does not match, or leaves something at the end."""
    tail = _match_chunk(chunk, name)
    return None if tail and last else tail


def _validate(pattern: str) -> None:
    while pattern:
        _, chunk, pattern = _scan(pattern)
        _match_chunk(chunk, "")


def _scan(pattern: str) -> tuple[bool, str, str]:
    """Split off leading stars and the piece up to the next star that is not in a character class."""
    bare = pattern.lstrip("*")
    in_class = False
    at = 0
    while at < len(bare):
        char = bare[at : at + 1]
        if char == "\\":
            at += 1
        elif char == "[":
            in_class = True
        elif char == "]":
            in_class = False
        elif char == "*" and not in_class:
            break
        at += 1
    return len(bare) < len(pattern), bare[:at], bare[at:]


def _match_chunk(chunk: str, name: str) -> str | None:
    """Match a piece without stars at the start of `name`; reads the piece to its end even after it failed."""
    failed = False
    while chunk:
        failed = failed or not name
        char = chunk[:1]
        if char == "[":
            inside, chunk = _match_class(chunk[1:], name[:1])
            name = name[1:]
            failed = failed or not inside
            continue
        if char == "\\":
            _unescaped(chunk[1:])
            chunk = chunk[1:]
        if not failed and char == "?":
            failed = name[:1] == "/"
            name = name[1:]
        elif not failed:
            failed = chunk[0] != name[0]
            name = name[1:]
        chunk = chunk[1:]
    return None if failed else name


def _match_class(chunk: str, char: str) -> tuple[bool, str]:
    """Whether the class that starts at `chunk`, after its `[`, has `char`, and what follows the class."""
    negated, ranges, chunk = _class(chunk)
    return any(low <= char <= high for low, high in ranges) != negated, chunk


def _class(chunk: str) -> tuple[bool, list[tuple[str, str]], str]:
    """The class that starts at `chunk`, after its `[`: whether it is negated, its ranges, and what follows it."""
    negated = chunk[:1] == "^"
    chunk = chunk[1:] if negated else chunk
    ranges: list[tuple[str, str]] = []
    while not (ranges and chunk[:1] == "]"):
        low, chunk = _class_rune(chunk)
        high = low
        if chunk[:1] == "-":
            high, chunk = _class_rune(chunk[1:])
        ranges.append((low, high))
    return negated, ranges, chunk[1:]


def _unescaped(chunk: str) -> tuple[str, str]:
    """The sign after a backslash, and what follows it."""
    if not chunk:
        raise ValueError("syntax error in pattern: it ends in a backslash")
    return chunk[0], chunk[1:]


def _class_rune(chunk: str) -> tuple[str, str]:
    if chunk[:1] in ("", "-", "]"):
        raise ValueError("syntax error in pattern: a character class is empty, not closed, or has half a range")
    chunk = chunk[1:] if chunk[:1] == "\\" else chunk
    if len(chunk) < 2:
        raise ValueError("syntax error in pattern: a character class is not closed")
    return chunk[0], chunk[1:]
