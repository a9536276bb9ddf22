"""How old a layer cache is, where anything says so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from imageyard.errors import NotFound
from imageyard.oci.manifests import ACCEPT, Index
from imageyard.registry import blobs
from imageyard.registry.vendors.table import vendor_of

if TYPE_CHECKING:
    from imageyard.names import Reference
    from imageyard.registry.client import Client

__all__ = ["CONFIG", "times", "written"]

CONFIG = "application/vnd.buildkit.cacheconfig.v0"
"""Under which type BuildKit 0.12 and later keeps the config of a cache; it is JSON."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_LIMIT = 64 * 1024 * 1024  # bytes


def written(client: Client, repository: Reference, tags: Sequence[str]) -> dict[str, datetime]:
    """When each cache was written, as far as it is known: for a tag without an answer, nobody knows.

    ECR keeps when an image was pushed. Elsewhere the cache's own config has the time of each of its steps
    (moby/buildkit, `cache/remotecache/v1/spec.go`), of which the latest counts: a build that found all its steps
    writes the cache again and leaves no trace of it, so that a cache is never younger than that and may have been
    used later. A `Last-Modified` of the manifest counts where it is later. Of a cache that went away meanwhile
    nobody knows. Raises Denied or Transient.
    """
    dated = vendor_of(repository.registry).pushed_at(repository, tags)
    if dated is not None:
        return dict(dated)
    found: dict[str, datetime] = {}
    for tag in tags:
        with suppress(NotFound):
            if time := _written(client, repository.with_tag(tag)):
                found[tag] = time
    return found


def _written(client: Client, reference: Reference) -> datetime | None:

    raw = client.get(reference)
    document = raw.parsed()
    entries = document.manifests if isinstance(document, Index) else (document.config,)
    found = [time for time in [_modified(client, reference)] if time is not None]
    for entry in entries:
        if entry.media_type == CONFIG:
            found += times(blobs.read(client, reference, entry.digest, limit=_LIMIT))
    return max(found, default=None)


def _modified(client: Client, reference: Reference) -> datetime | None:

    reply = client.call("HEAD", reference, f"manifests/{reference.tag}", headers={"Accept": ACCEPT})
    try:
        return parsedate_to_datetime(reply.headers["last-modified"]).astimezone(timezone.utc)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None


def times(config: bytes) -> list[datetime]:
    """The times in a cache's config; none where it cannot be read."""
    try:
        return [time for text in _texts(json.loads(config)) if (time := _time(text)) is not None]
    except (ValueError, RecursionError):
        return []


def _texts(value: Any) -> Iterator[str]:
    """Every `createdAt`, wherever it stands."""
    if isinstance(value, dict):
        for key, below in value.items():
            if key == "createdAt" and isinstance(below, str):
                yield below
            else:
                yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)


def _time(text: str) -> datetime | None:
    """A time as Go writes it (RFC 3339, to the nanosecond), to the second; its zero says nothing."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    try:
        found = datetime.fromisoformat(f"{match[1]}{'+00:00' if match[2] == 'Z' else match[2]}")
    except ValueError:
        return None
    return found if found.year > 1970 else None
