"""A bucket as a place that holds images: the tags of a repository, over manifests and blobs that all of them share.

`blobs/sha256/HEX` and `manifests/sha256/HEX` are written once; `referrers/sha256/SUBJECT/HEX.json` lists what refers to
a manifest; `tags/REPOSITORY/TAG.json` names an image, and comes after all that it is made of.
"""

from __future__ import annotations

import base64
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, TypeVar, cast

from imageyard.bucket.entries import TagEntry, content_of, dumps, entry_from, loads, tag_key, tags_prefix
from imageyard.bucket.objects import Bucket
from imageyard.bucket.upload import upload
from imageyard.errors import NotFound, PolicyRefused, Transient
from imageyard.names import Digest
from imageyard.oci.manifests import Descriptor, Index, matches
from imageyard.oci.memory import referrer_entry
from imageyard.oci.ranged import RangedFile
from imageyard.oci.raw import Raw
from imageyard.oci.store import ReadableStore, require_parts

__all__ = [
    "BucketStore",
    "Damaged",
    "blob_key",
    "manifest_key",
    "read_document",
    "read_entry",
    "referrer_body",
    "referrer_key",
]

PIECE = 8 * 1024 * 1024
"""Bytes of one request that reads a blob."""
_TRIES = 3

T = TypeVar("T")


class Damaged(PolicyRefused):
    """The bucket holds other bytes than the name of an object says: nothing of it is used."""


class BucketStore:
    """The tags of `repository`, written as HOST/REPOSITORY. Methods raise Denied, Transient or Damaged.

    What was seen to be there is not asked for again: while images are put, nothing is deleted but by `delete`.
    """

    def __init__(self, bucket: Bucket, repository: str) -> None:
        self.bucket = bucket
        self.repository = repository
        self.name = bucket.name
        self.sent = 0
        """How many bytes of blobs were put."""
        self._seen: set[str] = set()
        self._manifests: dict[Digest, Raw] = {}
        self._lock = threading.Lock()
        self._one_writer: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def digest_of(self, name: str) -> Digest | None:
        """The digest of the manifest that a tag or a digest names."""
        if ":" in name:
            return Digest(name) if self._is_there(manifest_key(Digest(name))) else None
        entry = self.entry(name)
        return entry.digest if entry else None

    def entry(self, tag: str) -> TagEntry | None:
        """What the bucket says of a tag."""
        return read_entry(self.bucket, tag_key(self.repository, tag))

    def required(self, tag: str) -> TagEntry:
        """What the bucket says of a tag. Raises NotFound where it does not know it."""
        entry = self.entry(tag)
        if entry is None:
            raise NotFound(f"{self.name} has no backup of {self.repository}:{tag}")
        return entry

    def manifest(self, name: str) -> Raw | None:
        """The manifest that a tag or a digest names. Raises Damaged for bytes of another digest."""
        digest = Digest(name) if ":" in name else self.digest_of(name)
        if digest is None:
            return None
        if digest in self._manifests:
            return self._manifests[digest]
        key = manifest_key(digest)
        for _ in range(_TRIES):
            found = self.bucket.get(key)
            if found is None:
                return None
            if matches(found[0], digest):
                raw = self._manifests[digest] = Raw(found[1], digest, found[0])
                return raw
        raise self._damaged(key)

    def has_blob(self, digest: Digest) -> bool:
        """Whether the blob is there. Raises Damaged where S3 keeps the checksum of another one."""
        return self._is_there(blob_key(digest))

    def blob(self, blob: Descriptor) -> IO[bytes]:
        """The blob as a file that is read in ranges; no more than two pieces of it are in memory."""
        return cast("IO[bytes]", _Blob(self.bucket, blob))

    def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """The manifests whose `subject` is this one, sorted by digest."""
        found = []
        for listed in self.bucket.list(_referrers(digest)):
            raw = self.manifest(f"sha256:{listed.key.rpartition('/')[2].removesuffix('.json')}")
            if raw is not None:
                found.append(referrer_entry(raw))
        return found

    def tags(self) -> Iterator[str]:
        """All tags of the repository, sorted."""
        prefix = tags_prefix(self.repository)
        for listed in self.bucket.list(prefix):
            tag = listed.key.removeprefix(prefix).removesuffix(".json")
            if "/" not in tag:  # a repository below this one
                yield tag

    def put_manifest(self, manifest: Raw, tag: str | None = None) -> None:
        """Put a manifest, and list it where it has a `subject`; or give it a tag, with all that it is made of.

        Raises PolicyRefused where a part of it is not there.
        """
        require_parts(self, manifest)
        self.bucket.put(manifest_key(manifest.digest), manifest.body, manifest.media_type)
        self._seen.add(manifest_key(manifest.digest))
        self._manifests[manifest.digest] = manifest
        if (listing := referrer_key(manifest)) is not None:
            self.bucket.put(listing, referrer_body(manifest), "application/json")
        if tag is not None:
            entry = self.entry_for(manifest, tag)
            self.bucket.replace(tag_key(self.repository, tag), dumps(content_of(entry)))

    def put_blob(self, blob: Descriptor, content: IO[bytes], origin: ReadableStore) -> None:
        """Put a blob, hashed on the way. Raises Transient for bytes of another digest: nothing is kept of them."""
        key = blob_key(blob.digest)
        with self._lock:
            alone = self._one_writer[key]
        with alone:  # images that are put at the same time share blobs
            if key in self._seen:
                return
            upload(self.bucket, key, blob, content, origin.name)
            self._seen.add(key)
        with self._lock:
            self.sent += blob.size

    def delete(self, digest: Digest) -> None:
        """Delete a manifest, what names it first: its tags here, and its entry among the referrers of its subject."""
        raw = self.manifest(digest)
        if raw is None:
            raise NotFound(f"{self.name} has no manifest {digest}")
        for tag in tuple(self.tags()):
            if self.digest_of(tag) == digest:
                self.bucket.delete(tag_key(self.repository, tag))
        if (listing := referrer_key(raw)) is not None:
            self.bucket.delete(listing)
        self.bucket.delete(manifest_key(digest))
        self._seen.discard(manifest_key(digest))
        self._manifests.pop(digest, None)

    def entry_for(self, root: Raw, tag: str) -> TagEntry:
        """The entry of an image whose parts are all there, with what refers to them.

        Raises PolicyRefused where a manifest is not there.
        """
        manifests: dict[Digest, int] = {}
        blobs: dict[Digest, int] = {}
        waiting = [root.digest]
        while waiting:
            digest = waiting.pop()
            if digest in manifests:
                continue
            raw = self.manifest(digest)
            if raw is None:
                raise PolicyRefused(f"{self.name} has no manifest {digest}", doing=f"giving the tag {tag}")
            manifests[digest] = len(raw.body)
            document = raw.parsed()
            if isinstance(document, Index):
                waiting += [entry.digest for entry in document.manifests]
            else:
                blobs |= {blob.digest: blob.size for blob in (document.config, *document.layers)}
            waiting += [entry.digest for entry in self.referrers(digest)]
        size = sum(manifests.values()) + sum(blobs.values())
        saved = self.bucket.now().isoformat(timespec="seconds")
        parts = (tuple(sorted(manifests)), tuple(sorted(blobs)))
        return TagEntry(self.repository, tag, root.digest, root.media_type, size, saved, *parts)

    def _is_there(self, key: str) -> bool:
        if key in self._seen:
            return True
        head = self.bucket.head(key)
        if head is None:
            return False
        if head.sha256 is not None and base64.b64decode(head.sha256).hex() != key.rpartition("/")[2]:
            raise self._damaged(key)
        self._seen.add(key)
        return True

    def _damaged(self, key: str) -> Damaged:
        return Damaged(
            f"{self.bucket.path(key)} holds other bytes than its name says",
            hint="inv backup --verify --repair    (writes it anew from the registry)",
        )


