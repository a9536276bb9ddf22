"""What goes wrong while a lane is indexed, and what somebody puts there so that it does: the others are not held up."""

from __future__ import annotations

from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from imageyard.console import Story
from imageyard.lanes.asking import Wanted, ask
from imageyard.lanes.channels import NIGHTLY, STABLE
from imageyard.lanes.document import parse
from imageyard.lanes.index_update import update_index
from imageyard.lanes.lane_rules import lane_channel as rules_of
from imageyard.lanes.listed_files import UNREAD
from imageyard.lanes.metadata_beside import read_beside
from imageyard.lanes.places import BESIDE, METADATA, PROVENANCE, TESTED, file_key, log_key, request_key
from imageyard.lanes.publish import index
from imageyard.lanes.purge import purge
from imageyard.lanes.purge_plan import Purging
from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.status_reading import lane_statuses
from imageyard.lanes.waiting_requests import waiting_requests
from imageyard.lanes.withdrawn_marks import parts_of
from support.lanes.catalogues import HEAD
from support.lanes.channels import lane_channel, names, request
from support.lanes.index_yard import RULES_HERE, Yard
from support.lanes.memory_s3 import Killed, MemoryS3
from support.lanes.wheels import wheel

GIB = 1024**3
ONE, TWO, THREE = names("1.0+acme", "1.1+acme", "1.2+acme")
KEPT_BACK = ["InvalidObjectState", "InvalidRequest", "KMS.NotFoundException", "AccessDenied"]
"""Archived; encrypted with a key that nobody sends; with a key that is gone; with a key of somebody else."""


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "dist")


# Objects that are too large


@pytest.mark.parametrize("asker", ["acme", "centre"])
def test_a_request_that_is_too_large_is_refused_unread(yard: Yard, asker: str) -> None:
    yard.upload(ONE)
    yard.ask("1", b"{}", lane=asker)
    yard.ask("2", request("yank", ONE))
    yard.s3.sizes[request_key(asker, "1")] = 100 * GIB
    yard.index()
    assert {entry["id"]: entry["refused"] for entry in yard.log()} == {
        f"{asker}/1": "the request has more than 262144 bytes",
        "acme/2": "",
    }
    assert [file["yanked"] for file in yard.page()["files"]] == ["it crashes"]


def test_metadata_that_is_too_large_is_not_read(yard: Yard) -> None:
    for name in (ONE, TWO):
        yard.upload(name)
    yard.s3.sizes[file_key("acme", "stable", ONE) + METADATA] = 100 * GIB
    report = yard.index()
    assert [(name, why.rule) for name, why in report.listing.left_out] == [(ONE, "metadata-beside")]
    assert yard.listed() == [TWO]
    objects = {entry.key: entry for entry in yard.s3.bucket().list("")}
    key = file_key("acme", "stable", ONE)
    assert read_beside(yard.s3.bucket(), objects, [key], {}) == {key: (objects[key + METADATA].etag, UNREAD)}


def test_the_status_reads_no_request_that_is_too_large(yard: Yard) -> None:
    found = parse(f"{HEAD}lanes:\n  acme: acme-ai/torch-acme@812345678\n")
    yard.ask("1", b"{}")
    yard.s3.sizes[request_key("acme", "1")] = 100 * GIB
    done, error = lane_statuses(found, "acme", yard.s3.bucket(), Story("plain", StringIO()), yard.s3.clock())
    assert error is None
    assert {one.what for each in done for one in each.requests} == {"the request has more than 262144 bytes"}


# Objects that the bucket does not hand out


