"""Purging a file: refused while an index could name it, in the log before the first deletion, and never taken again."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from imageyard.bucket.entries import loads
from imageyard.console import Story
from imageyard.errors import ConfigurationError, NotFound, PolicyRefused
from imageyard.lanes.channels import NIGHTLY
from imageyard.lanes.index_update import update_index
from imageyard.lanes.places import file_key, log_key
from imageyard.lanes.purge import purge
from imageyard.lanes.purge_plan import Purging, invalidation, invalidation_paths
from imageyard.lanes.upload import upload_file
from support.lanes.channels import BY, lane_channel, names, request, wheel_file
from support.lanes.memory_s3 import Killed, MemoryS3, Stored, page_lies
from support.lanes.wheels import wheel

RULES = lane_channel()
ONE, TWO = names("1.0+acme", "1.1+acme")
KEY = file_key("acme", "stable", ONE)
PARTS = (KEY, f"{KEY}.metadata", f"{KEY}.upload.json")
WANTED = Purging("acme", "stable", ONE, "a miner is in it", "centre local")


class Yard:
    """A lane with two files, of which one is withdrawn; every request is looked at."""

    def __init__(self, folder: Path, *, withdrawn: bool = True) -> None:
        self.folder = folder
        self.s3 = MemoryS3()
        self.lost: set[tuple[str, str]] = set()
        for name in (ONE, TWO):
            upload_file(self.s3.bucket(), RULES, wheel_file(folder, name), BY, self.s3.clock())
        self.index()
        if withdrawn:
            self.ask("1", request("withdraw", ONE, disclosure="2026-12-01"))
            self.index()
        self.s3.after, self.s3.before = self.check, self.watch

    def watch(self, operation: str, key: str) -> None:
        if operation == "delete_object":
            named = {version for entry in self.log() for version in entry["versions"]}
            assert any(version.startswith(f"{key} ") for version in named), f"{key} goes, and the log has no line of it"

    def check(self) -> None:
        assert page_lies({key: found.body for key, found in self.s3.handed_out.items()}) == []

    def ask(self, name: str, body: bytes, lane: str = "acme") -> None:
        self.s3.put(f"requests/{lane}/{name}.json", body)

    def index(self) -> Any:
        return update_index(self.s3.bucket(), RULES, self.s3.clock())

    def purge(self, wanted: Purging = WANTED, *, yes: bool = True) -> list[str]:
        return purge(self.s3.bucket(), wanted, Story("plain", StringIO()), self.s3.clock(), yes=yes)

    def left(self) -> list[str]:
        old = {key for key, _ in self.s3.old}
        return sorted(key for key in {*self.s3.objects, *old} if key.startswith(KEY))

    def log(self) -> list[Mapping[str, Any]]:
        objects = sorted(self.s3.objects.items())
        return [loads(found.body, key) for key, found in objects if key.startswith("log/")]


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "dist")


def test_all_versions_go_and_the_log_names_each_before(yard: Yard) -> None:
    old = Stored(b"older", yard.s3.objects[KEY].modified)
    yard.s3.old = {(KEY, "v0"): old, (KEY, "m0"): None, (f"{KEY}.metadata", "v0"): old, (f"{KEY}.x", "v0"): old}
    done = yard.purge()
    assert yard.left() == [f"{KEY}.x"], "what is beside it, and nothing that only begins as it does"
    assert sorted(line.split()[0] for line in done) == sorted([*PARTS, KEY, KEY, f"{KEY}.metadata"])
    assert f"{KEY} m0 mark of a deletion" in done
    begun, ended = yard.log()[-2:]
    assert (begun["action"], ended["action"]) == ("purge", "purged")
    assert sorted(begun["versions"]) == sorted(" ".join(line.split()[:2]) for line in done)
    said = {key: begun[key] for key in ("lane", "channel", "files", "reason", "by", "disclosure", "disclose_by")}
    assert said == {
        "lane": "acme",
        "channel": "stable",
        "files": [ONE],
        "reason": "a miner is in it",
        "by": "centre local",
        "disclosure": "2026-12-01",
        "disclose_by": "2026-12-05",
    }, "the seven days are those of the withdrawal"
    assert begun["when"].startswith("2026-11-28T")
    assert file_key("acme", "stable", TWO) in yard.s3.objects


def test_without_yes_it_is_only_told(yard: Yard) -> None:
    since = len(yard.s3.calls)
    assert sorted(line.split()[0] for line in yard.purge(yes=False)) == sorted(PARTS)
    assert {operation for operation, _ in yard.s3.calls[since:]} <= READING
    assert sorted(yard.left()) == sorted(PARTS)


READING = {"get_object", "list_objects_v2", "list_object_versions"}


def test_the_date_of_disclosure_can_be_another_one(yard: Yard) -> None:
    yard.purge(Purging(**{**vars(WANTED), "disclosure": "2026-12-31"}))
    assert [(entry["disclosure"], entry["disclose_by"]) for entry in yard.log()][-2:] == [
        ("2026-12-31", "2026-12-05"),
        ("", ""),
    ]


@pytest.mark.parametrize(
    ("field", "value"), [("reason", ""), ("reason", " \n\x1b[0m"), ("by", ""), ("disclosure", "soon")]
)
def test_the_log_has_to_say_why_and_by_whom(yard: Yard, field: str, value: str) -> None:
    since = len(yard.s3.calls)
    with pytest.raises(ConfigurationError):
        yard.purge(Purging(**{**vars(WANTED), field: value}))
    assert yard.s3.calls[since:] == []


def test_what_is_not_withdrawn_is_not_purged(tmp_path: Path) -> None:
    yard = Yard(tmp_path, withdrawn=False)
    for action in (None, "yank"):
        if action:
            yard.ask("1", request(action, ONE))
            yard.index()
        with pytest.raises(PolicyRefused, match="is not withdrawn") as refused:
            yard.purge()
        assert refused.value.hint[0].startswith(f"inv lane.withdraw acme {ONE}")
        assert refused.value.hint[1].startswith("gh workflow run lane-index.yml")
    assert yard.left() == sorted(PARTS)


def test_what_was_restored_is_not_purged(yard: Yard) -> None:
    yard.ask("2", request("restore", ONE, lane="acme"), "centre")
    yard.index()
    with pytest.raises(PolicyRefused, match="is not withdrawn"):
        yard.purge()


@pytest.mark.parametrize("ending", ["index.html", "index.v1_json"])
def test_what_a_page_names_is_not_purged(tmp_path: Path, ending: str) -> None:
    """The indexer was killed after the log and before this page."""
    yard = Yard(tmp_path / "dist", withdrawn=False)
    page = f"index/acme/stable/simple/torch-acme/{ending}"
    before = yard.s3.objects[page]
    yard.ask("1", request("withdraw", ONE))
    yard.index()
    yard.s3.after = lambda: None
    yard.s3.objects[page] = before
    with pytest.raises(PolicyRefused, match=f"{ending} names {ONE.replace('+', '[+]')}") as refused:
        yard.purge()
    assert refused.value.hint[0].startswith("gh workflow run lane-index.yml")
    assert yard.left() == sorted(PARTS)
    assert len(yard.log()) == 1


def test_what_was_never_there(yard: Yard) -> None:
    """Somebody deleted it past us."""
    for key in PARTS:
        del yard.s3.objects[key]
    with pytest.raises(NotFound):
        yard.purge()


def test_a_restoration_between_our_reading_and_our_writing_wins(yard: Yard) -> None:
    def race(operation: str, key: str) -> None:
        if (operation, key) == ("put_object", log_key(2)):
            yard.s3.before = yard.watch
            yard.ask("2", request("restore", ONE, lane="acme"), "centre")
            yard.index()

    yard.s3.before = race
    with pytest.raises(PolicyRefused, match="is not withdrawn"):
        yard.purge()
    assert yard.left() == sorted(PARTS)
    assert [entry["action"] for entry in yard.log()] == ["withdraw", "restore"]


def test_nobody_restores_what_is_purged(yard: Yard) -> None:
    yard.purge()
    yard.ask("2", request("restore", ONE, lane="acme"), "centre")
    yard.index()
    assert yard.log()[-1]["refused"].startswith("a file that is purged")
    yard.s3.put("state/acme/stable.json", b"lost")
    yard.index()
    assert [entry["action"] for entry in yard.log()] == ["withdraw", "purge", "purged", "restore"]


@pytest.mark.parametrize("is_state_lost", [False, True])
def test_a_purged_name_is_never_listed_again(yard: Yard, is_state_lost: bool) -> None:
    """The bucket has nothing to compare with: whoever uploads past our code creates a file there."""
    yard.purge()
    if is_state_lost:
        yard.s3.put("state/acme/stable.json", b"lost")
    yard.s3.put(KEY, wheel(ONE))
    report = yard.index()
    assert [(name, why.rule) for name, why in report.listing.left_out] == [(ONE, "purged")]
    assert report.marked == (ONE,), "and nobody downloads it"
    done = yard.purge()
    assert [line.split()[0] for line in done] == [KEY]
    assert [entry["action"] for entry in yard.log()] == ["withdraw", "purge", "purged", "purge", "purged"]
    assert yard.purge() == []
    assert len(yard.log()) == 5, "what is gone is not purged again"


def test_a_version_that_comes_meanwhile_is_in_the_log_too(yard: Yard) -> None:
    def late(operation: str, key: str) -> None:
        yard.watch(operation, key)
        if operation == "delete_object":
            yard.s3.before = yard.watch
            yard.s3.old[(KEY, "late")] = None

    yard.s3.before = late
    yard.purge()
    assert yard.left() == []
    assert [len(entry["versions"]) for entry in yard.log()] == [0, 3, 1, 0]


def test_a_file_whose_name_is_no_wheels(yard: Yard) -> None:
    for name in ("evil.exe", "more/evil.exe"):
        key = file_key("acme", "stable", name)
        yard.s3.put(key, b"MZ")
        yard.ask(f"w{len(name)}", request("withdraw", name, lane="acme"), "centre")
        yard.index()
        yard.purge(Purging("acme", "stable", name, "malware", "centre local"))
        assert key not in yard.s3.objects


@pytest.mark.parametrize("dies_after", [False, True])
def test_whoever_is_killed_at_any_request_is_run_again(tmp_path: Path, dies_after: bool) -> None:
    whole = Yard(tmp_path / "dist")
    since = len(whole.s3.calls)
    whole.purge()
    count = len(whole.s3.calls) - since
    assert count > 10
    for die_at in range(count):
        yard = Yard(tmp_path / "dist")
        yard.s3.die_at, yard.s3.dies_after = len(yard.s3.calls) + die_at, dies_after
        with pytest.raises(Killed):
            yard.purge()
        yard.check()
        yard.index()
        yard.purge()
        yard.index()
        assert yard.left() == []
        assert [entry["action"] for entry in yard.log()] == ["withdraw", "purge", "purged"]
        assert len(yard.log()[1]["versions"]) == 3


def test_what_a_cdn_has_to_forget() -> None:
    arn = "arn:aws:cloudfront::123456789012:distribution/E2EXAMPLE"
    assert invalidation(arn, "acme", "stable", [ONE]) == [
        "aws cloudfront create-invalidation --distribution-id E2EXAMPLE"
        " --paths '/files/acme/stable/torch_acme-1.0*' '/index/acme/stable/*'"
    ]
    assert invalidation(None, "acme", NIGHTLY.name, [])[0] == "to invalidate: /index/acme/nightly/*"
    assert invalidation_paths("acme", "stable", [ONE, "é.whl", "a b"]) == [
        "/files/acme/stable/*",
        "/files/acme/stable/a*",
        "/files/acme/stable/torch_acme-1.0*",
        "/index/acme/stable/*",
    ]
