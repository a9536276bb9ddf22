"""The quota of a lane: which files count, those of all channels together, and which of them fit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from imageyard.lanes.channels import Channel, kept_versions
from imageyard.lanes.places import BESIDE
from imageyard.lanes.standard import NotStandard, read_wheel_name

__all__ = ["Counted", "counting", "used_bytes", "within"]


@dataclass(frozen=True)
class Counted:
    """A file that counts; `size` is in bytes, `is_development` of a channel with development releases."""

    uploaded: datetime
    key: str
    size: int
    is_development: bool = False

    @property
    def rank(self) -> tuple[bool, float, str]:
        """Its place: releases first, the earliest of them before all, then development releases, the newest before all.

        So nothing that comes or comes back to nightly takes the room of a release.
        """
        moment = self.uploaded.timestamp()
        return self.is_development, -moment if self.is_development else moment, self.key


def counting(filenames: Iterable[str], channel: Channel, withdrawn: Collection[str] = ()) -> set[str]:
    """The files of a channel that count: none that is withdrawn, and of a channel that keeps some versions only those.

    What lies beside a file does not count, and what is no wheel does: it takes room, and nobody asked for it.
    """
    files = {name for name in filenames if not name.endswith(BESIDE) and name not in withdrawn}
    versions: dict[str, list[str]] = {}
    named: dict[str, tuple[str, str]] = {}
    for name in files:
        try:
            parts = read_wheel_name(name)
        except NotStandard:
            continue
        named[name] = (parts.name, parts.version)
        versions.setdefault(parts.name, []).append(parts.version)
    kept = kept_versions(versions, channel)
    return {name for name in files if name not in named or named[name][1] in kept[named[name][0]]}


def used_bytes(sizes: Mapping[str, int], channel: Channel, withdrawn: Collection[str] = ()) -> int:
    """The bytes of the files of a channel that count; `sizes` are by file name."""
    return sum(sizes[name] for name in counting(sizes, channel, withdrawn))


def within(quota: int, files: Iterable[Counted]) -> frozenset[str]:
    """The keys of the files that fit, by their rank; one that does not fit leaves its room to those after it."""
    used, fitting = 0, set()
    for file in sorted(files, key=lambda each: each.rank):
        if used + file.size <= quota:
            used += file.size
            fitting.add(file.key)
    return frozenset(fitting)