@pytest.mark.parametrize("code", KEPT_BACK)
def test_a_file_that_cannot_be_read_is_told_and_the_others_are_listed(yard: Yard, code: str) -> None:
    yard.upload(TWO)
    key = file_key("acme", "stable", ONE)
    yard.s3.put(key, wheel(ONE))
    yard.s3.kept_back[key] = code
    yard.ask("1", request("withdraw", THREE, TWO, lane="acme"), lane="centre")
    yard.s3.put(file_key("acme", "stable", THREE), wheel(THREE))
    for _ in range(2):  # it is asked for again, and told again
        report = yard.index()
        told = dict(report.listing.left_out)
        assert told[ONE].rule == "unreadable"
        assert code in told[ONE].why
        assert yard.listed() == []
    assert file_key("acme", "stable", TWO) in yard.s3.tags
    yard.s3.kept_back.clear()
    assert yard.index().read == (ONE,)
    assert yard.listed() == [ONE]


@pytest.mark.parametrize("code", KEPT_BACK)
def test_a_request_that_cannot_be_read_waits_and_is_told(yard: Yard, code: str) -> None:
    yard.upload(ONE)
    yard.ask("0", request("yank", ONE))
    yard.s3.kept_back[request_key("acme", "0")] = code
    yard.ask("1", request("withdraw", ONE, lane="acme"), lane="centre")
    (told,) = yard.index().unread
    assert told[0] == "acme/0"
    assert code in told[1]
    assert [entry["id"] for entry in yard.log()] == ["centre/1"]
    found, story = parse(f"{HEAD}lanes:\n  acme: acme-ai/torch-acme@812345678\n"), StringIO()
    done, error = index(found, "acme", yard.s3.bucket(), Story("plain", story))
    assert (len(done), error) == (2, None)
    assert "request acme/0 waits" in story.getvalue()
    statuses, error = lane_statuses(found, "acme", yard.s3.bucket(), Story("plain", StringIO()), yard.s3.clock())
    assert error is None
    assert {one.id for each in statuses for one in each.requests} == {"acme/0"}
    yard.s3.kept_back.clear()
    assert [entry.id for entry in yard.index().executed] == ["acme/0"]


def test_the_requests_of_the_centre_go_first(yard: Yard) -> None:
    yard.upload(ONE)
    yard.ask("1", request("yank", ONE))
    yard.ask("2", request("withdraw", ONE, lane="acme"), lane="centre")
    yard.ask("3", request("withdraw", ONE))
    waiting = waiting_requests(yard.s3.bucket(), "acme", {"acme/1"})
    assert [one.id for one in waiting] == ["centre/2", "acme/3"]
    yard.index()
    assert [entry["id"] for entry in yard.log()] == ["centre/2", "acme/1", "acme/3"]


@pytest.mark.parametrize("code", KEPT_BACK)
def test_what_lies_beside_a_file_and_cannot_be_read_does_not_hold(yard: Yard, code: str) -> None:
    rules = lane_channel(STABLE)
    for name in (ONE, TWO, THREE):
        yard.upload(name)
    key = file_key("acme", "stable", "")
    yard.s3.put(key + TWO + PROVENANCE, b"{}")
    for beside in (key + ONE + METADATA, key + TWO + PROVENANCE):
        yard.s3.kept_back[beside] = code
    for _ in range(2):
        report = yard.index(rules)
        assert [(name, why.rule) for name, why in report.listing.left_out] == [
            (ONE, "metadata-beside"),
            (TWO, "provenance-unreadable"),
        ]
        assert yard.listed() == [THREE]
    yard.s3.kept_back.clear()
    report = yard.index(rules)
    assert [(name, why.rule) for name, why in report.listing.left_out] == [(TWO, "provenance-envelope")]


def test_a_result_of_tests_that_cannot_be_read_is_no_fault_of_the_status(yard: Yard) -> None:
    found = parse(f"{HEAD}lanes:\n  acme: acme-ai/torch-acme@812345678\n")
    yard.upload(ONE)
    yard.index(rules_of(found, "acme", "stable"))
    key = file_key("acme", "stable", ONE) + TESTED
    yard.s3.put(key, b"{}")
    yard.s3.kept_back[key] = "InvalidObjectState"
    done, error = lane_statuses(found, "acme", yard.s3.bucket(), Story("plain", StringIO()), yard.s3.clock())
    assert error is None
    assert [one.tests.refused != "" for one in done if one.tests] == [True]


