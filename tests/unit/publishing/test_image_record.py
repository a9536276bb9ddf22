"""The record of an image as a whole: interrupted until it ends, and how it ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from imageyard.errors import ImageyardError, NotFound, PolicyRefused
from imageyard.publishing.image_record import ImageRecord
from imageyard.runs import Run
from support.services import services


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [(None, "skipped", 0), (PolicyRefused("must not"), "refused", 10), (NotFound("is not there"), "blocked", 7)],
)
def test_it_is_interrupted_until_it_ends(tmp_path: Path, error: ImageyardError | None, outcome: str, code: int) -> None:
    around = services(run=Run(tmp_path / "20260101T000000.001Z-0000", owner=True))
    file = around.run.folder / "rows" / "linux-x.all.json"
    record = ImageRecord(around, "linux-x", forced=True)
    begun = json.loads(file.read_bytes())
    assert (begun["outcome"], begun["code"], begun["forced"]) == ("interrupted", 130, True)

    record.end(error, "skipped", why="it is there")
    ended = json.loads(file.read_bytes())
    assert (ended["outcome"], ended["code"], ended["why"]) == (outcome, code, "it is there")
    assert ended["headline"] == (error.headline if error else "")
    assert ended["started"] == begun["started"] <= ended["ended"]
