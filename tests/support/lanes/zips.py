"""Zip archives written byte by byte, so that each field can lie (PKWARE APPNOTE 6.3.10, 4.3)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["DEFLATED", "FILE", "LINK", "STORED", "Part", "end_record", "write_zip", "zip64_records"]

STORED, DEFLATED = 0, 8
FILE, LINK = 0o100644 << 16, 0o120777 << 16


@dataclass(frozen=True)
class Part:
    """One entry. What is None is worked out; what begins with `local_` is in the header before the bytes alone."""

    name: bytes
    body: bytes = b""
    method: int = DEFLATED
    flags: int = 0
    stream: bytes | None = None
    crc: int | None = None
    packed: int | None = None
    size: int | None = None
    offset: int | None = None
    extra: bytes = b""
    comment: bytes = b""
    attributes: int = FILE
    disk: int = 0
    local_name: bytes | None = None
    local_flags: int | None = None
    local_method: int | None = None
    local_crc: int | None = None
    local_packed: int | None = None
    local_size: int | None = None
    local_extra: bytes = b""
    local_signature: bytes = b"PK\3\4"
    is_listed: bool = True
    is_written: bool = True
    behind: bytes = b""

    @property
    def data(self) -> bytes:
        if self.stream is not None:
            return self.stream
        if self.method != DEFLATED:
            return self.body
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        return deflate.compress(self.body) + deflate.flush()


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def write_zip(
    parts: Sequence[Part],
    *,
    before: bytes = b"",
    gap: bytes = b"",
    in_directory: bytes = b"",
    records: bytes = b"",
    end: bytes | None = None,
    after: bytes = b"",
    comment: bytes = b"",
) -> bytes:
    """An archive: `before`, the entries, `gap`, the directory, `records` of zip64, the `end` record, `after`."""
    out = bytearray(before)
    directory = bytearray()
    count = 0
    for part in parts:
        data = part.data
        crc = _or(part.crc, zlib.crc32(part.body))
        packed, size = _or(part.packed, len(data)), _or(part.size, len(part.body))
        offset = _or(part.offset, len(out))
        name = part.name if part.local_name is None else part.local_name
        if part.is_written:
            out += part.local_signature + struct.pack(
                "<5H3L2H",
                20,
                _or(part.local_flags, part.flags),
                _or(part.local_method, part.method),
                0,
                0x21,
                _or(part.local_crc, crc),
                _or(part.local_packed, packed),
                _or(part.local_size, size),
                len(name),
                len(part.local_extra),
            )
            out += name + part.local_extra + data + part.behind
        if part.is_listed:
            count += 1
            fields = (20 | 3 << 8, 20, part.flags, part.method, 0, 0x21, crc, packed, size)
            lengths = (len(part.name), len(part.extra), len(part.comment), part.disk, 0, part.attributes, offset)
            directory += b"PK\1\2" + struct.pack("<6H3L5H2L", *fields, *lengths)
            directory += part.name + part.extra + part.comment
    directory += in_directory
    out += gap
    if end is None:
        end = end_record(count, len(directory), len(out), comment)
    return bytes(out + directory + records + end + after)


def end_record(
    count: int, length: int, start: int, comment: bytes = b"", disk: int = 0, here: int | None = None
) -> bytes:
    fields = (disk, 0, count if here is None else here, count, length, start, len(comment))
    return b"PK\5\6" + struct.pack("<4H2LH", *fields) + comment


def zip64_records(count: int, length: int, start: int, at: int, **lies: int) -> bytes:
    """The end record of zip64 and its locator; `lies` are `size`, `here`, `offset`, `disks`."""
    record = struct.pack(
        "<QHHLLQQQQ", lies.get("size", 44), 45, 45, 0, 0, lies.get("here", count), count, length, start
    )
    locator = struct.pack("<LQL", 0, lies.get("offset", at), lies.get("disks", 1))
    return b"PK\6\6" + record + b"PK\6\7" + locator
