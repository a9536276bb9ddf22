"""What a listing needs of a catalogue, kept under a key of its text: reading YAML anew costs more than Nox itself.

Bare `nox -l` lists 1,000 rows in 0.17 s; importing PyYAML, reading and expanding as many takes another 0.1 s.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imageyard.catalogue.expand import Expansion

__all__ = ["Kept", "Listed", "digest", "dumps", "key", "listed", "loads"]

_FORMAT = 2


class Kept(NamedTuple):
    """What is kept: the rows, and the digests of the files that args were read from, by path from the top."""

    rows: tuple[Listed, ...]
    files: Mapping[str, str]


class Listed(NamedTuple):
    """A row as Nox lists it."""

    name: str
    arch: str
    family: str
    tags: tuple[str, ...]


def listed(expansion: Expansion, lane: str | None = None) -> Kept:
    """The rows of a catalogue that are of a lane, or of none, parents first, and the files that it was read with."""
    own = (row for row in expansion.catalogue.rows if row.image.lane == lane)
    rows = (Listed(row.name, row.arch, row.image.family, row.image.tags) for row in own)
    files = expansion.known.files.read
    return Kept(tuple(rows), {path: digest(data) for path, data in files.items()})


def key(data: bytes, file: str) -> str:
    """Names a catalogue by its bytes and the place it was read from. Only one that was read whole is ever kept."""
    return hashlib.sha256(b"%d\0%s\0%s" % (_FORMAT, file.encode("utf-8", "surrogateescape"), data)).hexdigest()


def digest(data: bytes) -> str:
    """The sha256 of a file's bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def dumps(key: str, kept: Kept) -> bytes:
    """The listing as it is kept, one JSON value."""
    return json.dumps({"key": key, "rows": kept.rows, "files": dict(kept.files)}, separators=(",", ":")).encode()


def loads(data: bytes, key: str) -> Kept | None:
    """The listing that was kept under `key`; None where it is another's, or damaged in any way."""
    try:
        kept = json.loads(data)
        if kept["key"] != key:
            return None
        rows = tuple([Listed(name, arch, family, tuple(tags)) for name, arch, family, tags in kept["rows"]])
        return Kept(rows, {str(path): str(each) for path, each in kept["files"].items()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
