"""How a lane is, by tables: the clock at its edges, quota and cost, and each way in which an index can be untrue."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from imageyard.lanes.channels import NIGHTLY, STABLE
from imageyard.lanes.disclosure import untold_in
from imageyard.lanes.lane_requests import LogEntry, Request, TakenBack, executed
from imageyard.lanes.lane_results import ResultSignal
from imageyard.lanes.lane_status import (
    ChannelFacts,
    ListedFile,
    ObjectFacts,
    OpenRequest,
    monthly_cost,
    status_of,
    with_lane_sums,
)
from imageyard.lanes.places import PROVENANCE
from imageyard.lanes.purge_plan import Purging, begin_entry
from imageyard.lanes.status_reading import listed_in
from imageyard.lanes.status_table import HEADERS, cells, content_of_status, table_of

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
DAY = 86400.0
ONE, TWO = "torch_acme-1.0+acme-py3-none-any.whl", "torch_acme-1.1+acme-py3-none-any.whl"
DAILY = replace(NIGHTLY, every=DAY)
GIB = 2**30


def facts(**more: Any) -> ChannelFacts:
    """A channel with one file that a page names; `more` replaces any of it."""
    there = {ONE: ObjectFacts(1000, NOW - timedelta(hours=3), "aa")}
    said: dict[str, Any] = {"objects": there, "listed": [ListedFile("p", ONE, "aa", 1000)], **more}
    return ChannelFacts(**{"lane": "acme", "channel": STABLE, "state": "active", "quota": GIB, **said})


@pytest.mark.parametrize(
    ("ago", "signal", "age"),
    [
        (timedelta(0), "on time", timedelta(0)),
        (timedelta(days=1), "on time", timedelta(days=1)),
        (timedelta(days=1, microseconds=1), "late", timedelta(days=1, microseconds=1)),
        (timedelta(days=400), "late", timedelta(days=400)),
        (-timedelta(seconds=1), "on time", timedelta(0)),
        (-timedelta(days=2), "on time", timedelta(0)),
        (None, "no upload yet", None),
    ],
    ids=["now", "exactly", "just late", "long late", "a clock ahead", "a clock far ahead", "never"],
)
def test_the_clock_at_its_edges(ago: timedelta | None, signal: str, age: timedelta | None) -> None:
    objects = {} if ago is None else {ONE: ObjectFacts(1, NOW - ago, "aa")}
    found = status_of(facts(channel=DAILY, objects=objects, listed=()), None, NOW)
    assert (found.nightly, found.age) == (signal, age)


def test_an_hour_that_a_place_has_twice_counts_once() -> None:
    """Ages are of moments, in whichever zone they are told."""
    west = timezone(timedelta(hours=-7))
    objects = {ONE: ObjectFacts(1, (NOW - timedelta(hours=5)).astimezone(west), "aa")}
    assert status_of(facts(objects=objects, listed=()), None, NOW).age == timedelta(hours=5)


@pytest.mark.parametrize(
    ("channel", "state", "signal"),
    [
        (STABLE, "active", "not expected"),
        (NIGHTLY, "active", "not expected"),
        (DAILY, "active", "late"),
        (DAILY, "suspended", "not expected"),
    ],
)
def test_who_can_be_late(channel: Any, state: Any, signal: str) -> None:
    old = {ONE: ObjectFacts(1, NOW - timedelta(days=9), "aa")}
    assert status_of(facts(channel=channel, state=state, objects=old, listed=()), None, NOW).nightly == signal


def test_the_last_upload_is_that_of_a_file_and_of_nothing_beside_it() -> None:
    objects = {
        ONE: ObjectFacts(10, NOW - timedelta(days=2)),
        TWO: ObjectFacts(20, NOW - timedelta(days=1)),
        f"{ONE}.upload.json": ObjectFacts(3, NOW),
        f"{TWO}{PROVENANCE}": ObjectFacts(4, NOW),
    }
    found = status_of(facts(objects=objects, listed=()), Decimal(1), NOW)
    assert (found.age, found.files, found.used, found.stored) == (timedelta(days=1), 2, 30, 37)


@pytest.mark.parametrize(
    ("stored", "price", "cost"),
    [
        (0, "0.023", "0.00"),
        (GIB, "0.023", "0.02"),
        (100 * GIB, "0.023", "2.30"),
        (GIB, "0.005", "0.01"),
        (GIB - 1, "0.005", "0.00"),
        (2**50, "999999.999999", "1048575999998.95"),
    ],
)
def test_the_cost_of_a_month(stored: int, price: str, cost: str) -> None:
    assert monthly_cost(stored, Decimal(price)) == Decimal(cost)


@pytest.mark.parametrize(
    ("used", "quota", "said"),
    [
        (0, 100, "0%"),
        (1, 1000, "<1%"),
        (999, 1000, "99%"),
        (1000, 1000, "100%"),
        (1001, 1000, "101%"),
        (3000, 1000, "300%"),
    ],
)
def test_size_against_quota(used: int, quota: int, said: str) -> None:
    found = status_of(facts(objects={ONE: ObjectFacts(used, NOW)}, listed=(), quota=quota), None, NOW)
    assert f"({said})" in cells(found)[HEADERS.index("quota")]
    assert cells(found)[HEADERS.index("a month")] == "-", "nobody said a price"


def test_the_quota_is_that_of_the_lane() -> None:
    """Each channel shows its own bytes, and how much of the quota all of them use."""
    sizes = {("acme", STABLE): 300, ("acme", NIGHTLY): 600, ("globex", STABLE): 10}
    every = [
        status_of(facts(lane=lane, channel=channel, objects={ONE: ObjectFacts(used, NOW)}, quota=1000), None, NOW)
        for (lane, channel), used in sizes.items()
    ]
    told = with_lane_sums(every, ())
    assert [(one.used, one.lane_used) for one in told] == [(300, 900), (600, 900), (10, 10)]
    assert ["(90%)" in cells(one)[HEADERS.index("quota")] for one in told] == [True, True, False]
    assert [content_of_status(one)["lane_used"] for one in told] == [900, 900, 10]


def test_what_a_lane_uses_is_not_told_where_a_channel_of_it_was_not_read() -> None:
    found = [status_of(facts(lane=lane), None, NOW) for lane in ("acme", "globex")]
    told = with_lane_sums(found, {"acme"})
    assert [one.lane_used for one in told] == [None, 1000]
    assert "(?)" in cells(told[0])[HEADERS.index("quota")]


def entry(action: Any, days: int, disclosure: str = "", file: str = ONE, asker: str = "centre") -> LogEntry:
    """What the indexer writes into the log some days from now."""
    asked = Request("acme", "stable", action, (file,), "it leaks", "release@acme", disclosure)
    return executed(1, f"{asker}/1", asked, {ONE, TWO}, TakenBack(), NOW + timedelta(days=days), "hash")


def purged(withdrawal: LogEntry, disclosure: str = "") -> LogEntry:
    wanted = Purging("acme", "stable", ONE, "a miner", "centre", disclosure)
    return begin_entry(2, "hash", "id", wanted, withdrawal, ["KEY 1"], NOW)


TODAY, TOMORROW, LATER = "2026-11-28", "2026-11-29", "2026-12-31"


@pytest.mark.parametrize(
    ("log", "left"),
    [
        ([], None),
        ([entry("withdraw", 0)], None),
        ([entry("withdraw", -4)], None),
        ([entry("withdraw", -5)], 2),
        ([entry("withdraw", -7)], 0),
        ([entry("withdraw", -8)], -1),
        ([entry("withdraw", -400)], -393),
        ([entry("withdraw", -8, TODAY)], None),
        ([entry("withdraw", -8, TOMORROW)], -1),
        ([entry("withdraw", -6, LATER)], 1),
        ([entry("withdraw", -8), entry("withdraw", 0)], -1),
        ([entry("withdraw", -8), entry("withdraw", 0, TODAY)], None),
        ([entry("withdraw", -8, TODAY), entry("withdraw", 0)], None),
        ([entry("withdraw", -8), entry("restore", -7)], None),
        ([entry("withdraw", -8), entry("restore", -7), entry("withdraw", 0)], None),
        ([entry("withdraw", -8), entry("restore", -7, asker="acme", file=TWO)], -1),
        ([entry("withdraw", -8), entry("yank", -7)], -1),
        ([entry("yank", -8)], None),
        ([entry("withdraw", -8), purged(entry("withdraw", -8))], -1),
        ([entry("withdraw", -8), purged(entry("withdraw", -8), TODAY)], None),
        ([replace(entry("withdraw", -8), refused="the channel has no such file")], None),
    ],
)
def test_whom_nobody_told_of_a_withdrawal(log: list[LogEntry], left: int | None) -> None:
    """Two days before the last day, and after it, until a date of disclosure has come."""
    assert [(one.filename, one.days_left) for one in untold_in(log, NOW)] == ([] if left is None else [(ONE, left)])


def test_the_last_day_is_one_of_utc() -> None:
    west = timezone(timedelta(hours=-13))
    assert untold_in([entry("withdraw", -6)], NOW.astimezone(west))[0].days_left == 1


def test_withdrawals_that_nobody_told_of_are_named() -> None:
    log = [entry("withdraw", -6, LATER, TWO), entry("withdraw", -8)]
    found = status_of(facts(log=log), None, NOW)
    assert [one.filename for one in found.untold] == [ONE, TWO], "the first last day first"
    text = table_of([found])
    assert f"acme stable: nobody told of the withdrawal of {ONE} by 2026-11-27, the last day\n" in text
    assert f"acme stable: tell of the withdrawal of {TWO} by 2026-11-29; it is planned for {LATER}" in text
    assert content_of_status(found)["untold"] == [
        {"filename": ONE, "disclose_by": "2026-11-27", "days_left": -1, "planned": ""},
        {"filename": TWO, "disclose_by": "2026-11-29", "days_left": 1, "planned": LATER},
    ]


THERE = {ONE: ObjectFacts(1000, NOW, "aa")}


@pytest.mark.parametrize(
    ("changed", "faults"),
    [
        ({}, ()),
        ({"objects": {}}, (f"p names {ONE}, which is not there",)),
        ({"withdrawn": frozenset([ONE])}, (f"p names {ONE}, which was withdrawn",)),
        ({"withdrawn": frozenset([TWO])}, ()),
        ({"listed": [ListedFile("p", ONE, "ab", 1000)]}, (f"p says another sha256 of {ONE} than it has",)),
        ({"listed": [ListedFile("p", ONE, "aa", 999)]}, (f"p says 999 bytes of {ONE}, which has 1000",)),
        ({"listed": [ListedFile("p", ONE, "aa")]}, ()),
        ({"objects": {ONE: ObjectFacts(1000, NOW)}}, (f"p says another sha256 of {ONE} than it has",)),
        ({"unreadable": [("q", "cannot be read: no")]}, ("q cannot be read: no",)),
        ({"listed": ()}, ()),
        (
            {"listed": [ListedFile("p", ONE, "ab"), ListedFile("p", ONE, "ab"), ListedFile("h", ONE, "aa")]},
            (f"p says another sha256 of {ONE} than it has",),
        ),
    ],
    ids=[
        "true", "gone", "withdrawn", "another withdrawn", "another hash", "another size", "no size",
        "nobody knows a hash", "unreadable", "empty", "once",
    ],
)  # fmt: skip
def test_an_index_is_consistent_or_says_why_not(changed: dict[str, Any], faults: tuple[str, ...]) -> None:
    found = status_of(facts(**{"objects": THERE, **changed}), None, NOW)
    assert (found.faults, found.is_consistent) == (faults, not faults)


def test_what_is_known_of_provenance_is_counted_by_file() -> None:
    listed = [ListedFile("p", ONE, "aa"), ListedFile("h", ONE, "aa"), ListedFile("p", TWO, "bb")]
    objects = {ONE: ObjectFacts(1, NOW, "aa"), TWO: ObjectFacts(1, NOW, "bb")}
    found = status_of(facts(objects=objects, listed=listed, verified={ONE: "verified"}), None, NOW)
    assert found.verified == {"verified": 1, "no provenance": 1}
    assert found.listed == 2
    assert cells(found)[-2] == "1 verified, 1 without"


def test_requests_are_told_oldest_first() -> None:
    asked = [OpenRequest("acme/b", "yank x", NOW), OpenRequest("acme/a", "yank y", NOW - timedelta(days=1))]
    found = status_of(facts(requests=asked, waiting=["z", "a"]), None, NOW)
    assert [one.id for one in found.requests] == ["acme/a", "acme/b"]
    text = table_of([found])
    assert "acme stable: request acme/a: yank y" in text
    assert "acme stable: not read by the indexer yet: 2" in text


def test_a_status_as_plain_data() -> None:
    found = status_of(facts(channel=DAILY), Decimal("0.5"), NOW)
    assert content_of_status(found) == {
        "lane": "acme",
        "channel": "nightly",
        "state": "active",
        "last_upload": "2026-11-28T09:00:00+00:00",
        "age": 10800,
        "files": 1,
        "listed": 1,
        "used": 1000,
        "lane_used": 1000,
        "stored": 1000,
        "quota": GIB,
        "cost": "0.00",
        "nightly": "on time",
        "consistent": True,
        "faults": [],
        "verified": {"no provenance": 1},
        "tests": None,
        "untold": [],
        "waiting": [],
        "requests": [],
    }


@pytest.mark.parametrize(
    ("page", "body"),
    [
        ("p/index.v1_json", b"[]"),
        ("p/index.v1_json", b"{}"),
        ("p/index.v1_json", b"\xff"),
        ("p/index.v1_json", b'{"files": [{"filename": "a", "hashes": {}, "size": 1}]}'),
        ("p/index.v1_json", b'{"files": [{"filename": "a", "hashes": {"sha256": "aa"}, "size": "many"}]}'),
        ("p/index.html", b"\xff"),
    ],
)
def test_what_is_no_page(page: str, body: bytes) -> None:
    with pytest.raises(ValueError, match="it is no page of a project"):
        listed_in(page, body)


@pytest.mark.parametrize(
    ("tests", "cell"),
    [
        (None, "-"),
        (ResultSignal(ONE, "passed", "https://ci.example/1"), "passed"),
        (ResultSignal(ONE, "failed"), "failed"),
        (ResultSignal(ONE, None, refused="the key is none of the lane"), "refused"),
    ],
)
def test_what_the_lane_says_of_its_tests(tests: ResultSignal | None, cell: str) -> None:
    found = status_of(facts(tests=tests), None, NOW)
    assert cells(found)[-1] == cell
    assert content_of_status(found)["tests"] == (None if tests is None else vars(tests))
