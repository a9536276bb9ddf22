"""Which withdrawals everybody has to be told of soon: the clock of seven days that the log keeps, read at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timezone

from imageyard.lanes.lane_requests import PURGE, LogEntry, is_date

__all__ = ["UntoldWithdrawal", "untold_in"]

_SOON = 2
"""How many days before the last one a withdrawal is named."""


@dataclass(frozen=True)
class UntoldWithdrawal:
    """A file that was taken back, and nobody was told yet.

    `disclose_by` is the last day for it, `days_left` how many are left, less than 0 where it is past. `planned` is the
    date that the log has for it, in ISO 8601, or empty.
    """

    filename: str
    disclose_by: date
    days_left: int
    planned: str = ""


def untold_in(entries: Iterable[LogEntry], now: datetime) -> tuple[UntoldWithdrawal, ...]:
    """The withdrawals whose last day is past or near and of which the log has no date of disclosure that has come.

    `entries` are those of one channel, in order; `now` has a time zone, and days are those of UTC. Whoever withdraws a
    file again, to say the date, begins no other seven days: the first last day counts, and the last date.
    """
    today = now.astimezone(timezone.utc).date()
    found: dict[str, tuple[date, str]] = {}
    purged: set[str] = set()
    for entry in entries:
        for name in () if entry.refused else entry.files:
            if entry.action in ("withdraw", PURGE) and is_date(entry.disclose_by):
                last, planned = found.get(name, (date.max, ""))
                found[name] = (min(last, date.fromisoformat(entry.disclose_by)), entry.disclosure or planned)
                purged |= {name} if entry.action == PURGE else set()
            elif entry.action == "restore" and name not in purged:
                found.pop(name, None)
    untold = [
        UntoldWithdrawal(name, last, (last - today).days, planned)
        for name, (last, planned) in found.items()
        if not (is_date(planned) and date.fromisoformat(planned) <= today)
    ]
    near = [one for one in untold if one.days_left <= _SOON]
    return tuple(sorted(near, key=lambda one: (one.disclose_by, one.filename)))
