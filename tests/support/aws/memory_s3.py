"""S3 in memory behind a port: the real boto3 in front, checksums compared, and pages as short as a test wants them.

It answers what moto answers to the same requests, and what S3 answers where moto is less strict (`support.aws.bucket`);
tests/contract/bucket asks both. Moto takes tens of milliseconds for a request, this one about two.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import boto3
from botocore.config import Config
from support.aws.bucket import KEYS, REGION, StrictS3
from support.registry.faults import Answer, running

__all__ = ["MemoryS3", "memory_s3_served", "serve_one"]


@dataclass
class _Object:
    body: bytes
    media_type: str
    sha256: str = ""  # as S3 keeps it: in base64, of parts with their number behind it
    modified: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    etag: str = field(default_factory=lambda: f'"{secrets.token_hex(16)}"')  # opaque, as where S3 encrypts


@dataclass
class _Upload:
    key: str
    media_type: str
    parts: dict[int, _Object] = field(default_factory=dict)
    begun: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


class MemoryS3(StrictS3):
    """Buckets as dicts. `page`: how many entries a page of a listing has at most.

    `keys`: the ids of access keys that are taken, None for any; another one is told that its session has expired.
    """

    def __init__(self) -> None:
        super().__init__("")
        self.page = 1000
        self.keys: set[str] | None = None
        self._objects: dict[str, dict[str, _Object]] = {}
        self._uploads: dict[str, dict[str, _Upload]] = {}

    def client(self) -> Any:
        """boto3, for tests that look or break something."""
        return boto3.session.Session(KEYS.id, KEYS.secret, region_name=REGION).client(
            "s3", endpoint_url=self.endpoint, config=Config(s3={"addressing_style": "path"})
        )

    def create(self, name: str) -> None:
        """Make an empty bucket."""
        self._objects[name], self._uploads[name] = {}, {}
        self.buckets.append(name)

    def objects(self, name: str) -> dict[str, bytes]:
        """Every object of a bucket."""
        with self.lock:
            return {key: one.body for key, one in self._objects[name].items()}

    def fill(self, name: str, keys: Iterable[str]) -> None:
        """Put empty objects into a bucket."""
        self._objects[name] |= {key: _Object(b"", "") for key in keys}

    def damage(self, name: str, key: str) -> None:
        """Flip a bit of an object, as a disk does: what S3 says of it stays."""
        body = self._objects[name][key].body
        self._objects[name][key].body = body[:-1] + bytes([body[-1] ^ 1])

    def age(self, name: str, modified: datetime) -> None:
        """Let every object of a bucket be written at this time."""
        for one in self._objects[name].values():
            one.modified = modified

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        """What S3 answers."""
        split = urlsplit(handler.path)
        bucket, _, key = unquote(split.path).lstrip("/").partition("/")
        asked = {name: values[0] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
        sent = {name.lower(): value for name, value in handler.headers.items()}
        credential = re.search(r"Credential=([^/]+)/", sent.get("authorization", ""))
        if self.keys is not None and (credential is None or credential[1] not in self.keys):
            return _error(400, "ExpiredToken", handler.command)
        told = sent.get("x-amz-checksum-sha256")
        if told and handler.command == "PUT" and _sum(body) != told:
            return _error(400, "BadDigest")
        with self.lock:
            if bucket not in self._objects:
                return _error(404, "NoSuchBucket", handler.command)
            if not key and handler.command == "DELETE":  # for the bench, as `size` is
                self._objects[bucket].clear()
                return Answer(204, {}, b"")
            if not key and "size" in asked:
                text = str(sum(len(one.body) for one in self._objects[bucket].values())).encode()
                return Answer(200, {"Content-Length": str(len(text))}, text)
            if not key:
                return self._listed_uploads(bucket, asked) if "uploads" in asked else self._listed(bucket, asked)
            if "uploadId" in asked or "uploads" in asked:
                return self._upload(handler.command, bucket, key, asked, sent, body)
            return self._object(handler.command, bucket, key, sent, body)

    def _object(self, method: str, bucket: str, key: str, sent: Mapping[str, str], body: bytes) -> Answer:
        objects = self._objects[bucket]
        match method:
            case "PUT":
                if key in objects and sent.get("if-none-match") == "*":
                    return _error(412, "PreconditionFailed")
                made = _Object(body, sent.get("content-type", ""), sent.get("x-amz-checksum-sha256", ""))
                objects[key] = made
                return Answer(200, {"ETag": made.etag, "Content-Length": "0"}, b"")
            case "DELETE":
                objects.pop(key, None)
                return Answer(204, {}, b"")
        if key not in objects:
            return _error(404, "NoSuchKey", method)
        one = objects[key]
        headers = {"ETag": one.etag, "Content-Type": one.media_type, "Last-Modified": format_datetime(one.modified)}
        if one.sha256 and sent.get("x-amz-checksum-mode") == "ENABLED":
            headers["x-amz-checksum-sha256"] = one.sha256
            headers["x-amz-checksum-type"] = "COMPOSITE" if "-" in one.sha256 else "FULL_OBJECT"
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d+)", sent.get("range", "")):
            first, last = int(wanted[1]), min(int(wanted[2]), len(one.body) - 1)
            piece = one.body[first : last + 1]
            more = {"Content-Range": f"bytes {first}-{last}/{len(one.body)}", "Content-Length": str(len(piece))}
            return Answer(206, headers | more, piece)
        return Answer(200, headers | {"Content-Length": str(len(one.body))}, one.body)

    def _upload(
        self, method: str, bucket: str, key: str, asked: Mapping[str, str], sent: Mapping[str, str], body: bytes
    ) -> Answer:
        uploads = self._uploads[bucket]
        if method == "POST" and "uploads" in asked:
            id = secrets.token_hex(8)
            uploads[id] = _Upload(key, sent.get("content-type", ""))
            return _xml("InitiateMultipartUploadResult", f"<UploadId>{id}</UploadId>")
        id = asked["uploadId"]
        if id not in uploads or uploads[id].key != key:
            return _error(404, "NoSuchUpload", method)
        parts = uploads[id].parts
        match method:
            case "PUT":
                number = int(asked["partNumber"])
                parts[number] = _Object(body, "", sent.get("x-amz-checksum-sha256", ""))
                return Answer(200, {"ETag": parts[number].etag, "Content-Length": "0"}, b"")
            case "DELETE":
                del uploads[id]
                return Answer(204, {}, b"")
            case "GET":
                return _parts(parts, int(asked.get("part-number-marker", 0)), self.page)
        return self._completed(bucket, id, sent, body)

    def _completed(self, bucket: str, id: str, sent: Mapping[str, str], body: bytes) -> Answer:
        one = self._uploads[bucket][id]
        if one.key in self._objects[bucket] and sent.get("if-none-match") == "*":
            return _error(412, "PreconditionFailed")
        found = []
        for part in re.findall(r"<Part>(.*?)</Part>", body.decode(), re.DOTALL):
            told = dict(re.findall(r"<(\w+)>([^<]*)</", part.replace("&quot;", '"')))
            kept = one.parts.get(int(told["PartNumber"]))
            if kept is None or kept.etag != told["ETag"] or told.get("ChecksumSHA256", kept.sha256) != kept.sha256:
                return _error(400, "InvalidPart")
            found.append(kept)
        sums = b"".join(base64.b64decode(kept.sha256) for kept in found)
        sha256 = f"{_sum(sums)}-{len(found)}"
        self._objects[bucket][one.key] = _Object(b"".join(kept.body for kept in found), one.media_type, sha256)
        del self._uploads[bucket][id]
        return _xml("CompleteMultipartUploadResult", f"<Key>{escape(one.key)}</Key>")

    def _listed(self, bucket: str, asked: Mapping[str, str]) -> Answer:
        after = base64.b64decode(asked.get("continuation-token", "")).decode()
        prefix = asked.get("prefix", "")
        keys = sorted(key for key in self._objects[bucket] if key.startswith(prefix) and key > after)
        page = keys[: min(self.page, int(asked.get("max-keys", self.page)))]
        entries = [
            f"<Contents><Key>{escape(key)}</Key><Size>{len(one.body)}</Size>"
            f"<LastModified>{one.modified:%Y-%m-%dT%H:%M:%S.%fZ}</LastModified></Contents>"
            for key, one in ((key, self._objects[bucket][key]) for key in page)
        ]
        more = len(page) < len(keys)
        head = f"<KeyCount>{len(page)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>"
        if more:
            token = base64.b64encode(page[-1].encode()).decode()
            head += f"<NextContinuationToken>{token}</NextContinuationToken>"
        return _xml("ListBucketResult", head + "".join(entries))

    def _listed_uploads(self, bucket: str, asked: Mapping[str, str]) -> Answer:
        after = (asked.get("key-marker", ""), asked.get("upload-id-marker", ""))
        known = sorted(
            ((one.key, id), one)
            for id, one in self._uploads[bucket].items()
            if one.key.startswith(asked.get("prefix", "")) and (one.key, id) > after
        )
        page, more = known[: self.page], len(known) > self.page
        entries = [
            f"<Upload><Key>{escape(key)}</Key><UploadId>{id}</UploadId>"
            f"<Initiated>{one.begun:%Y-%m-%dT%H:%M:%S.%fZ}</Initiated></Upload>"
            for (key, id), one in page
        ]
        head = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        if more:
            (key, id), _ = page[-1]
            head += f"<NextKeyMarker>{escape(key)}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>"
        return _xml("ListMultipartUploadsResult", head + "".join(entries))


@contextmanager
def memory_s3_served() -> Iterator[MemoryS3]:
    """S3 on a free port until the block ends."""
    with running(MemoryS3()) as served:
        assert isinstance(served, MemoryS3)
        yield served


def _parts(parts: Mapping[int, _Object], after: int, page: int) -> Answer:
    numbers = sorted(number for number in parts if number > after)
    more = len(numbers) > page
    entries = [
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(parts[number].etag)}</ETag>"
        f"<Size>{len(parts[number].body)}</Size><ChecksumSHA256>{parts[number].sha256}</ChecksumSHA256></Part>"
        for number in numbers[:page]
    ]
    head = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
    head += f"<NextPartNumberMarker>{numbers[page - 1]}</NextPartNumberMarker>" if more else ""
    return _xml("ListPartsResult", head + "".join(entries))


def _sum(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _xml(name: str, content: str, status: int = 200) -> Answer:
    body = f'<?xml version="1.0"?><{name}>{content}</{name}>'.encode()
    return Answer(status, {"Content-Type": "application/xml", "Content-Length": str(len(body))}, body)


def _error(status: int, code: str, method: str = "GET") -> Answer:
    if method == "HEAD":
        return Answer(status, {"Content-Length": "0"}, b"")
    return _xml("Error", f"<Code>{code}</Code><Message>told by the test</Message>", status)


def serve_one(name: str) -> None:
    """Serve one bucket until this process is killed; where, is said on standard error."""
    served = MemoryS3()
    served.create(name)
    print(f"listening on {served.host}", file=sys.stderr, flush=True)
    served.serve_forever()
