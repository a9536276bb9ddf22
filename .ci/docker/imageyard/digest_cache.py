"""Digests of files that were read before, kept beside what the file system said of them then.

A file counts as unchanged where its size, its times and its inode are what they were, and its last change is older
than the moment at which it was looked at, by more than a file system's clock may hide: git's rule for entries that are
"racily clean" (git, Documentation/technical/racy-git.txt).
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
import zlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeAlias

from imageyard.errors import EnvironmentLacks
from imageyard.files import atomic_write, make_folder, user_cache

__all__ = ["DigestCache", "Seen", "seen", "size_of"]

Seen: TypeAlias = bytes
"""What a file system says of a file: bytes, nanoseconds since it was modified and changed last, its inode.

Packed, as there are very many: four numbers of Python's take four times as much memory.
"""

_HEAD = b"imageyard digests 2\n"
_NUMBERS = struct.Struct("<4Q")
_64_BITS = (1 << 64) - 1
_HEX = 64
_GRAIN = 2_000_000_000
"""Nanoseconds: FAT, the coarsest, keeps times to two seconds."""
_FILES, _BYTES = 64, 4 << 20
"""How much that is new is worth writing the cache: less is read again as fast."""
_DAY = 86_400 * 10**9
_MONTH = 30 * _DAY
"""Nanoseconds after which the cache of a folder that nobody asked for goes."""


def seen(found: os.stat_result) -> Seen:
    """What a stat says; times before 1970 are negative."""
    modified, changed = found.st_mtime_ns & _64_BITS, found.st_ctime_ns & _64_BITS
    return _NUMBERS.pack(found.st_size, modified, changed, found.st_ino)


def size_of(now: Seen) -> int:
    """The bytes that a file had."""
    return int.from_bytes(now[:8], "little")


class _Kept(NamedTuple):
    """What the file of a cache holds: where a path stands in it, what was seen, and the digests, one after another."""

    paths: Mapping[str, int]
    numbers: bytes
    digests: str

    def seen(self, path: str) -> Seen:
        at = self.paths[path] * _NUMBERS.size
        return self.numbers[at : at + _NUMBERS.size]

    def digest(self, path: str) -> str:
        at = self.paths[path] * _HEX
        return self.digests[at : at + _HEX]


class DigestCache:
    """The digests of one folder's files by their path, in one file in the user's cache folder.

    It holds three blocks, in the same order: the numbers, the digests, the paths; behind a head with their sizes and
    their checksum. What cannot be read is no cache, and what cannot be written is not kept. Of several processes the
    last one's file stays.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]
        self._file: Path | None = None
        with suppress(RuntimeError):  # no home
            self._file = user_cache(os.environ if environ is None else environ) / "digests" / name
        self._settled = time.time_ns() - _GRAIN
        self._new: dict[str, tuple[Seen, str]] = {}

    @cached_property
    def _kept(self) -> _Kept:
        return self._read() or _Kept({}, b"", "")

    def known(self, now: Mapping[str, Seen], paths: Collection[str]) -> dict[str, str]:
        """The digests of those files that are as they were when they were read."""
        (kept, numbers, digests), size = self._kept, _NUMBERS.size
        known: dict[str, str] = {}
        for path in paths:
            at = kept.get(path)
            if at is not None and numbers[at * size : at * size + size] == now.get(path):
                known[path] = digests[at * _HEX : at * _HEX + _HEX]
        return known

    def put(self, path: str, now: Seen, digest: str) -> None:
        """Note the digest of a file, unless it may have been written again without a trace."""
        _, modified, changed, _ = _NUMBERS.unpack(now)
        if modified < self._settled and changed < self._settled:
            self._new[path] = now, digest

    def save(self, paths: Collection[str]) -> None:
        """Write what is known of `paths`, those that are there, if enough of it is new."""
        new, kept = self._new, self._kept
        size = sum(size_of(now) for now, _ in new.values())
        if self._file is None or (len(new) < _FILES and size < _BYTES):
            return
        known = {path: (kept.seen(path), kept.digest(path)) for path in kept.paths if path in paths} | new
        numbers, digests = b"".join(now for now, _ in known.values()), "".join(digest for _, digest in known.values())
        self._kept, self._new = _Kept(dict(zip(known, range(len(known)), strict=True)), numbers, digests), {}
        body = b"%b%b%b" % (numbers, digests.encode(), "\0".join(known).encode())
        with suppress(EnvironmentLacks):
            make_folder(self._file.parent)
            data = b"%b%d %d\n%b" % (_HEAD, len(known), zlib.crc32(body), body)
            atomic_write(self._file, data, 0o600)
            _forget(self._file.parent)

    def _read(self) -> _Kept | None:
        try:
            data = self._file.read_bytes() if self._file else b""
            start = data.index(b"\n", len(_HEAD)) + 1
            count, checksum = map(int, data[len(_HEAD) : start].split())
            if not data.startswith(_HEAD) or zlib.crc32(memoryview(data)[start:]) != checksum:
                return None
            digests = start + count * _NUMBERS.size
            paths = digests + count * _HEX
            names = dict(zip(data[paths:].decode().split("\0"), range(count), strict=True))
            self._mark_as_used()
            return _Kept(names, data[start:digests], data[digests:paths].decode())
        except (OSError, ValueError):
            return None

    def _mark_as_used(self) -> None:
        if self._file and self._file.stat().st_mtime_ns < time.time_ns() - _DAY:
            os.utime(self._file)


def _forget(folder: Path) -> None:
    """Delete caches that nobody read for long: most of them are of folders that are gone."""
    for file in folder.iterdir():
        with suppress(OSError):
            if file.stat().st_mtime_ns < time.time_ns() - _MONTH:
                file.unlink()
