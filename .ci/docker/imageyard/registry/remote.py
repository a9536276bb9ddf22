"""A blob at a registry as a file that can be read and sought: by ranges, no more of it in memory than one piece."""

from __future__ import annotations

import tempfile
from typing import IO

from imageyard.errors import Transient
from imageyard.http.failures import BodyTooLarge
from imageyard.names import Reference
from imageyard.oci.manifests import Descriptor
from imageyard.oci.ranged import RangedFile
from imageyard.registry import blobs
from imageyard.registry.client import Client

__all__ = ["PIECE", "RangesRefused", "RemoteBlob", "SpooledBlob"]

PIECE = 16 * 1024 * 1024
"""Bytes of one request. Each is retried by itself, so that a break costs one piece."""
_WORDS = 65536
"""Bytes that a registry may take to say why not."""


class RangesRefused(Exception):
    """The registry, or the object store that it sends us to, answers with the whole blob."""


class RemoteBlob(RangedFile):
    """Bytes are not checked against the digest: whoever puts them elsewhere has that registry do it.

    Reading raises NotFound, Denied or Transient, and RangesRefused.
    """

    def __init__(self, client: Client, repository: Reference, blob: Descriptor, piece: int = PIECE) -> None:
        super().__init__(blob.size, piece)
        self._client = client
        self._repository = repository
        self._blob = blob

    def fetch(self, at: int) -> bytes:
        """Read one piece."""
        last = min(at + self.piece, self._blob.size) - 1
        whole = at == 0 and last == self._blob.size - 1
        headers = {} if whole else {"Range": f"bytes={at}-{last}"}
        try:
            reply = self._client.call(
                "GET", self._repository, f"blobs/{self._blob.digest}", headers=headers, limit=max(last - at + 1, _WORDS)
            )
        except BodyTooLarge:
            if whole:
                raise
            raise RangesRefused from None
        doing = f"reading blob {self._blob.digest}"
        if reply.status not in (200, 206):
            raise self._client.failure(reply, self._repository, doing, what=f"blob {self._blob.digest}")
        if reply.status == 200 and not whole:
            raise RangesRefused
        if len(reply.body) != last - at + 1 or not (whole or _begins(reply.headers.get("content-range", ""), at)):
            raise Transient(
                f"{self._repository.registry} answered with another range than the one asked for", doing=doing
            )
        return reply.body


class SpooledBlob(RemoteBlob):
    """The same, on the disk from the first byte on where ranges are refused: the whole of it is then read once."""

    _spool: IO[bytes] | None = None

    def close(self) -> None:
        """Give the disk back."""
        if self._spool is not None:
            self._spool.close()
        super().close()

    def _take(self, at: int) -> bytes:
        if self._spool is None:
            try:
                return super()._take(at)
            except RangesRefused:
                self._spool = tempfile.TemporaryFile(prefix="imageyard-")  # noqa: SIM115  (closed with the blob)
                blobs.fetch(self._client, self._repository, self._blob, self._spool)
        self._spool.seek(at)
        return self._spool.read(self.piece)


def _begins(content_range: str, at: int) -> bool:
    return content_range.startswith(f"bytes {at}-")
