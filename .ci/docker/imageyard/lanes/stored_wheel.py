"""A wheel in the bucket: read again by whoever lists it, whatever was checked when it was uploaded."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import IO, cast

from imageyard.bucket.objects import Bucket, ObjectEntry
from imageyard.errors import Transient
from imageyard.lanes.channels import check_channel
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.listed_files import Accepted, Rejected, Verdict
from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.wheel import check_file_name, read_wheel
from imageyard.oci.ranged import RangedFile

__all__ = ["judge", "sha256_of", "stored_sha256"]

_PIECE = 8 * 1024 * 1024


def judge(bucket: Bucket, entry: ObjectEntry, filename: str, rules: LaneChannel) -> Verdict:
    """What is found in a file. Raises what the bucket raises: then nothing is known of it."""
    try:
        check_channel(check_file_name(filename, rules.wheels).version, rules.channel)
        if entry.size > rules.wheels.max_bytes:
            hint = "strip debug symbols, or leave out architectures"
            raise FileRefused("size", f"{filename} is too large", hint=hint)
        facts = read_wheel(_open(bucket, entry), filename, rules.wheels)
    except FileRefused as refused:
        return Rejected(refused.rule, refused.headline)
    metadata = hashlib.sha256(facts.metadata).hexdigest()
    return Accepted(facts.name, facts.version, facts.requires_python, facts.sha256, metadata)


def sha256_of(bucket: Bucket, key: str, size: int) -> str:
    """The SHA-256 of the bytes of an object, in hex; `size` is in bytes. Raises what the bucket raises."""
    whole = hashlib.sha256()
    for at in range(0, size, _PIECE):
        whole.update(bucket.range(key, at, min(at + _PIECE, size) - 1))
    return whole.hexdigest()


def stored_sha256(bucket: Bucket, key: str, size: int, told: str | None) -> str:
    """The SHA-256 of an object in hex: `told`, in base64, where the bucket keeps it, else that of its bytes."""
    return base64.b64decode(told).hex() if told is not None else sha256_of(bucket, key, size)


def _open(bucket: Bucket, entry: ObjectEntry) -> IO[bytes]:
    """The object as a file: whole where it is small, else in pieces, of which two are in memory."""
    if entry.size > _PIECE:
        return cast("IO[bytes]", _Pieces(bucket, entry))
    found = bucket.get(entry.key)
    if found is None or len(found[0]) != entry.size:
        raise Transient(f"{bucket.path(entry.key)} is not what was listed", doing="reading a file", hint="run it again")
    return io.BytesIO(found[0])


class _Pieces(RangedFile):
    def __init__(self, bucket: Bucket, entry: ObjectEntry) -> None:
        super().__init__(entry.size, _PIECE)
        self._bucket = bucket
        self._key = entry.key

    def fetch(self, at: int) -> bytes:
        """Read one piece."""
        return self._bucket.range(self._key, at, min(at + self.piece, self.size) - 1)
