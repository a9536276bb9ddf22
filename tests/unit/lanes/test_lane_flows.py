"""Uploading, indexing and taking back, on S3 in memory: at every request the pages name only what is there."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.console import Story
from imageyard.errors import EnvironmentLacks, PolicyRefused, exit_code
from imageyard.lanes.channels import NIGHTLY, STABLE, Channel
from imageyard.lanes.index_pages import files_base
from imageyard.lanes.index_update import update_index
from imageyard.lanes.kept_state import states_of
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.lane_state import LaneState, content_of_state, state_from
from imageyard.lanes.places import file_key, files_prefix, log_key
from imageyard.lanes.purge import purge
from imageyard.lanes.purge_plan import Purging
from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.simple_index import JSON_TYPE
from imageyard.lanes.stored_wheel import judge
from imageyard.lanes.upload import upload_file
from support.lanes.channels import BY, lane_channel, names, request
from support.lanes.hostile import HOSTILE, Hostile
from support.lanes.index_yard import JSON_PAGE, RULES_HERE, Yard
from support.lanes.memory_s3 import Killed, MemoryS3, page_lies
from support.lanes.wheels import RULES, wheel

WITHDRAWN_TAG = {"imageyard-state": "withdrawn"}
ONE, TWO, THREE = names("1.0+acme", "1.1+acme", "1.2+acme")


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "dist")


# Uploading


def test_an_upload_is_the_file_and_what_lies_beside_it(yard: Yard) -> None:
    done = yard.upload(ONE)
    assert (done.outcome, done.key) == ("created", file_key("acme", "stable", ONE))
    objects = yard.s3.objects
    assert objects[done.key].body == wheel(ONE)
    assert objects[done.key].sha256 is not None
    assert objects[f"{done.key}.metadata"].body == done.facts.metadata
    said = json.loads(objects[f"{done.key}.upload.json"].body)
    assert {key: said[key] for key in ("lane", "channel", "filename", "size", "sha256", "by", "uploaded")} == {
        "lane": "acme",
        "channel": "stable",
        "filename": ONE,
        "size": len(wheel(ONE)),
        "sha256": done.facts.sha256,
        "by": BY,
        "uploaded": "2026-11-28T00:00:02+00:00",
    }
    assert sorted(objects) == sorted([done.key, f"{done.key}.metadata", f"{done.key}.upload.json"])


def test_the_same_bytes_are_not_sent_again(yard: Yard) -> None:
    first = yard.upload(ONE)
    before = dict(yard.s3.objects)
    second = yard.upload(ONE)
    assert (second.outcome, second.facts) == ("already there", first.facts)
    assert yard.s3.objects == before
    assert [call for call in yard.s3.calls if call == ("put_object", first.key)] == [("put_object", first.key)]


def test_other_bytes_under_a_name_are_refused(yard: Yard) -> None:
    yard.upload(ONE)
    before = dict(yard.s3.objects)
    with pytest.raises(FileRefused) as refused:
        yard.upload(ONE, files={"torch_acme/more.py": b"evil"})
    assert refused.value.rule == "other-bytes"
    assert yard.s3.objects == before


def test_two_uploads_at_once_keep_the_first(yard: Yard) -> None:
    """The other one comes after the listing: the bucket refuses to replace it, and what lies beside is its own."""
    key = file_key("acme", "stable", ONE)
    other = wheel(ONE, files={"torch_acme/other.py": b"x"})

    def race(operation: str, wanted: str) -> None:
        if (operation, wanted) == ("put_object", key) and key not in yard.s3.objects:
            yard.s3.put(key, other)

    yard.s3.before = race
    with pytest.raises(FileRefused) as refused:
        yard.upload(ONE)
    assert refused.value.rule == "other-bytes"
    assert {name: each.body for name, each in yard.s3.objects.items()} == {key: other}


def test_a_quota_counts_files_and_not_what_lies_beside(yard: Yard) -> None:
    size = len(wheel(ONE))
    rules = lane_channel(quota=2 * size + 20)
    yard.upload(ONE, rules)
    yard.upload(TWO, rules)
    with pytest.raises(FileRefused) as refused:
        yard.upload(THREE, rules)
    assert refused.value.rule == "quota"
    assert yard.upload(TWO, rules).outcome == "already there"


SIZE = len(wheel(ONE))
NIGHT_ONE, NIGHT_TWO = names("1.0.dev1+acme", "1.0.dev2+acme")


def both(quota: float, keep: int | None = 30) -> dict[str, LaneChannel]:
    """Both channels of a lane whose quota is so many wheels."""
    nightly = replace(NIGHTLY, keep=keep)
    pairs = ((STABLE, nightly), (nightly, STABLE))
    return {mine.name: lane_channel(mine, quota=int(quota * SIZE), other_channels=(other,)) for mine, other in pairs}


@pytest.mark.parametrize(
    ("quota", "keep", "steps", "refused", "left_out"),
    [
        (2.3, 30, [ONE, NIGHT_ONE], [], []),
        (1.3, 30, [ONE, NIGHT_ONE], [NIGHT_ONE], [NIGHT_ONE]),
        (1.3, 30, [NIGHT_ONE, ONE], [ONE], [NIGHT_ONE]),
        (2.3, 30, [ONE, NIGHT_ONE, TWO], [TWO], [NIGHT_ONE]),
        (2.3, 30, [NIGHT_ONE, ONE, NIGHT_TWO], [NIGHT_TWO], [NIGHT_ONE]),
        (1.3, 30, [ONE, TWO], [TWO], [TWO]),
        (2.3, 1, [ONE, NIGHT_ONE, NIGHT_TWO], [], []),
        (2.3, 30, [ONE, "withdraw", NIGHT_ONE, TWO], [], []),
    ],
    ids=["fits", "stable", "nightly first", "three", "new nightly", "new stable", "old nightlies go", "withdrawn"],
)
@pytest.mark.parametrize("is_ours", [True, False], ids=["uploaded", "put there past our code"])
def test_the_quota_is_that_of_the_lane(
    yard: Yard, quota: float, keep: int, steps: list[str], refused: list[str], left_out: list[str], is_ours: bool
) -> None:
    """An upload over it is refused. Of what is there stable goes first, then the newest nightlies.

    Both channels come to the same answer, whatever is indexed first.
    """
    rules = both(quota, keep)
    told = []
    for step in steps:
        if step == "withdraw":
            yard.ask("1", request("withdraw", ONE))
            yard.index(rules["stable"])
            continue
        channel = "nightly" if ".dev" in step else "stable"
        try:
            if is_ours:
                yard.upload(step, rules[channel])
            else:
                yard.s3.put(file_key("acme", channel, step), wheel(step))
        except FileRefused as error:
            told.append((step, error.rule))
    reports = [yard.index(rules[channel]) for channel in ("nightly", "stable", "nightly")]
    pages = [f"index/acme/{channel}/simple/torch-acme/index.v1_json" for channel in rules]
    too_many = refused if is_ours else left_out
    gone = {*too_many, *([ONE] if "withdraw" in steps else []), *([NIGHT_ONE] if keep == 1 else [])}
    assert {name for page in pages for name in yard.listed(page)} == {*steps} - gone - {"withdraw"}
    out = {(name, why.rule) for each in reports for name, why in each.listing.left_out if why.rule == "quota"}
    assert (told if is_ours else sorted(out)) == [(name, "quota") for name in too_many]


@pytest.mark.parametrize(
    ("version", "channel", "is_refused"),
    [
        ("1.0+acme", "stable", False),
        ("1.0rc1+acme", "stable", False),
        ("1.0.dev1+acme", "stable", True),
        ("1.0+acme", "nightly", True),
        ("1.0.dev20261128+acme", "nightly", False),
    ],
)
def test_development_releases_are_in_nightly(yard: Yard, version: str, channel: str, is_refused: bool) -> None:
    rules = lane_channel(NIGHTLY) if channel == "nightly" else RULES_HERE
    if is_refused:
        with pytest.raises(FileRefused) as refused:
            yard.upload(names(version)[0], rules)
        assert refused.value.rule == "channel"
        assert yard.s3.objects == {}
    else:
        assert yard.upload(names(version)[0], rules).outcome == "created"


def test_a_file_that_is_not_there(yard: Yard, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="cannot read"):
        upload_file(yard.s3.bucket(), RULES_HERE, tmp_path / ONE, BY)


# Indexing


def test_an_index_of_what_is_there(yard: Yard) -> None:
    for name in (ONE, TWO):
        yard.upload(name)
    report = yard.index()
    assert report.read == (ONE, TWO)
    assert yard.listed() == [ONE, TWO]
    assert [file["core-metadata"] is not False for file in yard.page()["files"]] == [True, True]
    assert yard.page()["files"][1]["upload-time"] == "2026-11-28T00:00:01Z", "the bucket's time, not the vendor's"
    page = yard.s3.objects[JSON_PAGE]
    assert (page.media_type, page.cache) == (JSON_TYPE, "public, max-age=600")
    assert yard.page("index/acme/stable/simple/index.v1_json")["projects"] == [{"name": "torch-acme"}]
    assert report.written[-1] == "index/acme/stable/simple/index.html"
    assert ONE in yard.s3.objects["index/acme/stable/index.html"].body.decode()


def test_what_is_as_it_was_is_neither_read_nor_written(yard: Yard) -> None:
    yard.upload(ONE)
    yard.index()
    since = len(yard.s3.calls)
    report = yard.index()
    assert (report.read, report.written) == ((), ())
    assert yard.s3.writes(since) == []
    assert [key for operation, key in yard.s3.calls[since:] if operation == "get_object"] == ["state/acme/stable.json"]


def test_one_upload_is_one_read(yard: Yard) -> None:
    for name in (ONE, TWO):
        yard.upload(name)
    yard.index()
    yard.upload(THREE)
    since = len(yard.s3.calls)
    assert yard.index().read == (THREE,)
    got = [key.rpartition("/")[2] for operation, key in yard.s3.calls[since:] if operation == "get_object"]
    assert got == ["stable.json", THREE, f"{THREE}.metadata"]


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"version": 1, "sha256": "", "content": {}}'])
def test_a_state_that_is_lost_is_worked_out_again(yard: Yard, damage: bytes) -> None:
    yard.upload(ONE)
    yard.upload(TWO)
    yard.ask("1", request("yank", ONE))
    yard.index()
    before = yard.s3.objects[JSON_PAGE].body
    yard.s3.put("state/acme/stable.json", damage)
    assert yard.index().read == (ONE, TWO)
    assert yard.s3.objects[JSON_PAGE].body == before
    assert len(yard.log()) == 1


def test_a_page_that_somebody_changed_is_written_again(yard: Yard) -> None:
    yard.upload(ONE)
    yard.index()
    good = yard.s3.objects[JSON_PAGE].body
    yard.s3.put(JSON_PAGE, json.dumps({"files": []}).encode())
    assert yard.index().written == (JSON_PAGE,)
    assert yard.s3.objects[JSON_PAGE].body == good


def test_other_rules_are_for_what_is_there_too(yard: Yard) -> None:
    yard.upload(ONE)
    yard.index()
    stricter = lane_channel(wheels=type(RULES)(["acme-tools"], "acme"))
    report = yard.index(stricter)
    assert [(name, why.rule) for name, why in report.listing.left_out] == [(ONE, "package")]
    assert yard.listed() == []
    assert yard.page("index/acme/stable/simple/index.v1_json")["projects"] == []
    yard.index()
    assert yard.listed() == [ONE]


def test_nightly_lists_the_newest_versions(yard: Yard) -> None:
    rules = lane_channel(Channel("nightly", 2, 60, is_development=True))
    for version in ("1.0.dev9+acme", "1.0.dev10+acme", "1.0.dev8+acme", "1.0.dev11+acme"):
        yard.upload(names(version)[0], rules)
    report = yard.index(rules)
    key = "index/acme/nightly/simple/torch-acme/index.v1_json"
    assert yard.listed(key) == names("1.0.dev10+acme", "1.0.dev11+acme")
    assert report.listing.expired == tuple(names("1.0.dev8+acme", "1.0.dev9+acme"))
    assert yard.s3.objects[key].cache == "public, max-age=60"


def test_the_quota_holds_for_whoever_uploads_past_our_code(yard: Yard) -> None:
    for name in (ONE, TWO, THREE):
        yard.s3.put(file_key("acme", "stable", name), wheel(name))
    report = yard.index(lane_channel(quota=2 * len(wheel(ONE)) + 20))
    assert yard.listed() == [ONE, TWO]
    assert [(name, why.rule) for name, why in report.listing.left_out] == [(THREE, "quota")]


def test_metadata_that_is_not_that_of_the_file_is_not_listed(yard: Yard) -> None:
    key = yard.upload(ONE).key
    yard.s3.put(f"{key}.metadata", b"Metadata-Version: 2.1\nName: torch-acme\nVersion: 1.0+acme\nRequires-Dist: evil\n")
    report = yard.index()
    assert [why.rule for _, why in report.listing.left_out] == ["metadata-beside"]


def test_a_file_without_metadata_beside_it_is_listed_without(yard: Yard) -> None:
    yard.s3.put(file_key("acme", "stable", ONE), wheel(ONE))
    yard.index()
    assert [file["core-metadata"] for file in yard.page()["files"]] == [False]


def test_files_can_be_served_from_another_host(yard: Yard) -> None:
    rules = lane_channel(files_url="https://files.example.com/")
    yard.s3.after = lambda: None  # its links lead elsewhere
    yard.upload(ONE, rules)
    yard.index(rules)
    assert files_base(rules) == "https://files.example.com/files/acme/stable/"
    url = "https://files.example.com/files/acme/stable/torch_acme-1.0%2Bacme-py3-none-any.whl"
    assert [file["url"] for file in yard.page()["files"]] == [url]


def test_projects_of_the_main_index_are_tracked(yard: Yard) -> None:
    rules = lane_channel(tracks={"torch-acme": ("https://index.example.com/simple/torch-acme/",)})
    yard.upload(ONE)
    yard.index(rules)
    assert yard.page()["meta"]["tracks"] == ["https://index.example.com/simple/torch-acme/"]


@pytest.mark.parametrize("hostile", HOSTILE, ids=str)
def test_hostile_files_are_never_listed(hostile: Hostile, tmp_path: Path) -> None:
    """Put there past our code, under a name of the lane's prefix, beside a file that is in order."""
    yard = Yard(tmp_path / "dist")
    yard.upload(TWO)
    yard.s3.put(files_prefix("acme", "stable") + hostile.filename, hostile.body)
    report = yard.index()
    assert [(name, why.rule) for name, why in report.listing.left_out] == [(hostile.filename, hostile.rule)]
    assert yard.listed() == [TWO]
    page = yard.s3.objects["index/acme/stable/simple/torch-acme/index.html"].body
    assert page.count(b"<a ") == page.count(f">{TWO}</a>".encode()) == 1


