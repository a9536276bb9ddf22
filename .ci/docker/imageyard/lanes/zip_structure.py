"""The structure of a zip archive, read so strictly that every reader of it sees the same entries.

PKWARE APPNOTE 6.3.10: 4.3.7 local headers, 4.3.12 the directory, 4.3.14 to 4.3.16 the records that end it, 4.5.3 the
extra field of zip64. Some readers go by the directory, others by the local headers; PyPI refuses archives that these
read differently since 2025 (pypi/warehouse, `utils/zipfiles.py`), and so does this module.
"""

from __future__ import annotations

import io
import stat
import struct
from dataclasses import dataclass
from typing import IO

from imageyard.lanes.refusal import FileRefused

__all__ = ["DEFLATED", "STORED", "Directory", "ZipEntry", "check_local", "read_directory", "read_exactly"]

STORED, DEFLATED = 0, 8
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_FULL32, _FULL16 = 0xFFFFFFFF, 0xFFFF
_MOST_ENTRIES = 60_000
_MOST_DIRECTORY = 32 * 1024 * 1024
_UTF8 = 0x800
_VERSIONS = (10, 20, 45)  # stored, deflated, zip64 (APPNOTE 4.4.3.2): other readers refuse what they do not know
_LEVEL = 0x6  # which level deflated it: it says nothing about how to read it
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_DESCRIPTOR = 0x8
_FOLDER = 0x10  # of MS-DOS, in the low bits of the attributes
_ZIP64 = 0x0001
_OTHER_NAME = (0x7075, 0x6375)  # Info-ZIP: another name, another comment, for readers that look there
_HINT = "write the archive anew, by the tool that builds the wheel or by `python -m wheel pack`"


@dataclass(frozen=True)
class ZipEntry:
    """An entry, as the directory has it: sizes and the offset of its local header in bytes; `name` as it is written."""

    name: str
    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int

    @property
    def is_folder(self) -> bool:
        """Whether the entry is a folder."""
        return self.name.endswith("/")


@dataclass(frozen=True)
class Directory:
    """The entries in the order of their bytes; the local headers end where the directory begins, at `start`.

    `size` is that of the file.
    """

    entries: tuple[ZipEntry, ...]
    start: int
    size: int


def read_directory(file: IO[bytes]) -> Directory:
    """Read the directory of an archive, which ends the file. Raises FileRefused."""
    size = file.seek(0, io.SEEK_END)
    if size < _END.size:
        raise _refused("zip-end", f"the file is no zip archive: it has {size} bytes")
    end = _END.unpack(read_exactly(file, size - _END.size, _END.size))
    if end[0] != b"PK\5\6" or end[7] != 0:
        raise _refused("zip-end", "the file does not end where its zip archive ends: it is cut, or more is behind it")
    disk, first, here, count, length, start = end[1:7]
    ends = size - _END.size
    found = _read_end64(file, ends)
    if found is not None:
        ends, (count64, length64, start64) = found
        for short, long, full in ((count, count64, _FULL16), (length, length64, _FULL32), (start, start64, _FULL32)):
            if short not in (full, long):
                raise _refused("zip64", "the two records that end the archive differ")
        here, count, length, start = (here if here != _FULL16 else count64), count64, length64, start64
    if (disk, first) != (0, 0) or here != count:
        raise _refused("zip-disks", "the archive is spread over disks")
    if not 0 < count <= _MOST_ENTRIES or length > _MOST_DIRECTORY:
        raise _refused("zip-entries", f"the archive has {count} entries: 1 to {_MOST_ENTRIES} are allowed")
    if start + length != ends:
        raise _refused("zip-directory", "the directory does not lie between the entries and the end of the archive")
    entries = _entries(read_exactly(file, start, length), count)
    return Directory(tuple(sorted(entries, key=lambda entry: entry.offset)), start, size)


def check_local(entry: ZipEntry, header: bytes, rest: bytes) -> None:
    """Refuse a local header, and the name and extra fields behind it, that differ from the directory."""
    signature, needs, flags, method, _, _, crc, packed, size, name_length, _ = _LOCAL.unpack(header)
    if signature != b"PK\3\4":
        raise _refused("zip-local", f"no entry begins where the directory has {entry.name!r}")
    _check_version(entry.name, needs)
    extra = rest[name_length:]
    if rest[:name_length] != entry.raw:
        raise _refused("zip-local", f"the entry {entry.name!r} has another name at its own place")
    fields = _fields(extra, entry.name)
    if _ZIP64 in fields:
        if len(fields[_ZIP64]) != 16:
            raise _refused("zip64", f"the entry {entry.name!r} has sizes of zip64 that cannot be read")
        size64, packed64 = struct.unpack("<2Q", fields[_ZIP64])
        if size not in (_FULL32, size64) or packed not in (_FULL32, packed64):
            raise _refused("zip64", f"the entry {entry.name!r} has two sizes")
        size, packed = size64, packed64
    if (flags, method, crc, packed, size) != (entry.flags, entry.method, entry.crc, entry.packed, entry.size):
        raise _refused("zip-local", f"the entry {entry.name!r} differs from what the directory says of it")


def read_exactly(file: IO[bytes], at: int, size: int) -> bytes:
    """So many bytes from there. Raises FileRefused where the file ends before."""
    file.seek(at)
    body = file.read(size)
    if len(body) != size:
        raise _refused("zip-cut", "the file ends before its archive does")
    return body


