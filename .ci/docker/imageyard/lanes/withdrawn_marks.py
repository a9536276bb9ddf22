"""The tags of withdrawn files, and of what lies beside them: by the bucket's policy nobody reads what has one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from imageyard.bucket.objects import Bucket, ObjectEntry
from imageyard.errors import NotFound
from imageyard.lanes.model import STATE_TAG, WITHDRAWN
from imageyard.lanes.places import BESIDE

__all__ = ["mark", "parts_of", "unmark"]


def parts_of(names: Iterable[str]) -> Iterator[str]:
    """The names of files, and of what can lie beside each."""
    return (name + ending for name in names for ending in ("", *BESIDE))


def mark(
    bucket: Bucket, objects: Mapping[str, ObjectEntry], names: Iterable[str], marked: Mapping[str, str]
) -> dict[str, str]:
    """Mark the parts of files that are there; returns the ETags of those that were not `marked` yet, by name.

    Raises what the bucket raises.
    """
    new = {}
    for part in parts_of(sorted(names)):
        entry = objects.get(part)
        if entry is None or marked.get(part) == entry.etag:
            continue
        tags = {"TagSet": [{"Key": STATE_TAG, "Value": WITHDRAWN}]}
        if _is_told(bucket, "put_object_tagging", entry, "withdrawing", Tagging=tags):
            new[part] = entry.etag
    return new


def unmark(bucket: Bucket, objects: Mapping[str, ObjectEntry], names: Iterable[str]) -> list[str]:
    """Take the marks off the parts of files that are there; returns their names. Raises what the bucket raises."""
    there = [part for part in parts_of(sorted(names)) if part in objects]
    return [part for part in there if _is_told(bucket, "delete_object_tagging", objects[part], "restoring")]


def _is_told(bucket: Bucket, operation: str, entry: ObjectEntry, doing: str, **given: object) -> bool:
    """Whether the object is there still: a purge may have deleted it since it was listed."""
    try:
        bucket.call(operation, entry.key, f"{doing} {bucket.path(entry.key)}", **given)
    except NotFound:
        return False
    return True
