"""S3 in memory, under the real Bucket: it can end the program at any request, and looks at the pages after each."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from posixpath import normpath
from typing import Any
from urllib.parse import unquote

from imageyard.bucket.objects import Bucket
from imageyard.errors import Denied
from imageyard.http.backoff import Clock

__all__ = ["BEGIN", "Killed", "MemoryS3", "Stored", "page_lies"]

BEGIN = datetime(2026, 11, 28, tzinfo=timezone.utc)


class Killed(BaseException):
    """The end of the program, wherever it stands: nothing catches it."""


@dataclass(frozen=True)
class Stored:
    body: bytes
    modified: datetime
    media_type: str = ""
    cache: str = ""
    sha256: str | None = None

    @property
    def etag(self) -> str:
        return hashlib.md5(self.body, usedforsecurity=False).hexdigest()


class MemoryS3:
    """`objects` by key; `calls` are operations with their keys. At call `die_at` the program ends, done or not yet.

    `old` has versions that are not the newest by key and id, None for a mark of a deletion. `sizes` are those that
    listings say of objects that are too large for a test, which nobody may read; `kept_back` has the codes with which
    S3 refuses the bytes of objects.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.old: dict[tuple[str, str], Stored | None] = {}
        self.uploads = 0
        self.parts: dict[tuple[str, int], bytes] = {}
        self.tags: dict[str, Mapping[str, str]] = {}
        self.calls: list[tuple[str, str]] = []
        self.die_at: int | None = None
        self.dies_after = False
        self.after: Callable[[], None] = lambda: None
        self.before: Callable[[str, str], None] = lambda operation, key: None
        self.seconds = 0
        self.sizes: dict[str, int] = {}
        self.kept_back: dict[str, str] = {}

    def bucket(self) -> Bucket:
        return Bucket(self, "lanes", "", Clock(sleep=lambda seconds: None))  # type: ignore[arg-type]

    def clock(self) -> Clock:
        return Clock(now=lambda: (BEGIN + timedelta(seconds=self.seconds)).timestamp())

    def call(
        self, operation: str, doing: str, *, refused: Callable[[str, str], Any], **given: Any
    ) -> Mapping[str, Any]:
        key = str(given.get("Key", ""))
        number = len(self.calls)
        self.before(operation, key)
        self.calls.append((operation, key))
        if number == self.die_at and not self.dies_after:
            raise Killed
        try:
            answer = getattr(self, f"_{operation}")(refused, **given)
            self.after()
        finally:
            if number == self.die_at:
                raise Killed
        return dict(answer)

    def writes(self, since: int = 0) -> list[str]:
        return [key for operation, key in self.calls[since:] if operation not in ("get_object", "list_objects_v2")]

    @property
    def handed_out(self) -> Mapping[str, Stored]:
        """What anybody can read: an object that is marked as withdrawn is refused by the policy of the bucket."""
        return {key: found for key, found in self.objects.items() if key not in self.tags}

    def put(self, key: str, body: bytes) -> None:
        """An object that somebody else wrote."""
        self.seconds += 1
        self.objects[key] = Stored(body, BEGIN + timedelta(seconds=self.seconds))

    def _put_object(self, refused: Callable[[str, str], Any], **given: Any) -> Mapping[str, Any]:
        key, body = given["Key"], given["Body"]
        if given.get("IfNoneMatch") == "*" and key in self.objects:
            raise refused("PreconditionFailed", "")
        assert base64.b64encode(hashlib.sha256(body).digest()).decode() == given["ChecksumSHA256"]
        self.seconds += 1
        moment = BEGIN + timedelta(seconds=self.seconds)
        kept = (given["ContentType"], given.get("CacheControl", ""), given["ChecksumSHA256"])
        self.objects[key] = Stored(body, moment, *kept)
        return {"ETag": f'"{self.objects[key].etag}"'}

    def _create_multipart_upload(self, refused: Callable[[str, str], Any], **given: Any) -> Mapping[str, Any]:
        self.uploads += 1
        return {"UploadId": str(self.uploads)}

    def _upload_part(self, refused: Callable[[str, str], Any], **given: Any) -> Mapping[str, Any]:
        self.parts[(given["UploadId"], given["PartNumber"])] = given["Body"]
        return {"ETag": f'"{given["PartNumber"]}"'}

    def _complete_multipart_upload(self, refused: Callable[[str, str], Any], **given: Any) -> Mapping[str, Any]:
        key, numbers = given["Key"], [part["PartNumber"] for part in given["MultipartUpload"]["Parts"]]
        if given.get("IfNoneMatch") == "*" and key in self.objects:
            raise refused("PreconditionFailed", "")
        self.put(key, b"".join(self.parts[(given["UploadId"], number)] for number in numbers))
        return {}

    def _get_object(self, refused: Callable[[str, str], Any], **given: Any) -> Mapping[str, Any]:
        key = given["Key"]
        found = self._found(refused, key)
        assert key not in self.sizes, f"{key} is read, which is too large for that"
        if code := self.kept_back.get(key):
            raise refused(code, "no bytes") or Denied(f"AWS s3 answers {code}")
        if "Range" in given:
            first, last = map(int, given["Range"].removeprefix("bytes=").split("-"))
            body = found.body[first : last + 1]
            return {"Body": body, "ContentRange": f"bytes {first}-{last}/{len(found.body)}"}
        return {"Body": found.body, "ContentType": found.media_type}

    def _head_object(self, refused: Callable[[str, str], Any], **given: Any) -> Mapping[str, Any]:
        found = self._found(refused, given["Key"])
        return {"ContentLength": len(found.body), "ChecksumSHA256": found.sha256}

    def _list_objects_v2(self, refused: Callable[[str, str], Any], **given: Any) -> Mapping[str, Any]:
        entries = [
            {
                "Key": key,
                "Size": self.sizes.get(key, len(found.body)),
                "LastModified": found.modified,
                "ETag": f'"{found.etag}"',
            }
            for key, found in sorted(self.objects.items())
            if key.startswith(given["Prefix"])
        ]
        return {"IsTruncated": False, "Contents": entries, "KeyCount": len(entries)}

    def _put_object_tagging(self, refused: Callable[[str, str], Any], **given: Any) -> Mapping[str, Any]:
        self._found(refused, given["Key"])
        self.tags[given["Key"]] = {tag["Key"]: tag["Value"] for tag in given["Tagging"]["TagSet"]}
        return {}

    def _delete_object_tagging(self, refused: Callable[[str, str], Any], **given: Any) -> Mapping[str, Any]:
        self._found(refused, given["Key"])
        self.tags.pop(given["Key"], None)
        return {}

    def _list_object_versions(self, refused: Callable[[str, str], Any], **given: Any) -> Mapping[str, Any]:
        now = {(key, found.etag): found for key, found in self.objects.items()}
        every = [each for each in sorted({**now, **self.old}.items()) if each[0][0].startswith(given["Prefix"])]
        versions = [{"Key": key, "VersionId": id, "Size": len(found.body)} for (key, id), found in every if found]
        marks = [{"Key": key, "VersionId": id} for (key, id), found in every if found is None]
        return {"IsTruncated": False, "Versions": versions, "DeleteMarkers": marks}

    def _delete_object(self, refused: Callable[[str, str], Any], **given: Any) -> Mapping[str, Any]:
        key = given["Key"]
        if given.get("VersionId") in (None, getattr(self.objects.get(key), "etag", None)):
            self.objects.pop(key, None)
            self.tags.pop(key, None)
        self.old.pop((key, given.get("VersionId", "")), None)
        return {}

    def _found(self, refused: Callable[[str, str], Any], key: str) -> Stored:
        if key not in self.objects:
            raise refused("NoSuchKey", "")
        return self.objects[key]