# Others act, or the run ends, in between


def test_a_file_is_withdrawn_again_where_its_restoration_was_never_kept(yard: Yard) -> None:
    """The run that restores it dies at each of its requests; the file is withdrawn again before the next one."""
    key = file_key("acme", "stable", ONE)
    marked = sorted(set(parts_of([key])) - {key + PROVENANCE, key + TESTED})
    died_unmarked = 0
    for after in range(1, 40):
        shop = Yard(yard.folder)
        shop.upload(ONE)
        shop.ask("1", request("withdraw", ONE))
        shop.index()
        shop.ask("2", request("restore", ONE, lane="acme"), lane="centre")
        shop.s3.die_at, shop.s3.dies_after = len(shop.s3.calls) + after, True
        try:
            shop.index()
        except Killed:
            died_unmarked += key not in shop.s3.tags
        shop.s3.die_at = None
        shop.ask("3", request("withdraw", ONE, lane="acme"), lane="centre")
        shop.index()
        assert sorted(shop.s3.tags) == marked
        assert shop.listed() == []
    assert died_unmarked > 2


def test_what_is_to_be_restored_is_kept_before_a_mark_is_taken_off(yard: Yard) -> None:
    yard.upload(ONE)
    yard.ask("1", request("withdraw", ONE))
    yard.index()
    yard.ask("2", request("restore", ONE, lane="acme"), lane="centre")
    since = len(yard.s3.calls)
    yard.index()
    calls = yard.s3.calls[since:]
    unmarked = next(at for at, (operation, _) in enumerate(calls) if operation == "delete_object_tagging")
    assert ("put_object", "state/acme/stable.json") in calls[:unmarked]


def test_a_file_that_comes_with_its_withdrawal_is_withdrawn(yard: Yard) -> None:
    """Somebody uploads a file and asks for its withdrawal, both between two requests of a run, wherever that is."""
    met = 0
    for at in range(30):
        shop = Yard(yard.folder)
        shop.upload(ONE)
        begin = len(shop.s3.calls) + at

        def race(operation: str, key: str, shop: Yard = shop, begin: int = begin) -> None:
            if len(shop.s3.calls) == begin:
                shop.s3.put(file_key("acme", "stable", TWO), wheel(TWO))
                shop.ask("1", request("withdraw", TWO))

        shop.s3.before = race
        shop.index()
        shop.s3.before = lambda operation, key: None
        shop.index()
        asked = request_key("acme", "1") in shop.s3.objects
        assert [entry["refused"] for entry in shop.log()] == [""] * asked
        assert shop.listed() == [ONE]
        met += asked
    assert met > 10


def test_a_file_whose_purge_begins_meanwhile_is_not_restored(yard: Yard) -> None:
    """The purge writes its entry between our reading of the log and our writing."""
    for name in (ONE, TWO):
        yard.upload(name)
    yard.ask("1", request("withdraw", ONE))
    yard.index()
    yard.ask("2", request("restore", ONE, lane="acme"), lane="centre")
    other = MemoryS3()
    other.objects, other.tags = yard.s3.objects, yard.s3.tags

    def race(operation: str, key: str) -> None:
        if (operation, key) == ("put_object", log_key(2)):
            yard.s3.before = lambda operation, key: None
            wanted = Purging("acme", "stable", ONE, "a miner is in it", "centre local")
            purge(other.bucket(), wanted, Story("plain", StringIO()), other.clock(), yes=True)

    yard.s3.before = race
    yard.index()
    told = {entry["action"]: entry["refused"] for entry in yard.log()}
    assert list(told) == ["withdraw", "purge", "purged", "restore"]
    assert told["restore"] == "a file that is purged does not come back, and no other file gets its name"
    assert yard.listed() == [TWO]