def is_of_a_disk(name: str) -> bool:
    return "/" not in name and "\0" not in name and 0 < len(name.encode()) < 250


@pytest.mark.parametrize("hostile", [each for each in HOSTILE if is_of_a_disk(each.filename)], ids=str)
def test_hostile_files_are_never_sent(hostile: Hostile, tmp_path: Path) -> None:
    path = tmp_path / hostile.filename
    path.write_bytes(hostile.body)
    s3 = MemoryS3()
    with pytest.raises(FileRefused) as refused:
        upload_file(s3.bucket(), RULES_HERE, path, BY)
    assert refused.value.rule == hostile.rule
    assert s3.calls == []


@given(st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=3)), min_size=1, max_size=3))
def test_files_that_were_changed_at_random_are_listed_as_they_are_or_not_at_all(
    changes: list[tuple[int, bytes]],
) -> None:
    body = bytearray(wheel(ONE))
    for at, new in changes:
        body[at : at + len(new)] = new
    s3 = MemoryS3()
    s3.put(file_key("acme", "stable", ONE), bytes(body))
    s3.after = lambda: None
    update_index(s3.bucket(), RULES_HERE, s3.clock())
    assert page_lies({key: found.body for key, found in s3.objects.items()}) == []


def test_a_large_file_is_read_in_pieces(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imageyard.lanes.stored_wheel._PIECE", 100)
    key = yard.upload(ONE).key
    entry = next(iter(yard.s3.bucket().list(key)))
    since = len(yard.s3.calls)
    verdict = judge(yard.s3.bucket(), entry, ONE, RULES_HERE)
    assert verdict == judge(yard.s3.bucket(), entry, ONE, RULES_HERE)
    assert len(yard.s3.calls) - since > 2 * entry.size / 100
    yard.index()
    assert yard.listed() == [ONE]


# Taking back


def test_yanked_and_not_yanked_again(yard: Yard) -> None:
    yard.upload(ONE)
    yard.ask("1", request("yank", ONE, reason="wrong <ABI>"))
    yard.index()
    assert [file["yanked"] for file in yard.page()["files"]] == ["wrong <ABI>"]
    yard.ask("2", request("restore", ONE))
    yard.index()
    assert [file["yanked"] for file in yard.page()["files"]] == [False]
    assert [entry["action"] for entry in yard.log()] == ["yank", "restore"]


def test_withdrawn_is_out_of_the_index_and_kept_so_that_nobody_installs_it(yard: Yard) -> None:
    for name in (ONE, TWO):
        yard.upload(name)
    yard.index()
    yard.ask("bad", request("withdraw", ONE, disclosure="2026-12-01"))
    report = yard.index()
    assert yard.listed() == [TWO]
    assert report.marked == (ONE, f"{ONE}.metadata", f"{ONE}.upload.json")
    key = file_key("acme", "stable", ONE)
    assert yard.s3.tags == dict.fromkeys((key, f"{key}.metadata", f"{key}.upload.json"), WITHDRAWN_TAG)
    assert yard.s3.objects[key].body == wheel(ONE)
    assert yard.index().marked == ()
    (entry,) = yard.log()
    expected = {
        "id": "acme/bad",
        "action": "withdraw",
        "files": [ONE],
        "by": "release@acme",
        "reason": "it crashes",
        "when": "2026-11-28T00:00:13+00:00",
        "disclosure": "2026-12-01",
        "disclose_by": "2026-12-05",
        "refused": "",
        "previous": "",
    }
    assert {key: entry[key] for key in expected} == {**expected, "when": entry["when"]}


def test_a_withdrawn_name_does_not_come_back_with_other_bytes(yard: Yard) -> None:
    yard.upload(ONE)
    yard.ask("1", request("withdraw", ONE))
    yard.index()
    with pytest.raises(FileRefused) as refused:
        yard.upload(ONE, files={"torch_acme/more.py": b"evil"})
    assert refused.value.rule == "withdrawn"
    yard.index()
    assert yard.listed() == []


@pytest.mark.parametrize("more", [{}, {"files": {"torch_acme/more.py": b"x"}}], ids=["same bytes", "other bytes"])
@pytest.mark.parametrize("rule", ["withdrawn", "purged"])
def test_a_name_that_was_taken_back_is_refused_before_a_byte_is_sent(yard: Yard, rule: str, more: Any) -> None:
    """And says why, and what to type next; other files of the same call are uploaded."""
    yard.upload(ONE)
    yard.ask("1", request("withdraw", ONE, reason="leaks a key"))
    yard.index()
    if rule == "purged":
        wanted = Purging("acme", "stable", ONE, "a miner is in it", "centre local")
        purge(yard.s3.bucket(), wanted, Story("plain", StringIO()), yard.s3.clock(), yes=True)
        yard.index()
    assert set(states_of(yard.s3.bucket(), "acme")) == {"state/acme/stable.json"}
    since = len(yard.s3.calls)
    with pytest.raises(FileRefused, match="leaks a key") as refused:
        yard.upload(ONE, **more)
    assert refused.value.rule == rule
    assert exit_code(refused.value) == 10
    assert refused.value.hint[0] == "build another version"
    assert yard.s3.writes(since) == []
    assert yard.upload(TWO).outcome == "created"


def test_what_is_yanked_is_no_new_file(yard: Yard) -> None:
    yard.upload(ONE)
    yard.ask("1", request("yank", ONE))
    yard.index()
    assert yard.upload(ONE).outcome == "already there"


@pytest.mark.parametrize("is_state_lost", [False, True])
def test_the_centre_alone_restores_what_is_withdrawn(yard: Yard, is_state_lost: bool) -> None:
    yard.upload(ONE)
    yard.ask("1", request("withdraw", ONE))
    yard.index()
    if is_state_lost:
        yard.s3.put("state/acme/stable.json", b"lost")
    yard.ask("2", request("restore", ONE))
    yard.index()
    assert yard.listed() == []
    yard.ask("3", request("restore", ONE, lane="acme"), lane="centre")
    report = yard.index()
    assert report.read == (ONE,)
    assert yard.listed() == [ONE]
    assert yard.s3.tags == {}
    assert [entry["refused"] for entry in yard.log()] == ["", "the centre alone restores a file that is withdrawn", ""]


def test_a_request_is_executed_once(yard: Yard) -> None:
    yard.upload(ONE)
    yard.ask("1", request("yank", ONE))
    yard.index()
    yard.ask("2", request("restore", ONE))
    for _ in range(3):
        yard.index()
    yard.s3.put("state/acme/stable.json", b"lost")
    yard.index()
    assert [entry["id"] for entry in yard.log()] == ["acme/1", "acme/2"]
    assert [file["yanked"] for file in yard.page()["files"]] == [False]


REFUSED = {
    "no JSON": b"{",
    "a list": b"[]",
    "nested too deep": b"[" * 100_000,
    "no action": request("delete", ONE),
    "no channel": request("yank", ONE, channel="beta"),
    "no files": request("yank"),
    "files that are text": json.dumps({"action": "yank", "channel": "stable", "files": ONE}).encode(),
    "a file that is not there": request("withdraw", TWO),
    "one file that is, and one that is not": request("withdraw", ONE, TWO),
    "what lies beside a file": request("withdraw", f"{ONE}.metadata"),
    "another lane's file": request("yank", f"../../other/stable/{ONE}"),
    "no reason": request("yank", ONE, reason=""),
    "a reason that is nothing": request("yank", ONE, reason=" \n\t\x1b[0m"),
    "nobody": request("yank", ONE, by=""),
    "a number for a reason": request("yank", ONE, reason=3),
    "a date that is none": request("withdraw", ONE, disclosure="tomorrow"),
    "too large": request("yank", ONE, reason="x" * 300_000),
    "too many files": request("yank", *(["x"] * 1001)),
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_requests_that_cannot_be_executed_are_in_the_log_as_refused(yard: Yard, body: bytes) -> None:
    yard.upload(ONE)
    yard.ask("1", body)
    yard.index()
    yard.index()
    assert yard.listed() == [ONE]
    assert [file["yanked"] for file in yard.page()["files"]] == [False]
    (entry,) = yard.log()
    assert entry["refused"]


def test_a_reason_is_one_line_that_can_be_written(yard: Yard) -> None:
    yard.upload(ONE)
    yard.ask(
        "1",
        b'{"action":"yank","channel":"stable","files":["%s"],"reason":"a\\nb\\ud800\\u001b[31mc","by":"x"}'
        % ONE.encode(),
    )
    yard.index()
    assert [file["yanked"] for file in yard.page()["files"]] == ["a b?c"]


def test_a_lane_asks_for_its_own_files_alone_and_the_centre_for_all(yard: Yard) -> None:
    other = lane_channel(lane="other")
    yard.upload(ONE)
    yard.upload(ONE, other)
    yard.ask("1", request("withdraw", ONE, lane="acme"), lane="other")
    yard.ask("2", request("yank", ONE, lane="acme"), lane="centre")
    yard.index()
    yard.index(other)
    yard.index()
    assert [file["yanked"] for file in yard.page()["files"]] == ["it crashes"]
    assert yard.listed("index/other/stable/simple/torch-acme/index.v1_json") == []
    assert [(entry["id"], entry["lane"]) for entry in yard.log()] == [("centre/2", "acme"), ("other/1", "other")]


def test_a_log_that_somebody_changed_stops_the_indexer(yard: Yard) -> None:
    yard.upload(ONE)
    for number in (1, 2):
        yard.ask(str(number), request("yank", ONE, reason=f"reason {number}"))
    yard.index()
    whole = dict(yard.s3.objects)
    yard.s3.put("state/acme/stable.json", b"lost")
    del yard.s3.objects[log_key(1)]
    with pytest.raises(PolicyRefused, match="goes on with"):
        yard.index()
    yard.s3.objects |= whole
    yard.s3.put("state/acme/stable.json", b"lost")
    yard.s3.put(log_key(1), whole[log_key(2)].body)
    with pytest.raises(PolicyRefused, match="does not follow"):
        yard.index()


def test_two_indexers_write_one_entry_for_a_request(yard: Yard) -> None:
    """The other one appends between our reading and our writing: another request first, then the same."""
    for name in (ONE, TWO):
        yard.upload(name)
    yard.ask("1", request("yank", ONE))
    other = MemoryS3()
    other.objects = yard.s3.objects

    def race(operation: str, key: str) -> None:
        if key == log_key(1) and key not in yard.s3.objects:
            yard.s3.before = lambda operation, key: None
            yard.ask("0", request("yank", TWO))
            update_index(other.bucket(), RULES_HERE, other.clock())

    yard.s3.before = race
    yard.index()
    assert sorted(entry["id"] for entry in yard.log()) == ["acme/0", "acme/1"]
    assert {file["filename"]: file["yanked"] for file in yard.page()["files"]} == dict.fromkeys(
        (ONE, TWO), "it crashes"
    )


# Killed anywhere


def story(yard: Yard) -> None:
    """Uploads, a yank and a withdrawal, each step as often as it takes."""
    yard.upload(ONE)
    with suppress(FileRefused):  # where a run before, which was killed later, withdrew it
        yard.upload(TWO)
    yard.index()
    for name, body in (("1", request("yank", ONE)), ("2", request("withdraw", TWO))):
        if f"requests/acme/{name}.json" not in yard.s3.objects:
            yard.ask(name, body)
    yard.index()


@pytest.mark.parametrize("dies_after", [False, True])
def test_whoever_is_killed_at_any_request_leaves_pages_that_are_true(tmp_path: Path, dies_after: bool) -> None:
    whole = Yard(tmp_path / "dist")
    story(whole)
    count = len(whole.s3.calls)
    assert count > 40
    for die_at in range(count):
        yard = Yard(tmp_path / "dist")
        yard.s3.die_at, yard.s3.dies_after = die_at, dies_after
        with pytest.raises(Killed):
            story(yard)
        yard.check()
        yard.index()
        story(yard)
        assert yard.listed() == [ONE]
        assert [file["yanked"] for file in yard.page()["files"]] == ["it crashes"]
        assert [entry["id"] for entry in yard.log()] == ["acme/1", "acme/2"], "each once, whoever was killed"
        assert sorted(yard.s3.tags) == [
            key for key in sorted(yard.s3.objects) if key.startswith("files/") and TWO in key
        ]
        assert len(yard.s3.tags) == 3


def test_a_state_reads_back() -> None:
    assert state_from(json.loads(json.dumps(content_of_state(LaneState())))) == LaneState()
