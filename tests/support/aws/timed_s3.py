"""S3 without a socket, on a clock that a test moves: for many short histories of backups and expiries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, cast

from imageyard.aws import AwsService, Refused
from imageyard.bucket.objects import Bucket
from imageyard.http.backoff import Clock

__all__ = ["TimedS3"]


@dataclass
class TimedS3:
    """One bucket. `before` is called with each operation and its key, and may do what it likes meanwhile."""

    now: datetime = datetime(2026, 1, 1, tzinfo=timezone.utc)
    objects: dict[str, tuple[bytes, str, datetime]] = field(default_factory=dict)
    before: Callable[[str, str], None] = lambda operation, key: None

    def bucket(self) -> Bucket:
        """The bucket as one machine reaches it."""
        clock = Clock(now=lambda: self.now.timestamp(), sleep=lambda seconds: None)
        return Bucket(cast("AwsService", self), "timed", "", clock)

    def pass_by(self, time: timedelta) -> None:
        """Let time pass."""
        self.now += time

    def call(self, operation: str, doing: str, *, refused: Refused, **given: Any) -> Mapping[str, Any]:
        """What S3 answers; small objects only."""
        key = given.get("Key", given.get("Prefix", ""))
        self.before(operation, key)
        self.now += timedelta(seconds=1)
        match operation:
            case "put_object":
                if given.get("IfNoneMatch") and key in self.objects:
                    raise cast("Exception", refused("PreconditionFailed", "it is there"))
                self.objects[key] = (given["Body"], given["ContentType"], self.now)
                return {}
            case "delete_object":
                self.objects.pop(key, None)
                return {}
            case "list_objects_v2":
                contents = [
                    {"Key": one, "Size": len(body), "LastModified": modified}
                    for one, (body, _, modified) in sorted(self.objects.items())
                    if one.startswith(key)
                ]
                return {"Contents": contents, "KeyCount": len(contents), "IsTruncated": False}
            case "list_multipart_uploads":
                return {"Uploads": [], "IsTruncated": False}
        if key not in self.objects:
            raise cast("Exception", refused("NoSuchKey", "it is not there"))
        body, media_type, _ = self.objects[key]
        if "Range" in given:
            first, last = map(int, given["Range"].removeprefix("bytes=").split("-"))
            return {"Body": body[first : last + 1], "ContentRange": f"bytes {first}-{last}/{len(body)}"}
        return {"Body": body, "ContentType": media_type, "ContentLength": len(body)}
