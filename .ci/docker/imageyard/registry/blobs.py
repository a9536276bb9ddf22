"""Blobs at a registry: whether they are there, and reading them, resumed where the connection breaks."""

from __future__ import annotations

import hashlib
from typing import IO

from imageyard.errors import Transient
from imageyard.http.transport import MANIFEST_LIMIT, Reply, origin_of
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import Descriptor, is_digest, matches
from imageyard.registry.answers import is_absent
from imageyard.registry.client import Client

__all__ = ["CONFIG_LIMIT", "WrongDigest", "fetch", "has", "read"]

_STALLS = 5

CONFIG_LIMIT = 16 * 1024 * 1024
"""Bytes of a config that are read at most: it holds the history of every step."""


class WrongDigest(Transient):
    """The registry answered with other bytes than those asked for: no other try in this run mends that."""


def has(client: Client, repository: Reference, digest: Digest) -> bool:
    """Whether the repository has the blob. Raises Denied or Transient where the registry does not say."""
    path = f"blobs/{digest}"
    reply = client.call("HEAD", repository, path)
    if reply.status == 200:
        return True
    if reply.status == 404 and is_absent(reply):
        return False
    first = {"Range": "bytes=0-0"}  # GET has the words that HEAD lacks
    reply = client.call("GET", repository, path, headers=first, limit=2**31) if reply.status == 404 else reply
    if reply.status == 404 and is_absent(reply):
        return False
    if reply.status in (200, 206):
        return True
    raise client.failure(reply, repository, f"looking for blob {digest}", what=f"blob {digest}")


def read(client: Client, repository: Reference, digest: Digest, *, limit: int = MANIFEST_LIMIT) -> bytes:
    """A small blob (a config, a record) whole, its digest checked; at most `limit` bytes.

    Raises NotFound, Denied, or Transient where the bytes are others than those asked for.
    """
    reply = client.call("GET", repository, f"blobs/{digest}", limit=limit)
    if reply.status != 200:
        raise client.failure(reply, repository, f"reading blob {digest}", what=f"blob {digest}")
    if not matches(reply.body, digest):
        raise _wrong(repository, digest)
    return reply.body


def fetch(client: Client, repository: Reference, blob: Descriptor, sink: IO[bytes]) -> None:
    """Write a blob of any size into `sink`, which is empty, seekable and readable; what breaks off is resumed by range.

    `sink` may hold an earlier part of it at its start: reading goes on after that. Raises NotFound, Denied, or
    Transient where it cannot be read, or its size or digest is not the one asked for.
    """
    if not is_digest(blob.digest):
        raise _wrong(repository, blob.digest)
    hasher = hashlib.new(blob.digest.partition(":")[0])
    sink.seek(0)
    at = 0
    while at < blob.size and (piece := sink.read(min(65536, blob.size - at))):
        hasher.update(piece)
        at += len(piece)
    stalls, reason = 0, "its answers end too early"
    while at < blob.size:
        before = at
        try:
            at = _part(client, repository, blob, sink, at, hasher)
        except _Broke as broke:
            at, reason = broke.at, broke.why
        stalls = stalls + 1 if at == before else 0
        if stalls >= _STALLS:
            raise Transient(f"{repository.registry}: {reason}", doing=f"reading blob {blob.digest}")
    sink.truncate(at)
    if f"{hasher.name}:{hasher.hexdigest()}" != blob.digest:
        raise _wrong(repository, blob.digest)


class _Broke(Exception):
    def __init__(self, at: int, why: str) -> None:
        super().__init__(why)
        self.at = at
        self.why = why


def _part(
    client: Client, repository: Reference, blob: Descriptor, sink: IO[bytes], at: int, hasher: hashlib._Hash
) -> int:
    """Read from byte `at` on; returns where it ended. Raises _Broke with that place where it broke off."""
    url, scopes, known = client.prepare(repository, f"blobs/{blob.digest}", ("pull",))
    for _ in range(2):
        headers = {"Range": f"bytes={at}-"} if at else {}
        headers |= {"Authorization": known} if known else {}
        place = at
        try:
            with client.http.stream(url, headers=headers) as (reply, pieces):
                if reply.status != 401:
                    skip = _start(client, repository, blob, reply, at)
                    for piece in pieces:
                        fresh, skip = piece[skip:], max(0, skip - len(piece))
                        if place + len(fresh) > blob.size:
                            raise _wrong(repository, blob.digest)
                        sink.seek(place)
                        sink.write(fresh)
                        hasher.update(fresh)
                        place += len(fresh)
                    return place
        except WrongDigest:
            raise
        except Transient as error:
            raise _Broke(place, error.headline) from None
        ours = client.endpoints.origin(repository.registry) == origin_of(reply.url)
        known = client.auth.answer(repository.registry, scopes, reply, known) if ours else None
        if known is None:
            break
    raise client.failure(reply, repository, f"reading blob {blob.digest}")


def _start(client: Client, repository: Reference, blob: Descriptor, reply: Reply, at: int) -> int:
    """How many bytes of the answer are known already: none of a 206, `at` where the range was ignored."""
    if reply.status == 206 and reply.headers.get("content-range", "").startswith(f"bytes {at}-"):
        return 0
    if reply.status == 200:
        return at
    if reply.status == 206:
        raise Transient("it answered with another range than the one asked for")
    raise client.failure(reply, repository, f"reading blob {blob.digest}", what=f"blob {blob.digest}")


def _wrong(repository: Reference, digest: str) -> WrongDigest:
    return WrongDigest(
        f"{repository.registry} answered with bytes of another digest",
        doing=f"reading blob {digest:.80}",
        detail=("nothing of it was used",),
    )
