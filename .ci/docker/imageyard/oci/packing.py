"""Layers made the same way each time: compressed to bytes that depend on the content alone."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from typing import IO

from imageyard.names import Digest

__all__ = ["compress", "digest_of_file"]

_PIECE = 1 << 20


def compress(source: IO[bytes], target: IO[bytes], level: int) -> None:
    """Write what `source` still holds to `target` as gzip; the same bytes give the same bytes."""
    # Neither name nor time go into the header: they would make another digest of the same content.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=level, fileobj=target, mtime=0) as sink:
        shutil.copyfileobj(source, sink, _PIECE)


def digest_of_file(file: IO[bytes]) -> Digest:
    """The digest of what a file still holds, read to its end."""
    checksum = hashlib.sha256()
    while piece := file.read(_PIECE):
        checksum.update(piece)
    return Digest(f"sha256:{checksum.hexdigest()}")
