"""What a purge has to do, worked out of the log: whether it may, what is not in the log yet, and each entry of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote

from imageyard.errors import PolicyRefused
from imageyard.lanes.lane_requests import (
    DISCLOSURE,
    PURGE,
    PURGED,
    LogEntry,
    TakenBack,
    is_date,
    shown_name,
    taken_back,
)
from imageyard.lanes.places import BESIDE, CENTRE, file_key, index_prefix

__all__ = [
    "PurgeHistory",
    "Purging",
    "begin_entry",
    "end_entry",
    "history_of",
    "invalidation",
    "invalidation_paths",
    "names_file",
    "problem_of",
    "purge_id",
    "withdrawal_of",
]

_ONE_WAY = re.compile(r"[A-Za-z0-9._/-]*")


@dataclass(frozen=True)
class Purging:
    """A file that is to be purged, why, and by whom; `disclosure` is a date in ISO 8601, or empty."""

    lane: str
    channel: str
    file: str
    reason: str
    by: str
    disclosure: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the file and of what lies beside it."""
        return tuple(file_key(self.lane, self.channel, self.file + ending) for ending in ("", *BESIDE))


@dataclass(frozen=True)
class PurgeHistory:
    """What the log says of a file: the withdrawal, the deletions that it names, and how often a purge began.

    `withdrawal` is None where the file is not withdrawn. `is_open`: the last purge that began has not ended, and
    `listed` are its versions, each `KEY VERSION`: a bucket that keeps no versions calls every one of them `null`.
    """

    withdrawal: LogEntry | None
    listed: frozenset[str]
    begun: int
    is_open: bool


def history_of(entries: Iterable[LogEntry], wanted: Purging) -> PurgeHistory:
    """What the log says of a file; `entries` are all that the log has, in order."""
    mine = [
        entry
        for entry in entries
        if (entry.lane, entry.channel) == (wanted.lane, wanted.channel)
        and wanted.file in entry.files
        and not entry.refused
    ]
    withdrawals = [entry for entry in mine if entry.action == "withdraw"]
    is_withdrawn = wanted.file in taken_back(mine, TakenBack()).withdrawn
    purges = [entry for entry in mine if entry.action in (PURGE, PURGED)]
    ended = max((at for at, entry in enumerate(purges, 1) if entry.action == PURGED), default=0)
    return PurgeHistory(
        withdrawals[-1] if is_withdrawn and withdrawals else None,
        frozenset(version for entry in purges[ended:] for version in entry.versions),
        sum(entry.action == PURGE for entry in purges),
        ended < len(purges),
    )


def problem_of(wanted: Purging) -> str | None:
    """What a purge lacks that the log has to say; None where it lacks nothing."""
    if not wanted.reason or not wanted.by:
        return "nobody said why, or by whom"
    if wanted.disclosure and not is_date(wanted.disclosure):
        return f"{wanted.disclosure[:40]!r} is no date, such as 2026-12-31"
    return None


def purge_id(action: str, wanted: Purging, history: PurgeHistory) -> str:
    """The id of the next entry, which ends a purge or begins one. No request has such an id: its name has no slash."""
    count = history.begun + (action == PURGE)
    return f"{CENTRE}/{action}/{wanted.lane}/{wanted.channel}/{wanted.file}/{count}"


def withdrawal_of(wanted: Purging, history: PurgeHistory) -> LogEntry:
    """The withdrawal that goes before a purge. Raises PolicyRefused without one: the index could name the file."""
    if history.withdrawal is None:
        lane, file = wanted.lane, shown_name(wanted.file)
        raise PolicyRefused(
            f"{file} is not withdrawn, and the index must not name a file that is gone",
            doing=f"purging a file of the lane {lane}",
            hint=(
                f"inv lane.withdraw {lane} {file} --centre --reason WHY --yes",
                "gh workflow run lane-index.yml    (does it)",
            ),
        )
    return history.withdrawal


def begin_entry(
    number: int, previous: str, id: str, wanted: Purging, withdrawal: LogEntry, versions: Sequence[str], now: datetime
) -> LogEntry:
    """The entry before the deletion of versions, each `KEY VERSION`; `now` is in UTC.

    The seven days until everybody is told are those of the withdrawal: a purge does not begin them again.
    """
    disclosure = wanted.disclosure or withdrawal.disclosure
    disclose_by = withdrawal.disclose_by or (now + DISCLOSURE).date().isoformat()
    begun = end_entry(number, previous, id, wanted, now)
    return replace(begun, action=PURGE, disclosure=disclosure, disclose_by=disclose_by, versions=tuple(versions))


def end_entry(number: int, previous: str, id: str, wanted: Purging, now: datetime) -> LogEntry:
    """The entry after the last deletion: nothing is left of the file."""
    return LogEntry(
        number=number,
        id=id,
        lane=wanted.lane,
        channel=wanted.channel,
        action=PURGED,
        files=(wanted.file,),
        reason=wanted.reason,
        by=wanted.by,
        when=now.isoformat(timespec="seconds"),
        disclosure="",
        disclose_by="",
        refused="",
        previous=previous,
    )


def names_file(page: bytes, file: str) -> bool:
    """Whether a page of a project names a file, in HTML or in JSON: both have its URL."""
    return f"/{quote(file, safe='')}".encode() in page


def invalidation_paths(lane: str, channel: str, files: Iterable[str]) -> list[str]:
    """What a CDN has to forget after files were taken back: the pages of the channel, and all that begins as they do.

    A path ends before the first letter that a URL can have in two spellings, `+` and `%2B`: CloudFront compares letters
    (CloudFront Developer Guide, "Invalidate files to remove content"), where a `*` at the end is for any others.
    """
    found = {f"/{index_prefix(lane, channel)}*"}
    for file in files:
        match = _ONE_WAY.match(file_key(lane, channel, file))
        found.add(f"/{match[0] if match else ''}*")
    return sorted(found)


def invalidation(distribution: str | None, lane: str, channel: str, files: Iterable[str]) -> list[str]:
    """The lines that tell a person what the CDN has to forget; the command, where the distribution is known by ARN."""
    paths = invalidation_paths(lane, channel, files)
    if distribution is None:
        return [f"to invalidate: {path}" for path in paths]
    number = distribution.rpartition("/")[2]
    quoted = " ".join(f"'{path}'" for path in paths)
    return [f"aws cloudfront create-invalidation --distribution-id {number} --paths {quoted}"]
