"""A blob at a registry as a file that can be read and sought: by ranges, no more of it in memory than one piece."""

from __future__ import annotations

import io
import tempfile
import threading
from typing import IO

from imageyard.errors import Transient
from imageyard.http.failures import BodyTooLarge
from imageyard.names import Reference
from imageyard.oci.manifests import Descriptor
from imageyard.registry import blobs
from imageyard.registry.client import Client

__all__ = ["PIECE", "RangesRefused", "RemoteBlob", "SpooledBlob"]

PIECE = 16 * 1024 * 1024
"""Bytes of one request. Each is retried by itself, so that a break costs one piece."""
_WORDS = 65536
"""Bytes that a registry may take to say why not."""


class RangesRefused(Exception):
    """The registry, or the object store that it sends us to, answers with the whole blob."""


class RemoteBlob(io.RawIOBase):
    """While one piece is used the next is read: what reads on from here to there waits for the slower of the two.

    Bytes are not checked against the digest: whoever puts them elsewhere has that registry do it. Reading raises
    NotFound, Denied or Transient, and RangesRefused.
    """

    def __init__(self, client: Client, repository: Reference, blob: Descriptor, piece: int = PIECE) -> None:
        super().__init__()
        self._client = client
        self._repository = repository
        self._blob = blob
        self._piece = piece
        self._at = 0
        self._held = b""
        self._from = 0
        self._next: _Ahead | None = None

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte; nothing is asked for."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._blob.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """The byte that is read next."""
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        end = self._blob.size if size is None or size < 0 else min(self._at + size, self._blob.size)
        parts = []
        while self._at < end:
            if not self._from <= self._at < self._from + len(self._held):
                self._held, self._from = self._take(self._at), self._at
            start = self._at - self._from
            part = self._held[start : start + end - self._at]
            parts.append(part)
            self._at += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _take(self, at: int) -> bytes:
        ahead, self._next = self._next, None
        self._held = b""  # before the next piece is there: two are held at most
        found = ahead.result() if ahead is not None and ahead.at == at else self._fetch(at)
        following = at + len(found)
        if following < self._blob.size:
            self._next = _Ahead(self, following)
        return found

    def _fetch(self, at: int) -> bytes:
        last = min(at + self._piece, self._blob.size) - 1
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
        return self._spool.read(self._piece)


class _Ahead:
    """A piece that is being read by a thread, which the end of the program does not wait for."""

    def __init__(self, blob: RemoteBlob, at: int) -> None:
        self.at = at
        self._blob = blob
        self._found = b""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def result(self) -> bytes:
        """The piece. Raises what reading raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found

    def _read(self) -> None:
        try:
            self._found = self._blob._fetch(self.at)
        except BaseException as error:
            self._error = error


def _begins(content_range: str, at: int) -> bool:
    return content_range.startswith(f"bytes {at}-")
