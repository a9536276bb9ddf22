"""Backups and expiry keep out of each other's way: what a backup finds in the bucket must not be deleted under it.

Each first writes that it runs and then looks for the other. S3 lists what was written at once (Amazon S3 User Guide,
"Amazon S3 data consistency model"), so of two that begin together at least one sees the other, and stops.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from imageyard.bucket.objects import Bucket
from imageyard.errors import Transient

__all__ = ["LONGEST_BACKUP", "backing_up", "expiring"]

LONGEST_BACKUP = timedelta(hours=12)
"""A marker that is older was left by a backup that was killed; a role's session ends before."""
LONGEST_EXPIRY = timedelta(hours=1)


@contextmanager
def backing_up(bucket: Bucket) -> Iterator[None]:
    """Say that a backup runs. Raises Transient while old backups are being deleted."""
    with _marker(bucket, "running/backup-"):
        if _young(bucket, "running/expiry-", LONGEST_EXPIRY):
            raise Transient(
                f"old backups are being deleted from {bucket.name}", doing="backing up", hint="run it again in an hour"
            )
        yield


@contextmanager
def expiring(bucket: Bucket) -> Iterator[None]:
    """Say that old backups are being deleted. Raises Transient while a backup runs, or was killed hours ago."""
    with _marker(bucket, "running/expiry-"):
        if running := _young(bucket, "running/backup-", LONGEST_BACKUP):
            raise Transient(
                f"a backup to {bucket.name} is running: {bucket.path(running)}",
                doing="deleting old backups",
                hint=f"run it again when it has ended; if it was killed: aws s3 rm {bucket.path(running)}",
            )
        yield


@contextmanager
def _marker(bucket: Bucket, prefix: str) -> Iterator[None]:
    key = f"{prefix}{secrets.token_hex(8)}"
    bucket.put(key, b"")
    try:
        yield
    finally:
        bucket.delete(key)


def _young(bucket: Bucket, prefix: str, longest: timedelta) -> str | None:
    """The key of a marker that still counts; one that does not is deleted."""
    now = datetime.now(timezone.utc)
    young = None
    for listed in list(bucket.list(prefix)):
        if now - listed.modified < longest:
            young = listed.key
        else:
            bucket.delete(listed.key)
    return young
