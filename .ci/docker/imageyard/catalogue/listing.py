"""What a listing needs of a catalogue, kept under a key of its text: reading YAML anew costs more than Nox itself.

Bare `nox -l` lists 1,000 rows in 0.17 s; importing PyYAML, reading and expanding as many takes another 0.1 s.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue

__all__ = ["Listed", "dumps", "key", "listed", "loads"]

_FORMAT = 1


class Listed(NamedTuple):
    """A row as Nox lists it."""

    name: str
    arch: str
    family: str
    tags: tuple[str, ...]


def listed(catalogue: Catalogue) -> tuple[Listed, ...]:
    """The rows of a catalogue, parents first."""
    return tuple(Listed(row.name, row.arch, row.image.family, row.image.tags) for row in catalogue.rows)


def key(data: bytes, file: str) -> str:
    """Names a catalogue by its bytes and the place it was read from. Only one that was read whole is ever kept."""
    return hashlib.sha256(b"%d\0%s\0%s" % (_FORMAT, file.encode("utf-8", "surrogateescape"), data)).hexdigest()


def dumps(key: str, rows: tuple[Listed, ...]) -> bytes:
    """The listing as it is kept, one JSON value."""
    return json.dumps({"key": key, "rows": rows}, separators=(",", ":")).encode()


def loads(data: bytes, key: str) -> tuple[Listed, ...] | None:
    """The listing that was kept under `key`; None where it is another's, or damaged in any way."""
    try:
        kept = json.loads(data)
        if kept["key"] != key:
            return None
        return tuple([Listed(name, arch, family, tuple(tags)) for name, arch, family, tags in kept["rows"]])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