def _read_end64(file: IO[bytes], ends: int) -> tuple[int, tuple[int, int, int]] | None:
    """Where the records of zip64 begin, and what they say: entries, size and start of the directory."""
    if ends < _LOCATOR.size + _END64.size:
        return None
    signature, disk, offset, disks = _LOCATOR.unpack(read_exactly(file, ends - _LOCATOR.size, _LOCATOR.size))
    if signature != b"PK\6\7":
        return None
    begins = ends - _LOCATOR.size - _END64.size
    found = _END64.unpack(read_exactly(file, begins, _END64.size))
    if (found[0], found[1], found[4:6]) != (b"PK\6\6", _END64.size - 12, (0, 0)) or (disk, disks) != (0, 1):
        raise _refused("zip64", "the records of zip64 are not one behind the other")
    if offset != begins or found[6] != found[7]:
        raise _refused("zip64", "the records of zip64 differ")
    return begins, (found[7], found[8], found[9])


def _entries(raw: bytes, count: int) -> list[ZipEntry]:
    entries = []
    at = 0
    for _ in range(count):
        if at + _ENTRY.size > len(raw):
            raise _refused("zip-directory", "the directory has fewer entries than it says")
        entry, at = _entry(raw, at)
        entries.append(entry)
    if at != len(raw):
        raise _refused("zip-directory", "the directory has more in it than its entries")
    return entries


def _entry(raw: bytes, at: int) -> tuple[ZipEntry, int]:
    found = _ENTRY.unpack_from(raw, at)
    signature, made_by, needs, flags, method, _, _, crc, packed, size = found[:10]
    name_length, extra_length, comment_length, disk, _, attributes, offset = found[10:]
    begin = at + _ENTRY.size
    end = begin + name_length + extra_length + comment_length
    if signature != b"PK\1\2" or end > len(raw):
        raise _refused("zip-directory", "the directory has something in it that is no entry")
    name = raw[begin : begin + name_length]
    text = _text(name, flags)
    if comment_length or disk:
        raise _refused("zip-directory", f"the entry {text!r} has a comment, or is on another disk")
    fields = _fields(raw[begin + name_length : begin + name_length + extra_length], text)
    if _ZIP64 in fields:
        size, packed, offset = _zip64(fields[_ZIP64], size, packed, offset, text)
    _check_version(text, needs)
    _check_kind(text, flags, method, made_by >> 8, attributes)
    entry = ZipEntry(text, name, flags, method, crc, packed, size, offset)
    if method == STORED and packed != size:
        raise _refused("zip-sizes", f"the entry {text!r} is stored, and has two sizes")
    if entry.is_folder and size:
        raise _refused("zip-sizes", f"the folder {text!r} has contents")
    return entry, end


def _text(name: bytes, flags: int) -> str:
    """A name, where all readers agree on what it is (APPNOTE, appendix D: CP437 without the flag of UTF-8)."""
    try:
        text = name.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        raise _refused("zip-name", f"the entry {name[:100]!r} has a name that is not marked as UTF-8") from None
    if "\0" in text:
        raise _refused("zip-name", f"the entry {text[:100]!r} has a NUL in its name")
    return text


def _check_version(name: str, needs: int) -> None:
    if needs not in _VERSIONS:
        raise _refused("zip-version", f"the entry {name!r} asks for version {needs / 10} of the format to be unpacked")


def _check_kind(name: str, flags: int, method: int, system: int, attributes: int) -> None:
    if flags & _ENCRYPTED:
        raise _refused("zip-encrypted", f"the entry {name!r} is encrypted")
    if flags & _DESCRIPTOR:
        raise _refused("zip-descriptor", f"the entry {name!r} has its sizes behind it, where some readers look only")
    if flags & ~(_UTF8 | _LEVEL):
        raise _refused("zip-flags", f"the entry {name!r} has flags that no wheel needs: {flags:#x}")
    if method not in (STORED, DEFLATED):
        raise _refused(
            "zip-method", f"the entry {name!r} is packed by method {method}: stored and deflated are allowed"
        )
    kind = stat.S_IFMT(attributes >> 16)
    is_folder = kind == stat.S_IFDIR or bool(attributes & _FOLDER)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (is_folder and not name.endswith("/")):
        word = "a symbolic link" if kind == stat.S_IFLNK else f"of kind {kind:#o} (system {system})"
        raise _refused("zip-kind", f"the entry {name!r} is {word}: a wheel has files")


def _fields(extra: bytes, name: str) -> dict[int, bytes]:
    """The extra fields of an entry, each once."""
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(extra):
        if at + 4 > len(extra):
            raise _refused("zip-extra", f"the entry {name!r} has extra fields that are cut")
        kind, length = struct.unpack_from("<2H", extra, at)
        body = extra[at + 4 : at + 4 + length]
        if len(body) != length or kind in fields or kind in _OTHER_NAME:
            raise _refused("zip-extra", f"the entry {name!r} has extra fields that readers take differently")
        fields[kind] = body
        at += 4 + length
    return fields


def _zip64(field: bytes, size: int, packed: int, offset: int, name: str) -> tuple[int, int, int]:
    """Sizes and offset, those that are full from the field, in its order (APPNOTE 4.5.3)."""
    values = [size, packed, offset]
    wanted = [place for place, value in enumerate(values) if value == _FULL32]
    if len(field) != 8 * len(wanted):
        raise _refused("zip64", f"the entry {name!r} has a field of zip64 that is not for what is missing")
    for place, value in zip(wanted, struct.unpack(f"<{len(wanted)}Q", field), strict=True):
        values[place] = value
    return values[0], values[1], values[2]


def _refused(rule: str, headline: str) -> FileRefused:
    return FileRefused(rule, headline, hint=_HINT)