class _Links(HTMLParser):
    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append(dict(attrs))


def page_lies(objects: Mapping[str, bytes]) -> list[str]:
    """What the pages of all indexes name that is not there, or is there with other bytes."""
    lies = []
    for key, body in objects.items():
        if not key.startswith("index/"):
            continue
        folder = key.rpartition("/")[0]
        named: list[tuple[str, str]] = []
        if key.endswith(".v1_json"):
            page = json.loads(body)
            named += [(f"{project['name']}/", "") for project in page.get("projects", ())]
            for file in page.get("files", ()):
                named.append((file["url"], file["hashes"]["sha256"]))
                if file["core-metadata"]:
                    named.append((f"{file['url']}.metadata", file["core-metadata"]["sha256"]))
        else:
            for link in _Links(body).found:
                url, _, fragment = str(link["href"]).partition("#")
                named.append((url, fragment.removeprefix("sha256=")))
                if told := link.get("data-core-metadata"):
                    named.append((f"{url}.metadata", told.removeprefix("sha256=")))
        for url, sha256 in named:
            target = normpath(f"{folder}/{unquote(url)}")
            if url.endswith("/"):
                if not {f"{target}/index.html", f"{target}/index.v1_json"} <= set(objects):
                    lies.append(f"{key} names the project {url}")
            elif target not in objects or hashlib.sha256(objects[target]).hexdigest() != sha256:
                lies.append(f"{key} names {target}")
    return lies
