"""Objects of a bucket under a prefix: written once and hashed by both sides, read whole or in ranges, listed, deleted.

Amazon S3 API Reference (2006-03-01). Every write carries its SHA-256, which the other side compares with what arrived
("Checking object integrity"); one that must not replace anything says `If-None-Match: *` ("Conditional writes").
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar

from imageyard.aws import AwsService
from imageyard.errors import Denied, ImageyardError, NotFound, PolicyRefused, Transient
from imageyard.http.backoff import Clock

__all__ = ["READERS", "Bucket", "Head", "ObjectEntry", "ObjectVersion", "checksum"]

READERS = 4
"""How many large blobs are read, and how many are written, at once: this many times a piece is held in memory."""
_TRIES = 4
_FIRST_WAIT = 0.25
_MISSING = ("404", "NoSuchKey", "NoSuchUpload", "NoSuchBucket")
_THERE = ("412", "PreconditionFailed")
_KEPT_BACK = ("InvalidObjectState", "InvalidRequest", "KMS.")
"""How S3 refuses the bytes of an object that is archived, or encrypted with a key that we do not send, or that is gone
(API Reference, "GetObject" and "Error Responses")."""
_RACED = ("409", "ConditionalRequestConflict", "OperationAborted")

_NEXT_OBJECTS = {"ContinuationToken": "NextContinuationToken"}
_NEXT_VERSIONS = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
_NEXT_UPLOADS = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
_NEXT_PARTS = {"PartNumberMarker": "NextPartNumberMarker"}

T = TypeVar("T")


@dataclass(frozen=True)
class Head:
    """What a bucket says of an object: `size` in bytes; `sha256` is the checksum that it keeps, in base64.

    The checksum of an object that was written in parts is not of its bytes, and is None here.
    """

    size: int
    media_type: str
    sha256: str | None


@dataclass(frozen=True)
class ObjectVersion:
    """A version of an object, or a mark that it was deleted; `key` is without the prefix of the bucket.

    `id` is `null` where the bucket kept no versions when the object was written. `size` is in bytes, 0 for a mark.
    """

    key: str
    id: str
    size: int
    is_mark: bool


@dataclass(frozen=True)
class ObjectEntry:
    """An object in a listing; `key` is without the prefix of the bucket, `size` in bytes.

    `etag` is another one where the object has other bytes; it is no digest of them (API Reference, "Object").
    """

    key: str
    size: int
    modified: datetime
    etag: str = ""


class _AlreadyThere(PolicyRefused):
    """A write that replaces nothing met an object."""


class Bucket:
    """Objects by key. Methods raise Denied, NotFound for a bucket that is not there, or Transient with S3's words.

    What may pass is tried again, with a wait in between, beside what botocore does. Threads may share one.
    """

    def __init__(self, service: AwsService, name: str, prefix: str = "", clock: Clock | None = None) -> None:
        self.name = f"s3://{name}/{prefix}".rstrip("/")
        self.reading = threading.BoundedSemaphore(READERS)
        self.writing = threading.BoundedSemaphore(READERS)
        self._service = service
        self._bucket = name
        self._prefix = f"{prefix}/" if prefix else ""
        self._clock = clock or Clock()

    def path(self, key: str) -> str:
        """An object as a person types it: `s3://BUCKET/PREFIX/KEY`."""
        return f"{self.name}/{key}"

    def now(self) -> datetime:
        """The time by the clock of this machine."""
        return datetime.fromtimestamp(self._clock.now(), timezone.utc)

    def head(self, key: str) -> Head | None:
        """What the bucket says of an object, None where there is none."""
        answer = self._ask("head_object", f"looking for {self.path(key)}", key, ChecksumMode="ENABLED")
        if answer is None:
            return None
        sha256 = answer.get("ChecksumSHA256")
        is_whole = "-" not in f"{sha256}{answer.get('ETag', '')}"  # moto 5.2 leaves `-PARTS` out of the checksum
        whole = sha256 if sha256 and is_whole else None
        return Head(answer["ContentLength"], answer.get("ContentType", ""), whole)

    def get(self, key: str) -> tuple[bytes, str] | None:
        """A small object whole, and its media type; None where there is none."""
        answer = self._ask("get_object", f"reading {self.path(key)}", key, ChecksumMode="ENABLED")
        return None if answer is None else (answer["Body"], answer.get("ContentType", ""))

    def range(self, key: str, first: int, last: int) -> bytes:
        """The bytes `first` to `last` of an object, both included. Raises NotFound where there is none."""
        doing = f"reading {self.path(key)}"

        def read() -> bytes:
            answer = self._once("get_object", doing, Key=self._prefix + key, Range=f"bytes={first}-{last}")
            body: bytes = answer["Body"]
            begins = str(answer.get("ContentRange", "")).startswith(f"bytes {first}-{last}/")
            if len(body) != last - first + 1 or not begins:
                raise Transient(f"{self.name} answered with another range than the one asked for", doing=doing)
            return body

        return self._again(read)

    def put(self, key: str, body: bytes, media_type: str = "application/octet-stream") -> bool:
        """Write an object where there is none; False where there is one, which stays as it is."""
        return self.create(
            "put_object", key, f"writing {self.path(key)}", Body=body, ContentType=media_type, **checksum(body)
        )

    def create(self, operation: str, key: str, doing: str, **given: Any) -> bool:
        """One operation that writes `key` only where there is nothing; False where there is something."""
        try:
            self.call(operation, key, doing, IfNoneMatch="*", **given)
        except _AlreadyThere:
            return False
        return True

    def replace(self, key: str, body: bytes, media_type: str = "application/json") -> None:
        """Write an object, in place of an earlier one."""
        doing = f"writing {self.path(key)}"
        self.call("put_object", key, doing, Body=body, ContentType=media_type, **checksum(body))

    def delete(self, key: str) -> None:
        """Delete an object; it may be gone already."""
        self.call("delete_object", key, f"deleting {self.path(key)}")

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """The objects whose keys begin so, sorted. Raises Transient for a listing that was cut."""
        doing = f"listing {self.path(prefix)}"
        for page in self._pages("list_objects_v2", doing, prefix, _NEXT_OBJECTS):
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self._prefix)
                yield ObjectEntry(key, entry["Size"], entry["LastModified"], entry.get("ETag", "").strip('"'))

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """Every version of the objects whose keys begin so, and every mark of a deletion (ListObjectVersions).

        Raises Transient for a listing that was cut.
        """
        doing = f"listing the versions of {self.path(prefix)}"
        for page in self._pages("list_object_versions", doing, prefix, _NEXT_VERSIONS):
            for kind, is_mark in (("Versions", False), ("DeleteMarkers", True)):
                for entry in page.get(kind, ()):
                    key = entry["Key"].removeprefix(self._prefix)
                    yield ObjectVersion(key, entry["VersionId"], entry.get("Size", 0), is_mark)

    def delete_version(self, version: ObjectVersion) -> None:
        """Delete a version for good; it may be gone already."""
        doing = f"deleting the version {version.id} of {self.path(version.key)}"
        self.call("delete_object", version.key, doing, VersionId=version.id)

    def call(self, operation: str, key: str, doing: str, **given: Any) -> Mapping[str, Any]:
        """One operation on an object, again where it may pass. Raises NotFound for what is not there."""
        return self._again(lambda: self._once(operation, doing, Key=self._prefix + key, **given))

    def unfinished(self, prefix: str) -> Iterator[tuple[str, str, datetime]]:
        """The uploads in parts that were begun and not ended: key, id, and when they were begun.

        Raises Transient for a listing that was cut.
        """
        doing = f"looking for unfinished uploads in {self.name}"
        for page in self._pages("list_multipart_uploads", doing, prefix, _NEXT_UPLOADS):
            for entry in page.get("Uploads", ()):
                yield entry["Key"].removeprefix(self._prefix), entry["UploadId"], entry["Initiated"]

    def parts(self, key: str, upload_id: str) -> Iterator[Mapping[str, Any]]:
        """The parts of an unfinished upload, as S3 lists them. Raises NotFound for an upload that is not there."""
        doing = f"looking for what there is of {self.path(key)}"
        for page in self._pages("list_parts", doing, key, _NEXT_PARTS, Key=self._prefix + key, UploadId=upload_id):
            yield from page.get("Parts", ())

    def _pages(
        self, operation: str, doing: str, prefix: str, following: Mapping[str, str], **asked: Any
    ) -> Iterator[Mapping[str, Any]]:
        """A listing page by page; `following` names what a page says of the next one, by what that is asked with."""
        given = asked or {"Prefix": self._prefix + prefix}
        cut = Transient(f"{self.name} answered with a listing that was cut", doing=doing, hint="run it again")
        before: list[dict[str, Any]] = []

        def read() -> Mapping[str, Any]:
            page = self._once(operation, doing, **given, **(before[-1] if before else {}))
            count = page.get("KeyCount", len(page.get("Contents", ())))
            if "IsTruncated" not in page or count != len(page.get("Contents", ())):
                raise cut
            if page["IsTruncated"]:
                more = {name: page.get(said) for name, said in following.items()}
                if not all(more.values()) or more in before:  # no next page, or one that was read already
                    raise cut
            return page

        while True:
            page = self._again(read)
            yield page
            if not page["IsTruncated"]:
                return
            before.append({name: page[said] for name, said in following.items()})

    def _ask(self, operation: str, doing: str, key: str, **given: Any) -> Mapping[str, Any] | None:
        try:
            return self.call(operation, key, doing, **given)
        except NotFound:
            return None

    def _once(self, operation: str, doing: str, **given: Any) -> Mapping[str, Any]:
        def refused(code: str, words: str) -> ImageyardError | None:
            said = f"{self.name}: S3 answers {code}: {words}"
            if code in _MISSING:
                return NotFound(said, doing=doing)
            if code in _THERE:
                return _AlreadyThere(said, doing=doing)
            if operation == "get_object" and code.startswith(_KEPT_BACK):
                return Denied(said, doing=doing, hint="find out how the object was written: nobody can read it so")
            return Transient(said, doing=doing, hint="run it again") if code in _RACED else None

        return self._service.call(operation, doing, refused=refused, Bucket=self._bucket, **given)

    def _again(self, work: Callable[[], T]) -> T:
        for failures in range(_TRIES - 1):
            try:
                return work()
            except Transient:
                self._clock.sleep(_FIRST_WAIT * 2**failures * (0.5 + self._clock.chance()))
        return work()


def checksum(body: bytes) -> dict[str, str]:
    """The arguments that tell S3 the SHA-256 of what is sent, which it compares and keeps."""
    told = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": told}
