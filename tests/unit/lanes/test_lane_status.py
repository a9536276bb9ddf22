"""How a lane is, by tables: the clock at its edges, quota and cost, and each way in which an index can be untrue."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from imageyard.lanes.channels import NIGHTLY, STABLE
from imageyard.lanes.lane_results import ResultSignal
from imageyard.lanes.lane_status import (
    HEADERS,
    ChannelFacts,
    ListedFile,
    ObjectFacts,
    OpenRequest,
    cells,
    content_of_status,
    monthly_cost,
    status_of,
    table_of,
)
from imageyard.lanes.places import PROVENANCE
from imageyard.lanes.status_reading import listed_in

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
    assert f"({said})" in cells(found)[HEADERS.index("of")]
    assert cells(found)[HEADERS.index("a month")] == "-", "nobody said a price"


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
        "stored": 1000,
        "quota": GIB,
        "cost": "0.00",
        "nightly": "on time",
        "consistent": True,
        "faults": [],
        "verified": {"no provenance": 1},
        "tests": None,
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
