"""Backups and expiry keep out of each other's way: what a backup finds in the bucket must not be deleted under it.

Each first writes that it runs and then looks for the other. S3 lists what was written at once (Amazon S3 User Guide,
"Amazon S3 data consistency model"), so of two that begin together at least one sees the other, and stops. Whoever runs
long writes its marker anew, so that only the marker of a process that was killed, or that stood still, gets old; the
other side deletes an old one before it begins, and whoever finds its own marker deleted stops.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from imageyard.bucket.objects import Bucket
from imageyard.errors import EnvironmentLacks, Transient

__all__ = ["LONGEST_BACKUP", "Marker", "backing_up", "expiring"]

LONGEST_BACKUP = timedelta(hours=12)
"""A marker of a backup that is older was left by one that was killed. One image must be copied in less."""
LONGEST_EXPIRY = timedelta(hours=1)
_REFRESH = timedelta(minutes=10)
_TRUSTED = timedelta(minutes=1)
_CLOCKS_DIFFER = timedelta(minutes=15)


class Marker:
    """What says that a backup, or an expiry, runs. Threads may share one."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        """Write it. Raises EnvironmentLacks where the clock of this machine is not that of the bucket."""
        self._bucket = bucket
        self._key = key
        self._lock = threading.Lock()
        bucket.put(key, b"")
        self._written = self._confirmed = bucket.now()
        self._compare_clocks()

    def confirm(self) -> None:
        """Go on only while the marker counts, and write it anew where it gets old. Raises Transient where it is gone.

        What was seen in the bucket before may be gone too, then.
        """
        with self._lock:
            now = self._bucket.now()  # a wall clock: it goes on while this machine sleeps
            if abs(now - self._confirmed) < _TRUSTED:
                return
            if self._bucket.head(self._key) is None:
                raise Transient(
                    f"{self._bucket.path(self._key)} is gone: this took too long without a sign of life",
                    doing="keeping the bucket for oneself",
                    hint="run it again: what is in the bucket is not sent again",
                )
            self._confirmed = now
            if abs(now - self._written) >= _REFRESH:
                self._bucket.replace(self._key, b"")
                self._written = now

    def end(self) -> None:
        """Delete it."""
        self._bucket.delete(self._key)

    def _compare_clocks(self) -> None:
        """Ages are by the clock of this machine, and times of objects by that of the bucket."""
        for listed in self._bucket.list(self._key):
            if listed.key == self._key and abs(listed.modified - self._written) > _CLOCKS_DIFFER:
                self.end()
                raise EnvironmentLacks(
                    f"the clock of this machine says {self._written:%Y-%m-%d %H:%M}, "
                    f"that of {self._bucket.name} {listed.modified:%Y-%m-%d %H:%M} (UTC)",
                    doing="comparing the clocks, by which backups get old",
                    hint="set the clock of this machine",
                )


@contextmanager
def backing_up(bucket: Bucket) -> Iterator[Marker]:
    """Say that a backup runs. Raises Transient while old backups are being deleted."""
    with _marker(bucket, "running/backup-") as marker:
        if _young(bucket, "running/expiry-", LONGEST_EXPIRY):
            raise Transient(
                f"old backups are being deleted from {bucket.name}", doing="backing up", hint="run it again in an hour"
            )
        yield marker


@contextmanager
def expiring(bucket: Bucket) -> Iterator[Marker]:
    """Say that old backups are being deleted. Raises Transient while a backup runs, or was killed hours ago."""
    with _marker(bucket, "running/expiry-") as marker:
        if running := _young(bucket, "running/backup-", LONGEST_BACKUP):
            raise Transient(
                f"a backup to {bucket.name} is running: {bucket.path(running)}",
                doing="deleting old backups",
                hint=f"run it again when it has ended; if it was killed: aws s3 rm {bucket.path(running)}",
            )
        yield marker


@contextmanager
def _marker(bucket: Bucket, prefix: str) -> Iterator[Marker]:
    marker = Marker(bucket, f"{prefix}{secrets.token_hex(8)}")
    try:
        yield marker
    finally:
        marker.end()


def _young(bucket: Bucket, prefix: str, longest: timedelta) -> str | None:
    """The key of a marker that still counts; one that does not is deleted."""
    now = bucket.now()
    young = None
    for listed in list(bucket.list(prefix)):
        if now - listed.modified < longest:
            young = listed.key
        else:
            bucket.delete(listed.key)
    return young
