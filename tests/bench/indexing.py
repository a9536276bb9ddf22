"""An index after one upload among many files, against the same index from nothing: both with S3 in memory."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from measure import Ratio

__all__ = ["indexing"]

sys.path.insert(0, str(Path(__file__).parents[1]))  # the stand-in for S3 is that of the tests

from imageyard.lanes.index_update import update_index
from imageyard.lanes.places import file_key
from support.lanes.channels import lane_channel
from support.lanes.memory_s3 import MemoryS3
from support.lanes.wheels import wheel

FILES = 5000
RUNS = 5


def indexing(folder: Path) -> list[Ratio]:
    """Index one upload among 5,000 files, and work the same index out from nothing, which is the peer."""
    rules = lane_channel(quota=10**12)
    s3 = MemoryS3()
    for number in range(FILES):
        _add(s3, f"torch_acme-1.{number}+acme-py3-none-any.whl")
    start = time.perf_counter()
    update_index(s3.bucket(), rules, s3.clock())
    whole = time.perf_counter() - start
    times = []
    for number in range(RUNS):
        _add(s3, f"torch_acme-2.{number}+acme-py3-none-any.whl")
        start = time.perf_counter()
        report = update_index(s3.bucket(), rules, s3.clock())
        times.append(time.perf_counter() - start)
        if len(report.read) != 1:
            raise SystemExit(f"the indexer read {len(report.read)} files after one upload")
    return [Ratio(f"index of {FILES} after one upload, to from nothing", statistics.median(times), whole, 0.25, RUNS)]


def _add(s3: MemoryS3, filename: str) -> None:
    s3.put(file_key("acme", "stable", filename), wheel(filename))
