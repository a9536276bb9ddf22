"""How a lane is: decided from what its bucket has and what its index says, at a time that is given."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, TypeAlias

from imageyard.lanes.channels import Channel
from imageyard.lanes.disclosure import UntoldWithdrawal, untold_in
from imageyard.lanes.lane_requests import LogEntry
from imageyard.lanes.lane_results import ResultSignal
from imageyard.lanes.model import LaneActivity
from imageyard.lanes.places import BESIDE
from imageyard.lanes.quota import used_bytes

__all__ = [
    "ChannelFacts",
    "ChannelStatus",
    "ListedFile",
    "NightlySignal",
    "ObjectFacts",
    "OpenRequest",
    "Verified",
    "monthly_cost",
    "status_of",
    "with_lane_sums",
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
    files that the indexer has not read, `tests` is what the lane says of the newest file that is listed. `log` has all
    entries of the channel, in order.
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
    log: Sequence[LogEntry] = ()


@dataclass(frozen=True)
class ChannelStatus:
    """How a channel is. `age` is that of the last upload; `used` bytes count for the quota, `stored` are paid for.

    The quota is that of the lane: `lane_used` are the bytes of all its channels, None where one could not be read.

    `cost` is for a month, None where nobody said a price. `faults` are what is wrong with the index, in words; it is
    consistent where there are none. `verified` counts listed files by what is known of their provenance. `untold` are
    withdrawals that everybody has to be told of soon, or should have been.
    """

    lane: str
    channel: str
    state: LaneActivity
    last_upload: datetime | None
    age: timedelta | None
    files: int
    listed: int
    used: int
    lane_used: int | None
    stored: int
    quota: int
    cost: Decimal | None
    nightly: NightlySignal
    faults: tuple[str, ...]
    verified: Mapping[Verified, int]
    waiting: tuple[str, ...]
    requests: tuple[OpenRequest, ...]
    untold: tuple[UntoldWithdrawal, ...] = ()
    tests: ResultSignal | None = None

    @property
    def is_consistent(self) -> bool:
        """Whether every page of the index is true."""
        return not self.faults


def status_of(facts: ChannelFacts, price: Decimal | None, now: datetime) -> ChannelStatus:
    """How a channel is at a time; `price` is what a GiB costs in a month, `now` has a time zone.

    Its `lane_used` is of this channel alone; `with_lane_sums` adds the others.
    """
    files = {name: found for name, found in facts.objects.items() if not name.endswith(BESIDE)}
    last = max((found.modified for found in files.values()), default=None)
    age = None if last is None else max(now - last, timedelta(0))  # the bucket's clock may be ahead of ours
    stored = sum(found.size for found in facts.objects.values())
    listed = dict.fromkeys(one.filename for one in facts.listed)
    used = used_bytes({name: found.size for name, found in files.items()}, facts.channel, facts.withdrawn)
    known: list[Verified] = [facts.verified.get(name, "no provenance") for name in listed]
    return ChannelStatus(
        lane=facts.lane,
        channel=facts.channel.name,
        state=facts.state,
        last_upload=last,
        age=age,
        files=len(files),
        listed=len(listed),
        used=used,
        lane_used=used,
        stored=stored,
        quota=facts.quota,
        cost=None if price is None else monthly_cost(stored, price),
        nightly=_signal(facts, age),
        faults=tuple(_faults(facts)),
        verified={one: known.count(one) for one in dict.fromkeys(known)},
        waiting=tuple(sorted(facts.waiting)),
        requests=tuple(sorted(facts.requests, key=lambda one: (one.since, one.id))),
        untold=untold_in(facts.log, now),
        tests=facts.tests,
    )


def with_lane_sums(statuses: Sequence[ChannelStatus], partly_read: Collection[str]) -> list[ChannelStatus]:
    """The same channels with what all channels of their lanes use; of lanes that were `partly_read` nobody knows it."""
    sums: dict[str, int] = {}
    for one in statuses:
        sums[one.lane] = sums.get(one.lane, 0) + one.used
    return [replace(one, lane_used=None if one.lane in partly_read else sums[one.lane]) for one in statuses]


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
