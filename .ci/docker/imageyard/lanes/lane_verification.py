"""What is known of the provenance of a listed file: the one place that a verifier is put into."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeAlias

from imageyard.bucket.objects import Bucket
from imageyard.lanes.lane_status import Verified
from imageyard.lanes.places import PROVENANCE

__all__ = ["Verify", "beside"]

Verify: TypeAlias = Callable[[Bucket, str, str, Collection[str]], Verified]
"""Asked of the key of a file, its SHA-256 in hex, and the keys that its channel has."""


def beside(bucket: Bucket, key: str, sha256: str, keys: Collection[str]) -> Verified:
    """Whether there is provenance beside a file; nobody looks into it here."""
    return "not checked" if key + PROVENANCE in keys else "no provenance"
