"""A blob elsewhere as a file that can be read and sought: by ranges, no more of it in memory than two pieces."""

from __future__ import annotations

import io
import threading
from abc import ABC, abstractmethod

__all__ = ["RangedFile"]


class RangedFile(io.RawIOBase, ABC):
    """While one piece is used the next is read: what reads on from here to there waits for the slower of the two.

    `size` and `piece` are in bytes. A place says in `fetch` how it reads one piece; reading raises what that raises.
    """

    def __init__(self, size: int, piece: int) -> None:
        super().__init__()
        self.size = size
        self.piece = piece
        self._at = 0
        self._held = b""
        self._from = 0
        self._next: _Ahead | None = None

    @abstractmethod
    def fetch(self, at: int) -> bytes:
        """Read the piece that begins at byte `at`, whole; it ends where the blob does."""

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte; nothing is asked for."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """The byte that is read next."""
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        end = self.size if size is None or size < 0 else min(self._at + size, self.size)
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
        found = ahead.result() if ahead is not None and ahead.at == at else self.fetch(at)
        following = at + len(found)
        if following < self.size:
            self._next = _Ahead(self, following)
        return found


class _Ahead:
    """A piece that is being read by a thread, which the end of the program does not wait for."""

    def __init__(self, blob: RangedFile, at: int) -> None:
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
            self._found = self._blob.fetch(self.at)
        except BaseException as error:
            self._error = error
