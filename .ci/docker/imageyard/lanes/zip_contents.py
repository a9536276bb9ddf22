"""One pass over a zip archive from its first byte to its last: what each entry holds, within bounds, never on disk."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.zip_structure import STORED, Directory, ZipEntry, check_local
from imageyard.layout import size as size_text

__all__ = ["Contents", "ZipBounds", "read_contents"]

_LOCAL_HEADER = 30
_PIECE = 1024 * 1024
_HINT = "write the archive anew, by the tool that builds the wheel or by `python -m wheel pack`"


@dataclass(frozen=True)
class ZipBounds:
    """What unpacking may come to, in bytes; `ratio` is of a large entry's bytes to its packed ones."""

    unpacked: int
    ratio: int = 200
    large: int = 1024 * 1024
    kept: int = 16 * 1024 * 1024


@dataclass(frozen=True)
class Contents:
    """The SHA-256 of the file in hex, the SHA-256 and size of every entry that is no folder, and the bytes of some."""

    sha256: str
    digests: Mapping[str, tuple[bytes, int]]
    bodies: Mapping[str, bytes]


def read_contents(file: IO[bytes], directory: Directory, bounds: ZipBounds, kept: Collection[str]) -> Contents:
    """Read every byte of the archive once, in order; `kept` names the entries whose bytes are wanted.

    Entries lie one behind the other from byte 0 to the directory: none overlaps another, and nothing lies in between.
    Raises FileRefused at the first byte that is too many.
    """
    _check_bounds(directory, bounds, kept)
    reader = _Reader(file)
    digests: dict[str, tuple[bytes, int]] = {}
    bodies: dict[str, bytes] = {}
    for entry in directory.entries:
        if entry.offset != reader.at:
            raise _refused("zip-gap", f"the entry {entry.name!r} does not begin where the one before it ends")
        header = reader.read(_LOCAL_HEADER)
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        check_local(entry, header, reader.read(lengths))
        if reader.at + entry.packed > directory.start:
            raise _refused("zip-gap", f"the entry {entry.name!r} reaches into the directory")
        whole = hashlib.sha256()
        body = bytearray()
        for piece in _checked(entry, reader):
            whole.update(piece)
            if entry.name in kept:
                body += piece
        if not entry.is_folder:
            digests[entry.name] = (whole.digest(), entry.size)
        if entry.name in kept:
            bodies[entry.name] = bytes(body)
    if reader.at != directory.start:
        raise _refused("zip-gap", "something lies between the last entry and the directory")
    while reader.at < directory.size:
        reader.read(min(_PIECE, directory.size - reader.at))
    return Contents(reader.sha256.hexdigest(), digests, bodies)


class _Reader:
    """A file from its beginning, hashed on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        file.seek(0)
        self.at = 0
        self.sha256 = hashlib.sha256()
        self._file = file

    def read(self, size: int) -> bytes:
        """So many bytes."""
        parts = []
        missing = size
        while missing and (part := self._file.read(missing)):
            parts.append(part)
            missing -= len(part)
        if missing:
            raise _refused("zip-cut", "the file ends before its archive does")
        body = b"".join(parts)
        self.at += size
        self.sha256.update(body)
        return body


def _check_bounds(directory: Directory, bounds: ZipBounds, kept: Collection[str]) -> None:
    """Refuse what the directory itself says is too much, before a byte is unpacked."""
    total = sum(entry.size for entry in directory.entries)
    if total > bounds.unpacked:
        raise _refused(
            "bomb", f"the archive unpacks to {size_text(total)}, and {size_text(bounds.unpacked)} are allowed"
        )
    for entry in directory.entries:
        if entry.size > bounds.large and entry.size > bounds.ratio * max(entry.packed, 1):
            raise _refused("bomb", f"the entry {entry.name!r} unpacks to more than {bounds.ratio} times its bytes")
        if entry.name in kept and entry.size > bounds.kept:
            raise _refused("bomb", f"the entry {entry.name!r} has {size_text(entry.size)}: too many for a document")


def _checked(entry: ZipEntry, reader: _Reader) -> Iterator[bytes]:
    """The bytes of an entry, which are as many, and have the sum, that the directory says."""
    crc = 0
    total = 0
    for piece in _unpacked(entry, reader):
        total += len(piece)
        if total > entry.size:
            raise _refused("zip-sizes", f"the entry {entry.name!r} unpacks to more bytes than it says")
        crc = zlib.crc32(piece, crc)
        yield piece
    if total != entry.size:
        raise _refused("zip-sizes", f"the entry {entry.name!r} unpacks to fewer bytes than it says")
    if crc != entry.crc:
        raise _refused("zip-sum", f"the entry {entry.name!r} has another checksum than it says")


def _unpacked(entry: ZipEntry, reader: _Reader) -> Iterator[bytes]:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    left = entry.packed
    while left:
        piece = reader.read(min(left, _PIECE))
        left -= len(piece)
        if entry.method == STORED:
            yield piece
            continue
        if inflate.eof:
            raise _refused("zip-stream", f"the entry {entry.name!r} has more bytes than its stream")
        yield from _inflated(entry, inflate.decompress, piece, lambda: inflate.unconsumed_tail)
        if inflate.unused_data:
            raise _refused("zip-stream", f"the entry {entry.name!r} has more bytes than its stream")
    if entry.method != STORED and not inflate.eof:
        raise _refused("zip-stream", f"the entry {entry.name!r} has a stream that does not end")


def _inflated(
    entry: ZipEntry, decompress: Callable[[bytes, int], bytes], piece: bytes, tail: Callable[[], bytes]
) -> Iterator[bytes]:
    """What a piece unpacks to, no more than a piece of it in memory."""
    while True:
        try:
            out = decompress(piece, _PIECE)
        except zlib.error:
            raise _refused("zip-stream", f"the entry {entry.name!r} is no deflated stream") from None
        yield out
        piece = tail()
        if not piece and len(out) < _PIECE:
            return


def _refused(rule: str, headline: str) -> FileRefused:
    return FileRefused(rule, headline, hint=_HINT)
