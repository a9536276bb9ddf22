"""Go's `filepath.Match`, which BuildKit uses for the wildcards of COPY and ADD: on POSIX paths, case-sensitive."""

from __future__ import annotations

__all__ = ["has_wildcard", "match"]


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


def match(pattern: str, path: str) -> bool:
    """Whether `pattern` matches the whole of `path`; `*` and `?` do not match a `/`, a character class does.

    Follows `path/filepath.Match` of Go 1.24 on Unix, but for one thing: after a `*`, Go also tries to go on in the
    middle of a character of several bytes, so that `*??` matches a single one. A build does not get to see that, as
    buildx sends only what the same pattern matches by whole characters (tried with buildx 0.29).
    Raises ValueError where the pattern is malformed, whatever the path is.
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
            chunk = chunk[1:]
            if not chunk:
                raise ValueError("syntax error in pattern: it ends in a backslash")
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
    negated = chunk[:1] == "^"
    chunk = chunk[1:] if negated else chunk
    inside, ranges = False, 0
    while not (ranges and chunk[:1] == "]"):
        low, chunk = _class_rune(chunk)
        high = low
        if chunk[:1] == "-":
            high, chunk = _class_rune(chunk[1:])
        inside = inside or low <= char <= high
        ranges += 1
    return inside != negated, chunk[1:]


def _class_rune(chunk: str) -> tuple[str, str]:
    if chunk[:1] in ("", "-", "]"):
        raise ValueError("syntax error in pattern: a character class is empty, not closed, or has half a range")
    chunk = chunk[1:] if chunk[:1] == "\\" else chunk
    if len(chunk) < 2:
        raise ValueError("syntax error in pattern: a character class is not closed")
    return chunk[0], chunk[1:]
