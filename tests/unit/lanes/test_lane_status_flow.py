"""The status of lanes out of a bucket in memory: real wheels, the real indexer, and what somebody else did to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from imageyard.console import Story
from imageyard.errors import ImageyardError, PolicyRefused, exit_code
from imageyard.lanes.document import parse
from imageyard.lanes.index_update import update_index
from imageyard.lanes.lane_results import ResultSignal
from imageyard.lanes.lane_rules import lane_channel
from imageyard.lanes.lane_status import ChannelStatus
from imageyard.lanes.model import LaneCatalogue
from imageyard.lanes.places import PROVENANCE, file_key, request_key
from imageyard.lanes.posted_results import post_result
from imageyard.lanes.status_reading import lane_statuses
from imageyard.lanes.upload import upload_file
from support.lanes.catalogues import HEAD
from support.lanes.channels import BY, names, request, wheel_file
from support.lanes.memory_s3 import MemoryS3
from support.lanes.signed import key, signer

ONE, TWO = names("1.0+acme", "1.1+acme")
PAGES = "index/acme/stable/simple/torch-acme"
LANES = f"{HEAD}channels: {{nightly: {{every: 24h}}}}\nlanes:\n  acme: acme-ai/torch-acme@812345678\n"


class Shop:
    """A lane with two files that were indexed; `status` is that of its channel stable."""

    def __init__(self, folder: Path) -> None:
        self.s3, self.found = MemoryS3(), parse(LANES)
        self.folder = folder
        self.rules = lane_channel(self.found, "acme", "stable")
        self.upload(ONE, TWO)
        self.index()

    def upload(self, *wheels: str) -> None:
        for name in wheels:
            upload_file(self.s3.bucket(), self.rules, wheel_file(self.folder, name), BY, self.s3.clock())

    def index(self) -> None:
        update_index(self.s3.bucket(), self.rules, self.s3.clock())

    def ask(self, name: str, body: bytes, asker: str = "acme") -> None:
        self.s3.put(request_key(asker, name), body)

    def statuses(self, found: LaneCatalogue | None = None) -> tuple[dict[str, ChannelStatus], ImageyardError | None]:
        before = dict(self.s3.objects)
        done, error = lane_statuses(found or self.found, None, self.s3.bucket(), Story.detect(), self.s3.clock())
        assert self.s3.objects == before, "nothing is written"
        return {one.channel: one for one in done}, error

    @property
    def status(self) -> ChannelStatus:
        return self.statuses()[0]["stable"]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_lane_that_is_as_it_should_be(shop: Shop) -> None:
    found, error = shop.statuses()
    assert error is None
    stable, nightly = found["stable"], found["nightly"]
    assert (stable.files, stable.listed, stable.faults, stable.waiting) == (2, 2, (), ())
    assert stable.verified == {"no provenance": 2}
    assert (nightly.nightly, nightly.files, nightly.is_consistent) == ("no upload yet", 0, True)
    assert stable.age is not None


def test_what_the_indexer_has_not_read_waits(shop: Shop) -> None:
    (three,) = names("1.2+acme")
    shop.upload(three)
    assert (shop.status.waiting, shop.status.listed, shop.status.is_consistent) == ((three,), 2, True)
    shop.index()
    assert (shop.status.waiting, shop.status.listed) == ((), 3)


def test_requests_are_open_until_they_are_executed(shop: Shop) -> None:
    shop.ask("1", request("yank", ONE))
    shop.ask("2", request("withdraw", TWO, lane="acme"), asker="centre")
    shop.ask("3", request("withdraw", TWO, lane="globex"), asker="centre")
    shop.ask("4", b"no JSON")
    found, error = shop.statuses()
    assert error is None
    told = {one.id: one.what for one in found["stable"].requests}
    assert told == {
        "acme/1": f"yank {ONE}",
        "centre/2": f"withdraw {TWO}",
        "acme/4": "the request is no JSON",
    }
    assert [one.id for one in found["nightly"].requests] == ["acme/4"], "nobody knows which channel it is about"
    shop.index()
    after = shop.status
    assert (after.requests, after.faults, after.listed) == ((), (), 1)


def test_withdrawals_are_named_until_everybody_is_told(shop: Shop) -> None:
    """Also long after the indexer read the log: its state has no dates."""
    shop.ask("1", request("withdraw", ONE))
    shop.index()
    assert shop.status.untold == ()
    shop.s3.seconds += 8 * 86400
    shop.index()
    (untold,) = shop.status.untold
    assert (untold.filename, untold.days_left) == (ONE, -1)
    assert shop.statuses()[0]["nightly"].untold == ()
    shop.ask("2", request("withdraw", ONE, disclosure="2020-01-01"))
    shop.index()
    assert shop.status.untold == ()


def test_the_quota_counts_both_channels(shop: Shop) -> None:
    shop.rules = lane_channel(shop.found, "acme", "nightly")
    shop.upload(*names("1.0.dev1+acme"))
    found, _ = shop.statuses()
    used = {name: one.used for name, one in found.items()}
    assert min(used.values()) > 0
    assert {one.lane_used for one in found.values()} == {sum(used.values())}


def test_the_provenance_of_files_is_looked_into(shop: Shop) -> None:
    """One file has provenance that holds, one lost a key of the lane, one has none; nothing is listed for it."""
    (three,) = names("1.2+acme")
    bucket, clock = shop.s3.bucket(), shop.s3.clock()
    keys = f"keys: {{a: {key().public.line}, b: {key(seed=2).public.line}}}"
    shop.found = parse(
        LANES.replace("acme-ai/torch-acme@812345678", f"{{repository: acme-ai/torch-acme@812345678, {keys}}}")
    )
    shop.rules = lane_channel(shop.found, "acme", "stable")
    for name, seed in ((TWO, 1), (three, 2)):
        upload_file(bucket, shop.rules, wheel_file(shop.folder, name), BY, clock, signer(seed=seed))
    shop.index()
    assert shop.status.verified == {"verified": 2, "no provenance": 1}
    shop.s3.put(file_key("acme", "stable", ONE) + PROVENANCE, b"{}")
    assert shop.status.verified == {"verified": 2, "refused": 1}
    clock.sleep(1)
    said = (three, "warned", "https://ci.example/7")
    post_result(bucket, shop.rules, said, signer(seed=2), clock)
    assert shop.status.tests == ResultSignal(three, "warned", "https://ci.example/7")
    told = lane_catalogue_without(shop.found, "b")
    refused = shop.statuses(told)[0]["stable"].tests
    assert refused is not None
    assert (refused.filename, refused.outcome) == (three, None)
    assert shop.statuses(told)[0]["stable"].verified == {"verified": 1, "refused": 2}


def lane_catalogue_without(found: LaneCatalogue, gone: str) -> LaneCatalogue:
    lane = found.lanes["acme"]
    return replace(found, lanes={"acme": replace(lane, keys=tuple(one for one in lane.keys if one.name != gone))})


def _gone(shop: Shop) -> None:
    del shop.s3.objects[file_key("acme", "stable", ONE)]


def _other_bytes(shop: Shop) -> None:
    key = file_key("acme", "stable", ONE)
    shop.s3.objects[key] = replace(shop.s3.objects[key], body=b"other", sha256=None)


def _without_state(shop: Shop) -> None:
    del shop.s3.objects["state/acme/stable.json"]


def _page(shop: Shop, name: str, old: bytes, new: bytes) -> None:
    key = f"{PAGES}/{name}"
    assert old in shop.s3.objects[key].body
    shop.s3.objects[key] = replace(shop.s3.objects[key], body=shop.s3.objects[key].body.replace(old, new))


def _withdrawn_and_not_written(shop: Shop) -> None:
    """The indexer was killed after the log and before the pages."""
    pages = {key: found for key, found in shop.s3.objects.items() if key.startswith("index/")}
    shop.ask("1", request("withdraw", ONE))
    shop.index()
    shop.s3.objects.update(pages)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_gone, f"names {ONE}, which is not there"),
        (_other_bytes, f"says another sha256 of {ONE} than it has"),
        (lambda shop: (_without_state(shop), _other_bytes(shop)), f"says another sha256 of {ONE} than it has"),
        (_withdrawn_and_not_written, f"names {ONE}, which was withdrawn"),
        (lambda shop: _page(shop, "index.v1_json", b'"files"', b'"no"'), "torch-acme/index.v1_json cannot be read"),
        (
            lambda shop: _page(shop, "index.html", b"#sha256=", b"#sha256=" + b"0" * 64),
            "index.html says another sha256",
        ),
    ],
    ids=["gone", "other bytes", "other bytes, no state", "withdrawn", "no page", "another hash in HTML"],
)
def test_an_index_that_is_not_true_ends_with_10(shop: Shop, change: Callable[[Shop], object], words: str) -> None:
    change(shop)
    found, error = shop.statuses()
    assert any(words in fault for fault in found["stable"].faults)
    assert isinstance(error, PolicyRefused)
    assert exit_code(error) == 10
    assert "acme stable" in error.headline


def test_a_state_that_was_lost_costs_time_and_nothing_else(shop: Shop) -> None:
    before = shop.status
    _without_state(shop)
    assert replace(shop.status, waiting=()) == before


def test_late_and_over_quota_are_answers_and_no_errors(shop: Shop) -> None:
    small = parse(LANES.replace("50GiB", "1MiB"))
    lane = small.lanes["acme"]
    found, error = shop.statuses(replace(small, lanes={"acme": replace(lane, quota=1, state="suspended")}))
    assert error is None
    assert found["stable"].used > found["stable"].quota
    assert found["stable"].state == "suspended"


def test_a_log_that_was_changed_is_told_and_other_lanes_are_read(shop: Shop) -> None:
    shop.s3.put("log/00000007.json", b"{}")
    found, error = shop.statuses()
    assert found == {}
    assert isinstance(error, PolicyRefused)
