"""JSON that every reader reads alike: UTF-8, no key twice, no NaN and no Infinity (RFC 8259; RFC 7493, 2.3)."""

from __future__ import annotations

import json
from typing import Any, NoReturn

__all__ = ["NoNumber", "RepeatedKey", "read"]


class RepeatedKey(ValueError):
    """An object has a key twice, of which two readers may take one value each."""


class NoNumber(ValueError):
    """A value is NaN or an Infinity, which is no JSON; the first argument says which."""


def read(body: bytes) -> Any:
    """The value of a text. Raises RepeatedKey, NoNumber, UnicodeDecodeError or another ValueError, RecursionError."""
    return json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_never)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RepeatedKey
    return found


def _never(name: str) -> NoReturn:
    raise NoNumber(name)
