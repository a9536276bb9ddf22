"""Facts in the record of a row: what is kept of each command, and what is said of one that is not."""

from __future__ import annotations

from pathlib import Path

from imageyard.ran import Ended
from imageyard.run.facts import keep_facts
from support.building.checkout import scene_of


def test_facts_are_sorted_lines_in_the_record(tmp_path: Path) -> None:
    run = scene_of(tmp_path).row("linux-base").run
    keep_facts(run, lambda: {"packages": Ended(0, "b 2\na 1\n", "a warning"), "none": Ended(0, "")})
    assert (run.record.facts, run.record.remarks) == ({"packages": ("a 1", "b 2"), "none": ()}, ())


def test_a_reason_is_a_remark(tmp_path: Path) -> None:
    run = scene_of(tmp_path).row("linux-base").run
    keep_facts(run, lambda: "built by remote workers")
    assert (run.record.facts, run.record.remarks) == ({}, ("no facts: built by remote workers",))
