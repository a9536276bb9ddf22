"""Go's `filepath.Match`, which BuildKit uses for the wildcards of COPY and ADD: on POSIX paths, case-sensitive."""

from __future__ import annotations

__all__ = ["has_wildcard", "match"]

_RUNE_ERROR = 0xFFFD


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

    Follows `path/filepath.Match` of Go 1.24 on Unix byte by byte, its oddities included: after a `*` it also tries
    to go on in the middle of a character of several bytes, so that `*??` matches a single one.
    Raises ValueError where the pattern is malformed, whatever the path is.
    """
    rest, name = pattern.encode(), path.encode()
    while rest:
        star, chunk, rest = _scan(rest)
        if star and not chunk:
            return b"/" not in name
        tail = _after(chunk, name, last=not rest)
        if tail is None and star:
            reach = name.find(b"/")
            for start in range(1, (len(name) if reach < 0 else reach) + 1):
                tail = _after(chunk, name[start:], last=not rest)
                if tail is not None:
                    break
        if tail is None:
            _validate(rest)
            return False
        name = tail
    return not name


def _after(chunk: bytes, name: bytes, *, last: bool) -> bytes | None:
    """What of `name` is left after `chunk`, or None where it does not match, or leaves something at the end."""
    tail = _match_chunk(chunk, name)
    return None if tail and last else tail


def _validate(pattern: bytes) -> None:
    while pattern:
        _, chunk, pattern = _scan(pattern)
        _match_chunk(chunk, b"")


def _scan(pattern: bytes) -> tuple[bool, bytes, bytes]:
    """Split off leading stars and the piece up to the next star that is not in a character class."""
    bare = pattern.lstrip(b"*")
    in_class = False
    at = 0
    while at < len(bare):
        char = bare[at : at + 1]
        if char == b"\\":
            at += 1
        elif char == b"[":
            in_class = True
        elif char == b"]":
            in_class = False
        elif char == b"*" and not in_class:
            break
        at += 1
    return len(bare) < len(pattern), bare[:at], bare[at:]


def _match_chunk(chunk: bytes, name: bytes) -> bytes | None:
    """Match a piece without stars at the start of `name`; reads the piece to its end even after it failed."""
    failed = False
    while chunk:
        failed = failed or not name
        char = chunk[:1]
        if char == b"[":
            rune, size = (0, 0) if failed else _rune(name)
            name = name[size:]
            inside, chunk = _match_class(chunk[1:], rune)
            failed = failed or not inside
            continue
        if char == b"\\":
            chunk = chunk[1:]
            if not chunk:
                raise ValueError("syntax error in pattern: it ends in a backslash")
        if not failed and char == b"?":
            failed = name[:1] == b"/"
            name = name[_rune(name)[1] :]
        elif not failed:
            failed = chunk[0] != name[0]
            name = name[1:]
        chunk = chunk[1:]
    return None if failed else name


def _match_class(chunk: bytes, rune: int) -> tuple[bool, bytes]:
    """Whether the class that starts at `chunk`, after its `[`, has `rune`, and what follows the class."""
    negated = chunk[:1] == b"^"
    chunk = chunk[1:] if negated else chunk
    inside, ranges = False, 0
    while not (ranges and chunk[:1] == b"]"):
        low, chunk = _class_rune(chunk)
        high = low
        if chunk[:1] == b"-":
            high, chunk = _class_rune(chunk[1:])
        inside = inside or low <= rune <= high
        ranges += 1
    return inside != negated, chunk[1:]


def _class_rune(chunk: bytes) -> tuple[int, bytes]:
    if chunk[:1] in (b"", b"-", b"]"):
        raise ValueError("syntax error in pattern: a character class is empty, not closed, or has half a range")
    chunk = chunk[1:] if chunk[:1] == b"\\" else chunk
    rune, size = _rune(chunk)
    if len(chunk) <= size:
        raise ValueError("syntax error in pattern: a character class is not closed")
    return rune, chunk[size:]


def _rune(text: bytes) -> tuple[int, int]:
    """The first character of `text` and its length in bytes; a byte that starts none counts as U+FFFD."""
    for size in range(1, min(4, len(text)) + 1):
        try:
            return ord(text[:size].decode()), size
        except UnicodeDecodeError:
            continue
    return _RUNE_ERROR, min(1, len(text))