# Objects that nobody lists can be taken back


ODD = [
    "x" * 1000,
    "a\nb\x1b[31m.exe",
    "‮exe.whl",
    "back\\slash\t",
    "files/more/evil.exe",
    ".metadata",
    "",
    "a.metadata.metadata",
]


@pytest.mark.parametrize("name", ODD)
def test_whatever_the_bucket_lists_can_be_withdrawn_and_purged(yard: Yard, name: str) -> None:
    """Its name is told on one line, with escapes for what cannot be printed."""
    key = file_key("acme", "stable", name)
    file = "a.metadata" if name == "a.metadata.metadata" else name
    yard.s3.put(key, b"evil")
    wanted = Wanted("withdraw", "acme", file, "evil", "centre local", centre=True, channel="stable")
    story = StringIO()
    ask(yard.s3.bucket(), wanted, Story("plain", story), yes=True)
    found = parse(f"{HEAD}lanes:\n  acme: acme-ai/torch-acme@812345678\n")
    _, error = index(found, "acme", yard.s3.bucket(), Story("plain", story))
    assert error is None
    assert [entry["refused"] for entry in yard.log()] == [""]
    assert list(yard.s3.tags) == [key]
    assert all(line.isprintable() for line in story.getvalue().splitlines())
    assert len(story.getvalue().splitlines()) == 3 + ("not listed" in story.getvalue())
    purging = Purging("acme", "stable", file, "evil", "centre local")
    lines = purge(yard.s3.bucket(), purging, Story("plain", story), yard.s3.clock(), yes=True)
    assert key not in yard.s3.objects
    assert [line.isprintable() for line in lines] == [True]


@pytest.mark.parametrize("ending", BESIDE)
def test_what_lies_beside_no_file_is_taken_back_by_the_name_of_the_file(yard: Yard, ending: str) -> None:
    yard.s3.put(file_key("acme", "stable", ONE) + ending, b"evil")
    yard.ask("1", request("withdraw", ONE))
    assert yard.index().marked == (ONE + ending,)
    with pytest.raises(FileRefused, match="withdrawn"):
        yard.upload(ONE)


def test_metadata_that_is_withdrawn_by_itself_is_no_longer_named(yard: Yard) -> None:
    yard.upload(ONE)
    beside = ONE + METADATA
    yard.s3.put(file_key("acme", "stable", beside) + METADATA, b"evil")
    yard.ask("1", request("withdraw", beside))
    yard.index()
    assert [file["core-metadata"] for file in yard.page()["files"]] == [False]


@pytest.mark.parametrize("name", ["x" * 1025, "\ud800", "not there\n"])
def test_a_name_that_no_object_has_is_refused_in_words_that_can_be_printed(yard: Yard, name: str) -> None:
    yard.upload(ONE)
    yard.ask("1", request("withdraw", name))
    yard.index()
    (entry,) = yard.log()
    assert entry["refused"].isprintable()
    assert entry["refused"]


def test_an_old_nightly_that_comes_back_takes_no_room_of_a_release(yard: Yard) -> None:
    old, new = names("1.0.dev1+acme", "1.0.dev2+acme")
    quota = int(2.3 * len(wheel(ONE)))
    nightly = lane_channel(NIGHTLY, quota=quota, other_channels=(STABLE,))
    stable = lane_channel(quota=quota, other_channels=(NIGHTLY,))
    yard.upload(old, nightly)
    yard.ask("1", request("withdraw", old, channel="nightly"))
    yard.index(nightly)
    yard.upload(ONE, stable)
    yard.upload(new, nightly)
    yard.ask("2", request("restore", old, channel="nightly", lane="acme"), lane="centre")
    yard.index(nightly)
    yard.index(stable)
    assert yard.listed() == [ONE]
    assert yard.listed("index/acme/nightly/simple/torch-acme/index.v1_json") == [new]


# What is told, and when


