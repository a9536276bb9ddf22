"""The metadata beside the files of a channel (PEP 658): its hash, worked out once for each object by the indexer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from imageyard.bucket.objects import Bucket, ObjectEntry
from imageyard.errors import Denied
from imageyard.lanes.listed_files import UNREAD
from imageyard.lanes.places import METADATA
from imageyard.lanes.zip_contents import ZipBounds

__all__ = ["read_beside"]

_MOST_BYTES = ZipBounds.kept
"""No METADATA in a wheel is larger: of one that is, the wheel is refused."""


def read_beside(
    bucket: Bucket, objects: Mapping[str, ObjectEntry], names: Iterable[str], known: Mapping[str, tuple[str, str]]
) -> dict[str, tuple[str, str]]:
    """The ETag and the SHA-256, in hex, of the metadata beside each of these files that has some.

    What is `known` is not read again. UNREAD stands for the hash of one that is too large, and of one that the bucket
    does not hand out; of the latter the ETag is empty, so that it is asked for again. Raises what the bucket raises.
    """
    beside = {}
    for name in names:
        entry = objects.get(name + METADATA)
        if entry is None:
            continue
        last = known.get(name)
        beside[name] = last if last is not None and last[0] == entry.etag else _read(bucket, entry)
    return beside


def _read(bucket: Bucket, entry: ObjectEntry) -> tuple[str, str]:
    if entry.size > _MOST_BYTES:
        return entry.etag, UNREAD
    try:
        stored = bucket.get(entry.key)
    except Denied:
        return "", UNREAD
    return entry.etag, hashlib.sha256(stored[0] if stored else b"").hexdigest()
