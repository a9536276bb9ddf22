"""Putting a blob into a bucket: in one request, or in parts, of which one is in memory; a part is sent once.

Amazon S3 User Guide, "Uploading and copying objects using multipart upload": parts of 5 MiB and more but for the last,
10,000 at most. SHA-256 of an upload in parts is of type COMPOSITE: that of the parts' checksums, never of the bytes
("Checking object integrity", full object checksums are of the CRC kinds alone). So the digest of a large blob is
checked here, before the upload is completed; S3 checks each part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any

from imageyard.bucket.objects import Bucket, checksum
from imageyard.errors import NotFound, Transient
from imageyard.oci.manifests import Descriptor

__all__ = ["PART", "give_up", "upload"]

PART = 8 * 1024 * 1024
"""Bytes of a part, but for blobs that would have too many of them."""
_MOST_PARTS = 10_000
_ROUNDS = 4
_COMPLETE = "complete_multipart_upload"
_MEDIA_TYPE = "application/octet-stream"


def upload(
    bucket: Bucket,
    key: str,
    blob: Descriptor,
    content: IO[bytes],
    origin: str,
    *,
    resume: bool = True,
    replace: bool = False,
) -> None:
    """Put a blob under a key that has nothing yet; `origin` names the place of `content`, which is seekable.

    Raises Transient for bytes of another digest, of which nothing is kept, and what reading and the bucket raise. An
    upload that is stopped anywhere stays in the bucket, and the next one sends only the parts that are not there.
    Without `resume` it begins anew: S3 lets nobody list the unfinished uploads of one prefix alone (Service
    Authorization Reference, ListBucketMultipartUploads: no `s3:prefix`). With `replace` an object that is there gives
    way, once all bytes were hashed: one that is damaged.
    """
    part = max(PART, -(-blob.size // _MOST_PARTS))
    if blob.size <= part:
        body = _read(content, blob.size + 1)  # one more: a blob that is longer than it should be is another one
        if f"sha256:{hashlib.sha256(body).hexdigest()}" != blob.digest:
            raise _other_bytes(blob, origin)
        if replace:
            bucket.replace(key, body, _MEDIA_TYPE)
        else:
            bucket.put(key, body, _MEDIA_TYPE)
        return
    with bucket.writing:
        for _ in range(_ROUNDS):
            try:
                _in_parts(bucket, key, blob, content, part, origin, resume=resume, replace=replace)
                return
            except _Lost:  # completed, or given up, by another writer of the same blob
                if not replace and bucket.head(key) is not None:
                    return
    raise Transient(f"{bucket.name} loses every upload of {blob.digest}", doing=f"writing {bucket.path(key)}")


class _Lost(Exception):
    """The upload is not there any more."""


def _in_parts(
    bucket: Bucket,
    key: str,
    blob: Descriptor,
    content: IO[bytes],
    part: int,
    origin: str,
    *,
    resume: bool,
    replace: bool,
) -> None:
    doing = f"writing {bucket.path(key)}"
    upload_id, sent = _begin(bucket, key, doing, resume=resume)
    given = {"UploadId": upload_id}
    whole = hashlib.sha256()
    parts: list[dict[str, Any]] = []
    content.seek(0)
    for number in range(1, -(-blob.size // part) + 1):
        body = _read(content, min(part, blob.size - (number - 1) * part))
        whole.update(body)
        sums = checksum(body)
        there = sent.get(number, {})
        if not _is_same(there, body, sums["ChecksumSHA256"]):
            there = _on(bucket, "upload_part", key, doing, **given, PartNumber=number, Body=body, **sums)
        one = {"PartNumber": number, "ETag": there["ETag"], "ChecksumSHA256": sums["ChecksumSHA256"]}
        parts.append(one)
    if content.read(1) or f"sha256:{whole.hexdigest()}" != blob.digest:
        give_up(bucket, key, upload_id)
        raise _other_bytes(blob, origin)
    ended = {**given, "MultipartUpload": {"Parts": parts}}
    if replace:
        _on(bucket, _COMPLETE, key, doing, **ended)
        return
    try:
        created = bucket.create(_COMPLETE, key, doing, **ended)
    except NotFound:
        raise _Lost from None
    if not created:
        give_up(bucket, key, upload_id)


def _begin(bucket: Bucket, key: str, doing: str, *, resume: bool) -> tuple[str, Mapping[int, Mapping[str, Any]]]:
    """An upload of the key that an earlier run left, with its parts by number, else a new one."""
    left = [upload_id for found, upload_id, _ in bucket.unfinished(key) if found == key] if resume else []
    if not left:
        begun = bucket.call("create_multipart_upload", key, doing, ContentType=_MEDIA_TYPE, ChecksumAlgorithm="SHA256")
        return begun["UploadId"], {}
    try:
        return left[0], {part["PartNumber"]: part for part in bucket.parts(key, left[0])}
    except NotFound:
        raise _Lost from None


def give_up(bucket: Bucket, key: str, upload_id: str) -> None:
    """Have the bucket forget an upload; it may have done so already."""
    with suppress(NotFound):
        bucket.call("abort_multipart_upload", key, f"giving up an upload of {bucket.path(key)}", UploadId=upload_id)


def _is_same(there: Mapping[str, Any], body: bytes, sha256: str) -> bool:
    """Whether a part that is listed is this one; not every S3 lists checksums, and then its ETag is the MD5.

    Completing the upload names the SHA-256 of each part, which S3 compares.
    """
    if there.get("Size") != len(body):
        return False
    if "ChecksumSHA256" in there:
        return bool(there["ChecksumSHA256"] == sha256)
    return bool(there["ETag"].strip('"') == hashlib.md5(body, usedforsecurity=False).hexdigest())


def _on(bucket: Bucket, operation: str, key: str, doing: str, **given: Any) -> Mapping[str, Any]:
    try:
        return bucket.call(operation, key, doing, **given)
    except NotFound:
        raise _Lost from None


def _read(content: IO[bytes], size: int) -> bytes:
    """Read so many bytes, fewer only at the end."""
    pieces = []
    while size and (piece := content.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _other_bytes(blob: Descriptor, origin: str) -> Transient:
    return Transient(f"{origin} answered with other bytes than {blob.digest}", doing="copying it to a bucket")
