"""How a lane is: decided from what its bucket has and what its index says, at a time that is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal, TypeAlias

from imageyard.errors import assert_never
from imageyard.lanes.channels import Channel
from imageyard.lanes.lane_results import ResultSignal
from imageyard.lanes.model import LaneActivity
from imageyard.lanes.places import BESIDE
from imageyard.lanes.quota import used_bytes
from imageyard.layout import aligned, duration
from imageyard.layout import size as size_text

__all__ = [
    "HEADERS",
    "ChannelFacts",
    "ChannelStatus",
    "ListedFile",
    "NightlySignal",
    "ObjectFacts",
    "OpenRequest",
    "Verified",
    "cells",
    "content_of_status",
    "monthly_cost",
    "status_of",
    "table_of",
]

_GIB = 2**30
_CENT = Decimal("0.01")

NightlySignal: TypeAlias = Literal["on time", "late", "no upload yet", "not expected"]
"""`not expected`: the channel names no interval, or the lane is suspended."""
Verified: TypeAlias = Literal["verified", "refused", "no provenance"]
"""What is found of a file's provenance: it holds, it does not, or there is none that the channel looks for."""


@dataclass(frozen=True)
class ObjectFacts:
    """An object of a channel: its size in bytes, and when it was written, with a time zone.

    `sha256` is that of its bytes in hex; None where nobody asked, as for an object that no page names.
    """

    size: int
    modified: datetime
    sha256: str | None = None


@dataclass(frozen=True)
class ListedFile:
    """A file as a page of the index names it: its SHA-256 in hex, and its size in bytes where the page says it."""

    page: str
    filename: str
    sha256: str
    size: int | None = None


@dataclass(frozen=True)
class OpenRequest:
    """A request that nobody executed yet: its id, `ASKER/NAME`, what it asks for, and since when."""

    id: str
    what: str
    since: datetime


@dataclass(frozen=True)
class ChannelFacts:
    """What was read of a channel of a lane. `objects` are by name, what lies beside files too.

    `listed` is what the pages of the index name, `unreadable` are pages that say nothing, each with why. `withdrawn`
    are files that were taken back, `verified` says what is known of the provenance of listed files. `waiting` are
    files that the indexer has not read, `tests` is what the lane says of the newest file that is listed.
    """

    lane: str
    channel: Channel
    state: LaneActivity
    quota: int
    objects: Mapping[str, ObjectFacts]
    listed: Sequence[ListedFile] = ()
    unreadable: Sequence[tuple[str, str]] = ()
    withdrawn: frozenset[str] = frozenset()
    verified: Mapping[str, Verified] = field(default_factory=dict)
    waiting: Sequence[str] = ()
    requests: Sequence[OpenRequest] = ()
    tests: ResultSignal | None = None


@dataclass(frozen=True)
class ChannelStatus:
    """How a channel is. `age` is that of the last upload; `used` bytes count for the quota, `stored` are paid for.

    `cost` is for a month, None where nobody said a price. `faults` are what is wrong with the index, in words; it is
    consistent where there are none. `verified` counts listed files by what is known of their provenance.
    """

    lane: str
    channel: str
    state: LaneActivity
    last_upload: datetime | None
    age: timedelta | None
    files: int
    listed: int
    used: int
    stored: int
    quota: int
    cost: Decimal | None
    nightly: NightlySignal
    faults: tuple[str, ...]
    verified: Mapping[Verified, int]
    waiting: tuple[str, ...]
    requests: tuple[OpenRequest, ...]
    tests: ResultSignal | None = None

    @property
    def is_consistent(self) -> bool:
        """Whether every page of the index is true."""
        return not self.faults


def status_of(facts: ChannelFacts, price: Decimal | None, now: datetime) -> ChannelStatus:
    """How a channel is at a time; `price` is what a GiB costs in a month, `now` has a time zone."""
    files = {name: found for name, found in facts.objects.items() if not name.endswith(BESIDE)}
    last = max((found.modified for found in files.values()), default=None)
    age = None if last is None else max(now - last, timedelta(0))  # the bucket's clock may be ahead of ours
    stored = sum(found.size for found in facts.objects.values())
    listed = dict.fromkeys(one.filename for one in facts.listed)
    known: list[Verified] = [facts.verified.get(name, "no provenance") for name in listed]
    return ChannelStatus(
        lane=facts.lane,
        channel=facts.channel.name,
        state=facts.state,
        last_upload=last,
        age=age,
        files=len(files),
        listed=len(listed),
        used=used_bytes({name: found.size for name, found in files.items()}, facts.channel, facts.withdrawn),
        stored=stored,
        quota=facts.quota,
        cost=None if price is None else monthly_cost(stored, price),
        nightly=_signal(facts, age),
        faults=tuple(_faults(facts)),
        verified={one: known.count(one) for one in dict.fromkeys(known)},
        waiting=tuple(sorted(facts.waiting)),
        requests=tuple(sorted(facts.requests, key=lambda one: (one.since, one.id))),
        tests=facts.tests,
    )


def monthly_cost(stored: int, price: Decimal) -> Decimal:
    """What bytes cost in a month, in the currency of the price, to a hundredth; half of one counts as one."""
    return (Decimal(stored) * price / _GIB).quantize(_CENT, ROUND_HALF_UP)


def _signal(facts: ChannelFacts, age: timedelta | None) -> NightlySignal:
    """An upload that is exactly as old as the interval is on time."""
    every = facts.channel.every
    if every is None or facts.state == "suspended":
        return "not expected"
    if age is None:
        return "no upload yet"
    return "late" if age.total_seconds() > every else "on time"


def _faults(facts: ChannelFacts) -> Iterable[str]:
    """What is wrong with the pages: each file that they name is there with its hash, and none was withdrawn."""
    for page, why in facts.unreadable:
        yield f"{page} {why}"
    told: set[str] = set()
    for one in facts.listed:
        found = facts.objects.get(one.filename)
        if found is None:
            fault = f"{one.page} names {one.filename}, which is not there"
        elif one.filename in facts.withdrawn:
            fault = f"{one.page} names {one.filename}, which was withdrawn"
        elif found.sha256 != one.sha256:
            fault = f"{one.page} says another sha256 of {one.filename} than it has"
        elif one.size not in (None, found.size):
            fault = f"{one.page} says {one.size} bytes of {one.filename}, which has {found.size}"
        else:
            continue
        if fault not in told:
            told.add(fault)
            yield fault


HEADERS = (
    "lane",
    "channel",
    "state",
    "last upload",
    "files",
    "used",
    "of",
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
        f"{size_text(status.quota)} ({_percent(status.used, status.quota)})",
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
        if one.waiting:
            lines.append(f"{name}: not read by the indexer yet: {len(one.waiting)}")
    return "\n".join(lines)


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
        "stored": status.stored,
        "quota": status.quota,
        "cost": None if status.cost is None else str(status.cost),
        "nightly": status.nightly,
        "consistent": status.is_consistent,
        "faults": list(status.faults),
        "verified": dict(status.verified),
        "tests": None if status.tests is None else asdict(status.tests),
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


def _percent(used: int, quota: int) -> str:
    """Whole percents; what is over is never 100, and what is there is never 0."""
    percent = used * 100 // quota
    if used > quota:
        return f"{max(percent, 101)}%"
    return f"{percent}%" if percent or not used else "<1%"


def _time(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")
