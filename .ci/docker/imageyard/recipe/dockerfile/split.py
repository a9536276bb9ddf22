"""How the text after an instruction splits into flags, words, JSON lists and pairs.

Modelled on BuildKit 0.25, frontend/dockerfile/parser (split_command.go, line_parsers.go).
"""

from __future__ import annotations

import json
import re

from imageyard.recipe.dockerfile.fault import Fault

__all__ = ["SPACES", "blanks", "json_list", "pairs", "split_flags", "words"]

SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What Go's unicode.IsSpace takes for white space; Python's str.isspace takes four control characters more."""

_BLANKS = re.compile(r"[\t\v\f\r ]+")


def blanks(text: str, limit: int = 0) -> list[str]:
    """Split at runs of blanks, at most `limit` times (0: at all of them)."""
    return _BLANKS.split(text, limit)


def split_flags(text: str, escape: str) -> tuple[tuple[str, ...], str]:
    """Take the leading `--flag` words off `text`; returns them without quotes and escapes, and the rest.

    BuildKit goes byte by byte here and takes each byte for a character, so a flag in another script comes out
    garbled and the byte 0xA0 ends it; what it does decides, so we do it too.
    """
    line = text.encode().decode("latin-1")
    flags: list[str] = []
    at, end = 0, len(line)
    while True:
        while at < end and line[at] in SPACES:
            at += 1
        if not line.startswith("--", at):
            return tuple(flags), line[at:].encode("latin-1").decode(errors="replace")
        word, quoted, at = _flag(line, at, escape)
        if word == "--":
            return tuple(flags), line[at:].encode("latin-1").decode(errors="replace")
        if word or quoted:
            flags.append(word)


def _flag(line: str, at: int, escape: str) -> tuple[str, bool, int]:
    word: list[str] = []
    quote, quoted = "", False
    end = len(line)
    while at < end:
        char = line[at]
        if not quote and char in SPACES:
            break
        if not quote and char in "'\"":
            quote, quoted = char, True
        elif quote and char == quote:
            quote = ""
        elif char == escape:
            at += 1
            if at == end:
                break
            word.append(line[at])
        else:
            word.append(char)
        at += 1
    return "".join(word), quoted, at


def words(text: str, escape: str) -> list[str]:
    """Split at white space outside quotes; quotes and escapes stay, substitution takes them off later."""
    found: list[str] = []
    word: list[str] = []
    quote, quoted = "", False
    at, end = 0, len(text)
    while at < end:
        char = text[at]
        if not quote and char in SPACES:
            if word or quoted:
                found.append("".join(word))
            word, quoted = [], False
        elif char == escape and quote != "'":
            if at + 1 == end:
                break
            word += char, text[at + 1]
            at += 1
        else:
            if quote:
                quote = "" if char == quote else quote
            elif char in "'\"":
                quote, quoted = char, True
            word.append(char)
        at += 1
    if word or quoted:
        found.append("".join(word))
    return found


def json_list(text: str) -> list[str] | None:
    """The strings of a JSON array, or None where `text` is no JSON array: then it is the shell form.

    Raises Fault for an array that holds anything but strings.
    """
    text = text.lstrip(SPACES)
    if not text.startswith("["):
        return None
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if any(not isinstance(item, str) for item in found):
        raise Fault(
            "a JSON list must hold only strings",
            'write every item in double quotes: ["a", "1"]',
        )
    return [_lone_surrogates(item) for item in found]


def _no_constant(name: str) -> object:
    raise ValueError(name)  # Go's encoding/json takes no NaN and no Infinity


def _lone_surrogates(item: str) -> str:
    return item.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def pairs(text: str, escape: str, keyword: str) -> list[tuple[str, str]]:
    """The pairs of ENV and LABEL: `NAME=VALUE ...`, or the old `NAME VALUE`. Raises Fault for neither."""
    found = words(text, escape)
    if not found:
        raise Fault(f"{keyword} requires at least one argument", f"write {keyword} NAME=VALUE")
    if "=" not in found[0]:
        parts = blanks(text, 1)
        if len(parts) < 2:
            raise Fault(f"{keyword} must have two arguments", f"write {keyword} {parts[0][:100]}=VALUE")
        return [(parts[0], parts[1])]
    result: list[tuple[str, str]] = []
    for word in found:
        name, equals, value = word.partition("=")
        if not equals:
            raise Fault(
                f"{keyword}: {word[:100]!r} has no '='",
                f'write NAME=VALUE, and quote a value with blanks: {keyword} NAME="a b"',
            )
        if not name:
            raise Fault(f"{keyword} names can not be blank", f"write {keyword} NAME=VALUE")
        result.append((name, value))
    return result
