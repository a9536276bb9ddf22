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
from pathlib import Path
from typing import TypeAlias

from imageyard.errors import EnvironmentLacks
from imageyard.files import atomic_write, make_folder, user_cache

__all__ = ["DigestCache", "Seen", "seen"]

Seen: TypeAlias = tuple[int, int, int, int]
"""What a file system says of a file: bytes, nanoseconds since it was modified and changed last, its inode."""

_HEAD = b"imageyard digests 2\n"
_NUMBERS = struct.Struct("<4Q")
_HEX = 64
_GRAIN = 2_000_000_000
"""Nanoseconds: FAT, the coarsest, keeps times to two seconds."""
_FILES, _BYTES = 64, 4 << 20
"""How much that is new is worth writing the cache: less is read again as fast."""
_DAY = 86_400 * 10**9
_MONTH = 30 * _DAY
"""Nanoseconds after which the cache of a folder that nobody asked for goes."""


def seen(found: os.stat_result) -> Seen:
    """What a stat says."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


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
        self._kept: tuple[dict[str, Seen], dict[str, str]] | None = None
        self._new: dict[str, tuple[Seen, str]] = {}

    def known(self, now: Mapping[str, Seen], paths: Collection[str]) -> dict[str, str]:
        """The digests of those files that are as they were when they were read."""
        if self._kept is None:
            self._kept = self._read()
        before, digests = self._kept
        return {path: digests[path] for path in paths if path in before and before[path] == now.get(path)}

    def put(self, path: str, now: Seen, digest: str) -> None:
        """Note the digest of a file, unless it may have been written again without a trace."""
        if now[1] < self._settled and now[2] < self._settled:
            self._new[path] = now, digest

    def save(self, paths: Collection[str]) -> None:
        """Write what is known of `paths`, those that are there, if enough of it is new."""
        new = self._new
        if self._file is None or (len(new) < _FILES and sum(now[0] for now, _ in new.values()) < _BYTES):
            return
        before, digests = self._kept or ({}, {})
        before |= {path: now for path, (now, _) in new.items()}
        digests |= {path: digest for path, (_, digest) in new.items()}
        self._kept, self._new = (before, digests), {}
        with suppress(EnvironmentLacks):
            make_folder(self._file.parent)
            atomic_write(self._file, _packed([path for path in before if path in paths], before, digests), 0o600)
            _forget(self._file.parent)

    def _read(self) -> tuple[dict[str, Seen], dict[str, str]]:
        try:
            data = self._file.read_bytes() if self._file else b""
            start = data.index(b"\n", len(_HEAD)) + 1
            count, checksum = map(int, data[len(_HEAD) : start].split())
            if not data.startswith(_HEAD) or zlib.crc32(memoryview(data)[start:]) != checksum:
                return {}, {}
            numbers, digests = start + count * _NUMBERS.size, start + count * (_NUMBERS.size + _HEX)
            names, text = data[digests:].decode().split("\0"), data[numbers:digests].decode("ascii")
            each = (text[at : at + _HEX] for at in range(0, len(text), _HEX))
            before = dict(zip(names, _NUMBERS.iter_unpack(data[start:numbers]), strict=True))
            self._mark_as_used()
            return before, dict(zip(names, each, strict=True))
        except (OSError, ValueError, struct.error):
            return {}, {}

    def _mark_as_used(self) -> None:
        if self._file and self._file.stat().st_mtime_ns < time.time_ns() - _DAY:
            os.utime(self._file)


def _packed(paths: Collection[str], numbers: Mapping[str, Seen], digests: Mapping[str, str]) -> bytes:
    body = b"".join(
        (
            b"".join(_NUMBERS.pack(*numbers[path]) for path in paths),
            "".join(digests[path] for path in paths).encode(),
            "\0".join(paths).encode(),
        )
    )
    return b"%b%d %d\n%b" % (_HEAD, len(paths), zlib.crc32(body), body)


def _forget(folder: Path) -> None:
    """Delete caches that nobody read for long: most of them are of folders that are gone."""
    for file in folder.iterdir():
        with suppress(OSError):
            if file.stat().st_mtime_ns < time.time_ns() - _MONTH:
                file.unlink()
