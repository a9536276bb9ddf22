"""The small parts of a lane: places, channels, requests, the log and what is listed, each by itself."""

from __future__ import annotations

import ast
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from imageyard import lanes
from imageyard.errors import ConfigurationError, EnvironmentLacks, NotFound, PolicyRefused
from imageyard.lanes.channels import NIGHTLY, STABLE, kept_versions
from imageyard.lanes.lane_log import LogPlace
from imageyard.lanes.lane_requests import (
    Request,
    TakenBack,
    content_of,
    entry_from,
    executed,
    is_id,
    read_request,
    taken_back,
)
from imageyard.lanes.listed_files import Accepted, StoredFile, listing_of
from imageyard.lanes.places import file_key, log_key, request_key
from imageyard.lanes.quota import Counted, used_bytes
from imageyard.lanes.refusal import FileRefused
from support.lanes.channels import lane_channel, names, request

ROOM = Path(str(lanes.__file__)).parents[1]
NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)


MENDED_BY_HAND = (ConfigurationError, EnvironmentLacks, NotFound, FileRefused)
"""Errors of which whoever typed the command can do something about."""


def test_every_such_error_of_lanes_says_what_to_type_next() -> None:
    names = {kind.__name__ for kind in MENDED_BY_HAND}
    silent = []
    for path in [*ROOM.glob("lanes/*.py"), *ROOM.glob("cli/lane*.py"), ROOM / "cli" / "taking_back.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Raise(exc=ast.Call(func=ast.Name(id=name), keywords=said)) if name in names:
                    if "hint" not in {keyword.arg for keyword in said}:
                        silent.append(f"{path.name}:{node.lineno}: {name}")
    assert silent == []


def test_places() -> None:
    assert file_key("acme", "stable", "x.whl") == "files/acme/stable/x.whl"
    assert request_key("acme", "1") == "requests/acme/1.json"
    assert sorted(map(log_key, (10, 9, 100))) == ["log/00000009.json", "log/00000010.json", "log/00000100.json"]
    assert LogPlace() == LogPlace(0, "")


@pytest.mark.parametrize("lane", ["", ".", "..", "a/b", "A", "acme-", "acme/", "acme evil", "acme\n"])
def test_what_is_no_lane(lane: str) -> None:
    with pytest.raises(ValueError, match="no lane"):
        file_key(lane, "stable", "x.whl")


def test_kept_versions_are_the_newest_of_each_project() -> None:
    versions = {"a": [f"1.0.dev{n}" for n in range(100)], "b": ["1.0.dev1"]}
    assert len(kept_versions(versions, NIGHTLY)["a"]) == NIGHTLY.keep
    assert "1.0.dev99" in kept_versions(versions, NIGHTLY)["a"]
    assert kept_versions(versions, STABLE) == {name: frozenset(each) for name, each in versions.items()}


def test_used_bytes_are_of_files_that_are_kept() -> None:
    one, two = names("1.0.dev1+acme", "1.0.dev2+acme")
    sizes = {one: 10, f"{one}.metadata": 1000, two: 20, "rubbish": 5}
    assert used_bytes(sizes, STABLE) == 35
    assert used_bytes(sizes, type(NIGHTLY)("nightly", 1, 60, is_development=True)) == 25


def test_a_request_and_its_entry() -> None:
    asked = read_request("acme", request("withdraw", "x.whl", lane="other"))
    assert asked == Request("acme", "stable", "withdraw", ("x.whl",), "it crashes", "release@acme", "")
    entry = executed(7, "acme/1", asked, {"x.whl"}, TakenBack(), NOW, "hash")
    assert (entry.refused, entry.disclose_by) == ("", "2026-12-05")
    assert entry_from(json.loads(json.dumps(content_of(entry))), "log/7") == entry
    assert taken_back([entry], TakenBack()) == TakenBack({}, {"x.whl": "it crashes"})
    refused = executed(7, "acme/1", asked, set(), TakenBack(), NOW, "hash")
    assert (refused.refused, refused.disclose_by) == ("the channel has no file x.whl", "")
    assert taken_back([refused], TakenBack()) == TakenBack()


@pytest.mark.parametrize("content", [{}, {"files": []}, {"files": 1}, {"files": ["x"], "number": 1}])
def test_what_is_no_entry(content: dict[str, object]) -> None:
    with pytest.raises(PolicyRefused, match="no entry"):
        entry_from(content, "log/1")


@pytest.mark.parametrize(
    ("text", "is_one"), [("1", True), ("a.b-c_d", True), ("", False), ("a/b", False), ("-a", False)]
)
def test_ids(text: str, is_one: bool) -> None:
    assert is_id(text) is is_one


@pytest.mark.parametrize(
    ("hours", "is_development", "is_listed"),
    [
        ((1, 2), False, False),
        ((3,), False, True),
        ((), False, True),
        ((1,), False, True),
        ((1, 2), True, True),
        ((3,), True, True),
    ],
)
def test_files_of_other_channels_take_room_where_they_go_first(
    hours: tuple[int, ...], is_development: bool, is_listed: bool
) -> None:
    """The quota of the lane is 30 bytes, and this channel has a file of 10, uploaded in hour 2."""
    (name,) = names("1.0+acme")
    verdict = Accepted("torch-acme", "1.0+acme", None, "0" * 64, "1" * 64)
    file = StoredFile(name, 10, NOW + timedelta(hours=2), verdict, None, "absent")
    others = [Counted(NOW + timedelta(hours=hour), f"files/acme/nightly/{hour}", 15, is_development) for hour in hours]
    listing = listing_of({name: file}, TakenBack(), lane_channel(quota=30), "../", NOW.date(), others)
    assert bool(listing.projects) is is_listed
    assert [why.rule for _, why in listing.left_out] == ([] if is_listed else ["quota"])
