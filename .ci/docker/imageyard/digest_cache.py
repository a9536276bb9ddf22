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
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from imageyard.errors import EnvironmentLacks
from imageyard.files import atomic_write, make_folder, user_cache

__all__ = ["DigestCache", "Seen", "seen"]

Seen: TypeAlias = tuple[int, int, int, int]
"""What a file system says of a file: bytes, nanoseconds since it was modified and changed last, its inode."""

_HEAD = b"imageyard digests 1\n"
_NUMBERS = struct.Struct("<4Q")
_HEX = 64
_GRAIN = 2_000_000_000
"""Nanoseconds: FAT, the coarsest, keeps times to two seconds."""
_WORTH_KEEPING = 64, 4 << 20
"""Files, or bytes; fewer are read as fast as the cache."""


def seen(found: os.stat_result) -> Seen:
    """What a stat says."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


class DigestCache:
    """The digests of one folder's files by their path, in one file in the user's cache folder.

    It holds three blocks, in the same order: the numbers, the digests, the paths; behind a head with their sizes. What
    cannot be read is no cache, and what cannot be written is not kept. Of several processes the last one's file stays.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]
        self._file: Path | None = None
        with suppress(RuntimeError):  # no home
            self._file = user_cache(os.environ if environ is None else environ) / "digests" / name
        self._settled = time.time_ns() - _GRAIN
        self._kept: dict[str, tuple[Seen, str]] | None = None
        self._new: dict[str, tuple[Seen, str]] = {}

    def known(self, now: Mapping[str, Seen], paths: Iterable[str]) -> dict[str, str]:
        """The digests of those files that are as they were when they were read."""
        if self._kept is None:
            self._kept = self._read()
        kept, found = self._kept, {}
        for path in paths:
            before = kept.get(path)
            if before is not None and before[0] == now.get(path):
                found[path] = before[1]
        return found

    def put(self, path: str, now: Seen, digest: str) -> None:
        """Note the digest of a file, unless it may have been written again without a trace."""
        if now[1] < self._settled and now[2] < self._settled:
            self._new[path] = now, digest

    def save(self, paths: Mapping[str, object]) -> None:
        """Write what is known of `paths`, those that are there, if anything is new."""
        count, size = _WORTH_KEEPING
        if self._file is None or not self._new:
            return
        if len(paths) < count and sum(now[0] for now, _ in self._new.values()) < size:
            return
        kept = {path: known for path, known in ((self._kept or {}) | self._new).items() if path in paths}
        self._kept, self._new = kept, {}
        numbers = b"".join(_NUMBERS.pack(*now) for now, _ in kept.values())
        digests = "".join(digest for _, digest in kept.values()).encode()
        names = "\0".join(kept).encode()
        with suppress(EnvironmentLacks):
            make_folder(self._file.parent)
            atomic_write(
                self._file, b"%b%d %d\n%b%b%b" % (_HEAD, len(kept), len(names), numbers, digests, names), 0o600
            )

    def _read(self) -> dict[str, tuple[Seen, str]]:
        try:
            data = self._file.read_bytes() if self._file else b""
            head = data.index(b"\n", len(_HEAD)) + 1
            count, size = map(int, data[len(_HEAD) : head].split())
            numbers, digests = head + count * _NUMBERS.size, head + count * (_NUMBERS.size + _HEX)
            names = data[digests:].decode().split("\0")
            if not data.startswith(_HEAD) or len(data) != digests + size or len(names) != count:
                return {}
            text = data[numbers:digests].decode("ascii")
            each = (text[at : at + _HEX] for at in range(0, len(text), _HEX))
            return dict(zip(names, zip(_NUMBERS.iter_unpack(data[head:numbers]), each, strict=True), strict=True))
        except (OSError, ValueError, struct.error):
            return {}