class _Blob(RangedFile):
    """Bytes are not checked against the digest here: who puts them elsewhere does that."""

    def __init__(self, bucket: Bucket, blob: Descriptor) -> None:
        super().__init__(blob.size, PIECE)
        self._bucket = bucket
        self._key = blob_key(blob.digest)
        self._large = blob.size > PIECE
        if self._large:
            bucket.reading.acquire()

    def fetch(self, at: int) -> bytes:
        """Read one piece."""
        return self._bucket.range(self._key, at, min(at + self.piece, self.size) - 1)

    def close(self) -> None:
        """Let another one be read."""
        if not self.closed and self._large:
            self._bucket.reading.release()
        super().close()


def read_entry(bucket: Bucket, key: str) -> TagEntry | None:
    """The entry of a tag, None where there is none. Raises Transient where it is damaged."""
    return read_document(bucket, key, entry_from)


def read_document(bucket: Bucket, key: str, decode: Callable[[Mapping[str, Any], str], T]) -> T | None:
    """A small document, None where there is none; read again where it arrives damaged. Raises Transient."""
    name = bucket.path(key)
    for failures in range(_TRIES):
        found = bucket.get(key)
        if found is None:
            return None
        try:
            return decode(loads(found[0], name), name)
        except Transient:
            if failures == _TRIES - 1:
                raise
    return None


def blob_key(digest: Digest) -> str:
    """The key of a blob."""
    return f"blobs/{_place(digest)}"


def manifest_key(digest: Digest) -> str:
    """The key of a manifest."""
    return f"manifests/{_place(digest)}"


def referrer_key(manifest: Raw) -> str | None:
    """The key of what lists a manifest beside its `subject`; None where it has none. Its name alone is read."""
    subject = manifest.parsed().subject
    return None if subject is None else f"{_referrers(subject.digest)}{_hex(manifest.digest)}.json"


def referrer_body(manifest: Raw) -> bytes:
    """What is written under `referrer_key`, for whoever looks into the bucket."""
    return json.dumps({"mediaType": manifest.media_type, "digest": manifest.digest}).encode()


def _referrers(digest: Digest) -> str:
    return f"referrers/{_place(digest)}/"


def _place(digest: Digest) -> str:
    algorithm, _, text = digest.partition(":")
    return f"{algorithm}/{text}"


def _hex(digest: Digest) -> str:
    return digest.partition(":")[2]
