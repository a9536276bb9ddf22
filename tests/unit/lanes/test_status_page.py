"""The page of all lanes: what it says, that hostile names stay text in it, and where it is written."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.console import Story
from imageyard.errors import EnvironmentLacks, PolicyRefused
from imageyard.lanes.channels import NIGHTLY, STABLE
from imageyard.lanes.document import parse
from imageyard.lanes.lane_requests import Request, TakenBack, executed
from imageyard.lanes.lane_results import ResultSignal
from imageyard.lanes.lane_status import (
    ChannelFacts,
    ChannelStatus,
    ObjectFacts,
    OpenRequest,
    status_of,
    with_lane_sums,
)
from imageyard.lanes.status_page import DATA, HTML, status_data, status_html
from imageyard.lanes.status_table import HEADERS
from imageyard.lanes.status_writing import write_status_page
from support.lanes.catalogues import HEAD
from support.lanes.memory_s3 import MemoryS3

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
WHEEL = "torch_acme-1.0+acme-py3-none-any.whl"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\x1b[31m\u202e"
LANES = f"{HEAD}lanes:\n  acme: acme-ai/torch-acme@812345678\n  acme-evil: acme-evil/torch-acme-evil@812345679\n"


def status(**more: Any) -> ChannelStatus:
    objects = {WHEEL: ObjectFacts(1000, NOW - timedelta(days=3))}
    said = {"lane": "acme", "channel": STABLE, "state": "active", "quota": 2**30, "objects": objects}
    return status_of(ChannelFacts(**{**said, **more}), None, NOW)


class Seen(HTMLParser):
    """The elements, the attributes and the text of a page, by a parser that is not ours."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_result_of_tests_leads_to_where_they_ran() -> None:
    address = 'https://ci.example/"><script>alert(1)</script>'
    seen = Seen(status_html([status(tests=ResultSignal(WHEEL, "failed", address))], (), NOW))
    assert ("href", address) in seen.attributes
    assert ("rel", "nofollow noreferrer") in seen.attributes
    assert "script" not in seen.tags


def test_every_channel_has_a_row_with_a_cell_for_each_column() -> None:
    late = status(lane="acme", channel=replace(NIGHTLY, every=86400.0))
    seen = Seen(status_html([status(), late], (), NOW))
    assert (seen.tags.count("td"), seen.tags.count("th")) == (2 * len(HEADERS), len(HEADERS))
    assert "3 d ago" in seen.text
    assert ("class", "bad") in seen.attributes, "it is late"
    assert "Could not be read" not in seen.text


def test_what_has_to_be_looked_at_is_below() -> None:
    asked = [OpenRequest("acme/1", "yank x", NOW)]
    one = status(requests=asked, waiting=["new.whl"], unreadable=[("p/index.html", "cannot be read: no")])
    seen = Seen(status_html([one], ["globex nightly"], NOW))
    for words in (
        "globex nightly",
        "acme stable: p/index.html cannot be read: no",
        "acme stable: acme/1: yank x, since 2026-11-28T12:00:00+00:00",
        "acme stable: new.whl",
    ):
        assert words in seen.text


def test_both_channels_of_a_lane_stand_out_where_it_is_over_its_quota() -> None:
    """Each of them is below it."""
    one, two = status(quota=1500), status(quota=1500, channel=NIGHTLY)
    assert b"class=bad" not in status_html([one, two], (), NOW)
    page = status_html(with_lane_sums([one, two], ()), (), NOW)
    assert page.count(b'data-name="quota" class=bad') == 2


def test_a_withdrawal_that_nobody_told_of_is_named_on_the_page() -> None:
    asked = Request("acme", "stable", "withdraw", (WHEEL,), "it leaks", "release@acme", "")
    entry = executed(1, "acme/1", asked, {WHEEL}, TakenBack(), NOW - timedelta(days=8), "")
    seen = Seen(status_html([status(log=[entry])], (), NOW))
    assert f"acme stable: nobody told of the withdrawal of {WHEEL} by 2026-11-27" in seen.text


