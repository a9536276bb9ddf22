"""`inv plan` at the engine: what has to be built here, why, and after what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.yard.scratch import Yard

pytestmark = pytest.mark.engine


def plan(yard: Yard, *argv: str) -> dict[str, dict[str, Any]]:
    done = yard.inv("plan", "--json", *argv)
    assert done.code == 0, done.err
    return {row["image"]: row for row in json.loads(done.out)["rows"]}


def test_what_is_built_is_skipped_and_what_changed_says_what(yard: Yard) -> None:
    before = plan(yard)
    assert {row["action"] for row in before.values()} == {"build"}
    assert before["linux-bookworm-gcc12"]["needs"] == ["linux-bookworm-base"]
    assert before["linux-bookworm-base"]["level"] < before["linux-bookworm-gcc12"]["level"]

    assert yard.inv("build", "linux-bookworm-*").code == 0
    after = plan(yard, "--pattern", "linux-bookworm-*")
    assert {row["action"] for row in after.values()} == {"skip"}
    assert {name: row["tag"] for name, row in after.items()} == {name: before[name]["tag"] for name in after}
    assert yard.inv("plan", "--pattern", "linux-bookworm-*", "--exit-code").code == 3

    yard.edit("base/Dockerfile", "FROM", "# another line\nFROM")
    commented = plan(yard, "--pattern", "linux-bookworm-*")
    assert {row["action"] for row in commented.values()} == {"skip"}, "a comment is no part of the image"

    yard.edit("base/Dockerfile", "echo base", "echo another base")
    changed = plan(yard, "--pattern", "linux-bookworm-*")
    assert {row["action"] for row in changed.values()} == {"build"}
    reason = f"Dockerfile lost `RUN echo base of {yard.key}` since it was last built here, and 1 more"
    assert changed["linux-bookworm-base"]["reason"] == reason
    assert "linux-bookworm-base" in changed["linux-bookworm-gcc12"]["reason"]
