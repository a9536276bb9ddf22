"""How lanes are, in words: the cells of a table, the table of a terminal, and plain data for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import Any

from imageyard.errors import assert_never
from imageyard.lanes.disclosure import UntoldWithdrawal
from imageyard.lanes.lane_status import ChannelStatus, Verified
from imageyard.layout import aligned, duration
from imageyard.layout import size as size_text

__all__ = ["HEADERS", "cells", "content_of_status", "table_of", "withdrawal_in_words"]

HEADERS = (
    "lane",
    "channel",
    "state",
    "last upload",
    "files",
    "used",
    "quota",
    "a month",
    "nightly",
    "index",
    "provenance",
    "tests",
)


def cells(status: ChannelStatus) -> tuple[str, ...]:
    """A channel on a line of a table; the same words are on the page."""
    return (
        status.lane,
        status.channel,
        status.state,
        "never" if status.age is None else f"{_age(status.age)} ago",
        f"{status.listed} of {status.files}",
        size_text(status.used),
        f"{size_text(status.quota)} ({_percent(status.lane_used, status.quota)})",
        "-" if status.cost is None else str(status.cost),
        "-" if status.nightly == "not expected" else status.nightly,
        "consistent" if status.is_consistent else f"{len(status.faults)} wrong",
        _provenance(status),
        "-" if status.tests is None else status.tests.outcome or "refused",
    )


def table_of(statuses: Sequence[ChannelStatus]) -> str:
    """Channels as a table, and below it what somebody has to look at."""
    lines = list(aligned(HEADERS, [cells(one) for one in statuses]))
    for one in statuses:
        name = f"{one.lane} {one.channel}"
        lines += [f"{name}: {fault}" for fault in one.faults]
        lines += [f"{name}: request {asked.id}: {asked.what}" for asked in one.requests]
        lines += [f"{name}: {withdrawal_in_words(untold)}" for untold in one.untold]
        if one.waiting:
            lines.append(f"{name}: not read by the indexer yet: {len(one.waiting)}")
    return "\n".join(lines)


def withdrawal_in_words(untold: UntoldWithdrawal) -> str:
    """A withdrawal that everybody has to be told of, and until when."""
    planned = f"; it is planned for {untold.planned}" if untold.planned else ""
    if untold.days_left < 0:
        return f"nobody told of the withdrawal of {untold.filename} by {untold.disclose_by}, the last day{planned}"
    return f"tell of the withdrawal of {untold.filename} by {untold.disclose_by}{planned}"


def content_of_status(status: ChannelStatus) -> dict[str, Any]:
    """A channel as plain data: sizes in bytes, ages in seconds, times in UTC, ISO 8601."""
    return {
        "lane": status.lane,
        "channel": status.channel,
        "state": status.state,
        "last_upload": None if status.last_upload is None else _time(status.last_upload),
        "age": None if status.age is None else int(status.age.total_seconds()),
        "files": status.files,
        "listed": status.listed,
        "used": status.used,
        "lane_used": status.lane_used,
        "stored": status.stored,
        "quota": status.quota,
        "cost": None if status.cost is None else str(status.cost),
        "nightly": status.nightly,
        "consistent": status.is_consistent,
        "faults": list(status.faults),
        "verified": dict(status.verified),
        "tests": None if status.tests is None else asdict(status.tests),
        "untold": [{**asdict(one), "disclose_by": one.disclose_by.isoformat()} for one in status.untold],
        "waiting": list(status.waiting),
        "requests": [{"id": one.id, "what": one.what, "since": _time(one.since)} for one in status.requests],
    }


def _provenance(status: ChannelStatus) -> str:
    order: tuple[Verified, ...] = ("refused", "verified", "no provenance")
    return ", ".join(f"{status.verified[one]} {_word(one)}" for one in order if one in status.verified) or "-"


def _word(one: Verified) -> str:
    match one:
        case "verified" | "refused":
            return one
        case "no provenance":
            return "without"
        case _:
            assert_never(one)


def _age(age: timedelta) -> str:
    return f"{age.days} d" if age.days >= 2 else duration(age.total_seconds())


def _percent(used: int | None, quota: int) -> str:
    """Whole percents; what is over is never 100, and what is there is never 0. `?` where nobody knows."""
    if used is None:
        return "?"
    percent = used * 100 // quota
    if used > quota:
        return f"{max(percent, 101)}%"
    return f"{percent}%" if percent or not used else "<1%"


def _time(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")