@pytest.mark.parametrize(("disclosure", "is_told"), [("2026-11-28", True), ("2026-11-29", False), ("", True)])
@pytest.mark.parametrize("is_purged", [False, True], ids=["withdrawn", "purged"])
def test_a_reason_is_told_from_its_disclosure_on(yard: Yard, disclosure: str, is_told: bool, is_purged: bool) -> None:
    """Pages, warnings and refusals say nothing of it before; the log has it. The clock stands at 2026-11-28."""
    for name in (ONE, TWO):
        yard.upload(name)
    yard.ask("1", request("withdraw", ONE, reason="leaks a key", disclosure=disclosure))
    yard.index()
    if is_purged:
        wanted = Purging("acme", "stable", ONE, "a miner is in it", "centre local")
        purge(yard.s3.bucket(), wanted, Story("plain", StringIO()), yard.s3.clock(), yes=True)
        yard.s3.put(file_key("acme", "stable", ONE), wheel(ONE))
    report = yard.index()
    (why,) = dict(report.listing.left_out).values()
    with pytest.raises(FileRefused) as refused:
        yard.upload(ONE)
    page = yard.s3.objects["index/acme/stable/index.html"].body.decode()
    assert ["leaks a key" in text for text in (why.why, page, refused.value.headline)] == [is_told] * 3
    assert ["miner" in text for text in (why.why, page, refused.value.headline)] == [False] * 3
    assert yard.log()[0]["reason"] == "leaks a key"
    yard.s3.seconds += 24 * 60 * 60
    yard.index()
    assert "leaks a key" in yard.s3.objects["index/acme/stable/index.html"].body.decode()


def test_what_a_cdn_has_to_forget_is_told_after_a_round_that_was_repeated(yard: Yard) -> None:
    """Another request is executed by another indexer, after our pages were written."""
    for name in (ONE, TWO):
        yard.upload(name)
    yard.ask("1", request("yank", ONE))
    other = MemoryS3()
    other.objects, other.tags = yard.s3.objects, yard.s3.tags

    def race(operation: str, key: str) -> None:
        if (operation, key) == ("put_object", "index/acme/stable/simple/index.html"):
            yard.s3.before = lambda operation, key: None
            yard.ask("2", request("withdraw", TWO))
            update_index(other.bucket(), RULES_HERE, other.clock())

    yard.s3.before = race
    report = yard.index()
    assert set(report.changed) == {ONE, TWO}
    assert [entry.id for entry in report.executed] == ["acme/1"]
    assert yard.index().changed == ()


@pytest.mark.parametrize("action", ["yank", "withdraw", "restore"])
def test_what_a_cdn_has_to_forget_is_told_by_the_run_after_one_that_was_killed(yard: Yard, action: str) -> None:
    told = 0
    for after in range(60):
        shop = Yard(yard.folder)
        shop.upload(ONE)
        if action == "restore":
            shop.ask("0", request("withdraw", ONE))
        shop.index()
        shop.ask("1", request(action, ONE, lane="acme"), lane="centre")
        shop.s3.die_at = len(shop.s3.calls) + after
        with suppress(Killed):
            shop.index()
            break
        shop.s3.die_at = None
        assert shop.index().changed == (ONE,)
        told += 1
    assert told > 10


def test_what_was_found_is_kept_after_so_many_bytes(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends in the third file begins at it: the first two were enough to be kept."""
    monkeypatch.setattr("imageyard.lanes.index_update._KEEP_BYTES", 2 * len(wheel(ONE)) - 50)
    for name in (ONE, TWO, THREE):
        yard.upload(name)

    def die(operation: str, key: str) -> None:
        if (operation, key) == ("get_object", file_key("acme", "stable", THREE)):
            raise Killed

    yard.s3.before = die
    with pytest.raises(Killed):
        yard.index()
    yard.s3.before = lambda operation, key: None
    assert yard.index().read == (THREE,)
