"""The one log of all lanes in the bucket: an object an entry, which nothing replaces, with the hash of the last."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imageyard.bucket.entries import dumps, loads
from imageyard.bucket.objects import Bucket
from imageyard.errors import PolicyRefused
from imageyard.lanes.lane_requests import LogEntry, content_of, entry_from
from imageyard.lanes.places import LOG, log_key

__all__ = ["LogPlace", "append", "read_on"]

_DOING = "reading the log of all lanes"


@dataclass(frozen=True)
class LogPlace:
    """How far the log was read: the number of its last entry, and the SHA-256 of that object in hex; 0 and nothing."""

    number: int = 0
    sha256: str = ""


def read_on(bucket: Bucket, place: LogPlace) -> tuple[list[LogEntry], LogPlace]:
    """The entries after a place, and the place of the last. Raises PolicyRefused where one lacks, or was changed."""
    entries = []
    for listed in bucket.list(LOG):
        if listed.key <= log_key(place.number):
            continue
        found = bucket.get(listed.key)
        if listed.key != log_key(place.number + 1) or found is None:
            raise PolicyRefused(
                f"{bucket.path(LOG)} goes on with {listed.key} after entry {place.number}",
                doing=_DOING,
                hint="look at the versions of the bucket: somebody deleted an entry",
            )
        entry = entry_from(loads(found[0], listed.key), listed.key)
        if (entry.number, entry.previous) != (place.number + 1, place.sha256):
            raise PolicyRefused(
                f"{listed.key} does not follow the entry before it",
                doing=_DOING,
                hint="look at the versions of the bucket: somebody changed an entry",
            )
        entries.append(entry)
        place = LogPlace(entry.number, hashlib.sha256(found[0]).hexdigest())
    return entries, place


def append(
    bucket: Bucket, place: LogPlace, id: str, make: Callable[[int, str, Sequence[LogEntry]], LogEntry]
) -> tuple[list[LogEntry], LogPlace]:
    """Write the next entry, which `make` makes of its number and the hash before it, unless one has the same id.

    `make` is also given the entries after `place` that others wrote meanwhile, and may refuse by raising. Returns all
    entries after `place`, those of others too, in order. Where two write at the same time the bucket takes one of them,
    and the other one reads on: so a request is in the log once.
    """
    since: list[LogEntry] = []
    while True:
        body = dumps(content_of(make(place.number + 1, place.sha256, since)))
        bucket.put(log_key(place.number + 1), body, "application/json")
        entries, place = read_on(bucket, place)
        since += entries
        if any(entry.id == id for entry in entries):
            return since, place
