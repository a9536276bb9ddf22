"""Parts of a test run that take about as long, by what the longest files took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["shards", "slow_files"]

_LIST = Path(__file__).parents[1] / "slow.txt"


def slow_files() -> dict[str, int]:
    """The seconds of each file in `slow.txt`."""
    lines = [line.split() for line in _LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {file: int(seconds) for seconds, file in lines}


def shards(files: Sequence[str], seconds: Mapping[str, int], count: int) -> list[set[str]]:
    """The files in `count` parts: each file, the longest first, goes to the part that is the shortest until then."""
    parts: list[set[str]] = [set() for _ in range(count)]
    lengths = [0] * count
    for file in sorted(files, key=lambda file: (-seconds.get(file, 1), file)):
        shortest = lengths.index(min(lengths))
        parts[shortest].add(file)
        lengths[shortest] += seconds.get(file, 1)
    return parts
