"""What a 401 asks for: the WWW-Authenticate header, read as RFC 7235 writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Challenge", "parse"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PARAM = re.compile(r"""\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))""")
_LONGEST = 16 * 1024


@dataclass(frozen=True)
class Challenge:
    """One scheme that is accepted, in lower case, and its parameters, their names in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse(header: str | None) -> tuple[Challenge, ...]:
    """The challenges of a header, in its order; what cannot be read ends the list (RFC 7235, 4.1 and appendix C)."""
    text = (header or "")[:_LONGEST]
    found: list[Challenge] = []
    at = 0
    while True:
        at = _skip(text, at)
        scheme = _TOKEN.match(text, at)
        if not scheme:
            return tuple(found)
        at = scheme.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAM.match(text, at):
            quoted, plain = parameter[2], parameter[3]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            parameters.setdefault(parameter[1].lower(), value)
            at = parameter.end()
            comma = re.compile(r"\s*,").match(text, at)
            if not comma:
                break
            following = _skip(text, at)
            if not _PARAM.match(text, following):
                break
            at = following
        found.append(Challenge(scheme[0].lower(), parameters))


def _skip(text: str, at: int) -> int:
    """Past white space and the commas between challenges."""
    while at < len(text) and text[at] in " \t,":
        at += 1
    return at