def test_the_page_has_no_script_and_asks_nobody() -> None:
    page = status_html([status()], (), NOW, linked=True).decode()
    seen = Seen(page.encode())
    assert {"script", "link", "img", "iframe", "object", "base"}.isdisjoint(seen.tags)
    assert [value for name, value in seen.attributes if name in ("href", "src")] == [DATA, "acme/stable/"]
    assert not any(name.startswith("on") or name == "style" for name, _ in seen.attributes)
    style = page.partition("<style>")[2].partition("</style>")[0]
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{hashed}'" in page
    assert not re.search(r"url\(|@import|https?://", style)
    assert "prefers-color-scheme:dark" in style
    assert 'name="viewport"' in page


@pytest.mark.parametrize("where", ["waiting", "requests", "unreadable", "unread"])
def test_hostile_names_stay_text(where: str) -> None:
    plain = Seen(status_html([status(waiting=["x"])], ["x"], NOW)).tags
    said: dict[str, Any] = {
        "waiting": {"waiting": [HOSTILE]},
        "requests": {"requests": [OpenRequest(HOSTILE, HOSTILE, NOW)]},
        "unreadable": {"unreadable": [(HOSTILE, HOSTILE)]},
        "unread": {},
    }[where]
    page = status_html([status(**said)], [HOSTILE] if where == "unread" else [], NOW)
    seen = Seen(page)
    assert set(seen.tags) <= set(plain)
    assert "<script>alert(1)</script>" in seen.text
    assert b"\x1b" not in page


@given(st.text(max_size=60))
def test_any_name_stays_text(name: str) -> None:
    tags = Seen(status_html([status(waiting=["x"])], (), NOW)).tags
    assert Seen(status_html([status(waiting=[name])], (), NOW)).tags == tags


def test_the_same_as_json() -> None:
    found = json.loads(status_data([status(waiting=[HOSTILE])], ["globex nightly"], NOW))
    assert (found["written"], found["unread"]) == ("2026-11-28T12:00:00+00:00", ["globex nightly"])
    assert found["channels"][0]["waiting"] == [HOSTILE]


def test_the_page_goes_into_a_folder_or_above_the_indexes(tmp_path: Path) -> None:
    s3, found = MemoryS3(), parse(LANES)
    told, error = write_status_page(found, tmp_path / "site", s3.bucket(), Story.detect(), s3.clock())
    assert (told, error, s3.objects) == (str(tmp_path / "site"), None, {})
    assert {path.name for path in (tmp_path / "site").iterdir()} == {HTML, DATA}
    assert len(json.loads((tmp_path / "site" / DATA).read_bytes())["channels"]) == 4

    write_status_page(found, None, s3.bucket(), Story.detect(), s3.clock())
    assert s3.writes()[-2:] == [f"index/{DATA}", f"index/{HTML}"], "the data before the page"
    assert b'href="acme-evil/nightly/"' in s3.objects[f"index/{HTML}"].body
    assert b'href="acme' not in (tmp_path / "site" / HTML).read_bytes(), "nothing is below a folder elsewhere"


def test_what_cannot_be_read_is_named_on_the_page(tmp_path: Path) -> None:
    s3 = MemoryS3()
    s3.put("log/00000007.json", b"{}")
    _, error = write_status_page(parse(LANES), tmp_path, s3.bucket(), Story.detect(), s3.clock())
    assert isinstance(error, PolicyRefused)
    assert json.loads((tmp_path / DATA).read_bytes())["unread"][0] == "acme nightly"
    assert "Could not be read" in Seen((tmp_path / HTML).read_bytes()).text


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    s3 = MemoryS3()
    with pytest.raises(EnvironmentLacks):
        write_status_page(parse(LANES), tmp_path / "file" / "site", s3.bucket(), Story.detect(), s3.clock())
    assert s3.calls == []
