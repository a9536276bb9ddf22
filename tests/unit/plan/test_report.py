"""What became of a plan: causes, and what hangs on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imageyard.ci.results import last, plan_of, results_of
from imageyard.errors import ConfigurationError, NotFound
from imageyard.plan.report import JobResult, code_of, report

BUILT = JobResult(0, "", "published", 12.5)
FAILED = JobResult(5, "RUN false ended with 1", "failed", 3.0)
PROMOTED = JobResult(0, "promote", "done")


def row(image: str, *needs: str, action: str = "build", code: int = 0, arch: str = "amd64") -> dict[str, Any]:
    return {
        "image": image,
        "arch": arch,
        "tag": f"{image}-1",
        "action": action,
        "reason": f"why {image}",
        "needs": list(needs),
        "code": code,
    }


def image(name: str, step: str, action: str = "work", code: int = 0) -> dict[str, Any]:
    return {
        "image": name,
        "step": step,
        "tag": f"{name}-2",
        "action": action,
        "reason": f"why {name}",
        "needs": [],
        "code": code,
    }


def told(
    plan: dict[str, Any], rows: dict[str, JobResult], images: dict[tuple[str, str], JobResult] | None = None
) -> dict[str, tuple[str, str]]:
    lines = report(plan, {(name, "amd64"): ended for name, ended in rows.items()}, images or {})
    return {f"{line.image} {line.what}": (line.outcome, line.why) for line in lines}


def test_all_went_well() -> None:
    plan = {"rows": [row("base"), row("tool", "base")], "images": [image("tool", "promote"), image("tool", "mirror")]}
    images = {("tool", "promote"): PROMOTED, ("tool", "mirror"): BUILT}
    assert told(plan, {"base": BUILT, "tool": BUILT}, images) == {
        "base amd64": ("published", "why base"),
        "tool amd64": ("published", "why tool"),
        "tool promote": ("done", "why tool"),
        "tool mirror": ("published", "why tool"),
    }
    assert code_of(report(plan, {(n, "amd64"): BUILT for n in ("base", "tool")}, images)) == 0


def test_a_failed_row_blocks_what_hangs_on_it_and_nothing_else() -> None:
    plan = {
        "rows": [row("base"), row("tool", "base"), row("other")],
        "images": [image("tool", "promote"), image("tool", "mirror"), image("other", "mirror")],
    }
    results = {"base": FAILED, "tool": JobResult(7, "its parent base is not there", "blocked"), "other": BUILT}
    images = {("tool", "promote"): JobResult(7, "absent", "failed"), ("other", "mirror"): BUILT}
    assert told(plan, results, images) == {
        "base amd64": ("failed", "[5] RUN false ended with 1"),
        "tool amd64": ("blocked", "its parent base failed"),
        "other amd64": ("published", "why other"),
        "tool promote": ("blocked", "its row for amd64 failed"),
        "tool mirror": ("blocked", "its row for amd64 failed"),
        "other mirror": ("published", "why other"),
    }
    lines = report(plan, {(name, "amd64"): ended for name, ended in results.items()}, images)
    assert [line.code for line in lines] == [5, 0, 0, 0, 0, 0]
    assert code_of(lines) == 5


def test_a_child_that_found_its_parent_elsewhere_is_what_it_is() -> None:
    plan = {"rows": [row("base"), row("tool", "base")], "images": []}
    assert told(plan, {"base": FAILED, "tool": BUILT})["tool amd64"] == ("published", "why tool")


def test_a_failed_promotion_blocks_the_mirror() -> None:
    plan = {"rows": [], "images": [image("tool", "promote"), image("tool", "mirror")]}
    assert told(plan, {}, {("tool", "promote"): JobResult(10, "a child is missing", "failed")}) == {
        "tool promote": ("failed", "[10] a child is missing"),
        "tool mirror": ("blocked", "to promote it failed"),
    }


@pytest.mark.parametrize(
    ("plan", "expected", "code"),
    [
        ({"rows": [row("a", action="blocked", code=8)], "images": []}, ("blocked", "why a"), 8),
        (
            {"rows": [row("a")], "images": []},
            ("lost", "its job left no result: it was lost, or cancelled, or never began"),
            9,
        ),
    ],
)
def test_a_row_without_a_result(plan: dict[str, Any], expected: tuple[str, str], code: int) -> None:
    assert told(plan, {}) == {"a amd64": expected}
    assert code_of(report(plan, {}, {})) == code


def test_results_are_read_by_the_names_of_their_artifacts(tmp_path: Path) -> None:
    record = {
        "image": "linux-tool",
        "arch": "arm64",
        "code": 6,
        "headline": "gcc: expected 12",
        "outcome": "check failed",
    }
    parent = {"image": "linux-base", "arch": "arm64", "code": 0, "headline": "", "outcome": "skipped", "seconds": 1}
    for name, content in {
        "result-row-linux-tool-arm64": {"code": 6, "headline": "h", "rows": [parent, record]},
        "result-row-linux-base-amd64": {"code": 4, "headline": "no engine answers", "rows": []},
        "result-promote-linux-tool": {"code": 0, "headline": "promote", "rows": []},
        "logs-linux-tool-arm64": {"code": 0, "rows": []},
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps(content))
    assert results_of(tmp_path) == (
        {
            ("linux-tool", "arm64"): JobResult(6, "gcc: expected 12", "check failed"),
            ("linux-base", "amd64"): JobResult(4, "no engine answers", "failed"),
        },
        {("linux-tool", "promote"): JobResult(0, "promote", "done")},
    )
    assert results_of(tmp_path / "nothing") == ({}, {})


@pytest.mark.parametrize("code", ["0", None, [0], {}])
def test_a_record_that_does_not_say_how_it_ended_is_of_a_failure(tmp_path: Path, code: object) -> None:
    """A job that builds what a pull request holds may write anything."""
    record = {"image": "linux-tool", "arch": "arm64", "code": code, "seconds": "long", "outcome": 1}
    (tmp_path / "result-row-linux-tool-arm64").mkdir()
    (tmp_path / "result-row-linux-tool-arm64" / "result.json").write_text(json.dumps({"code": 0, "rows": [record]}))
    assert results_of(tmp_path)[0] == {("linux-tool", "arm64"): JobResult(1, "", "1")}


@pytest.mark.parametrize(
    ("text", "words"), [("{", "is not JSON"), ("[]", "is not a map"), ('{"rows": []}', "is no plan")]
)
def test_what_is_no_plan(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        plan_of(tmp_path / "plan.json")


def test_the_last_run(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no run left a result here"):
        last(tmp_path)
    (tmp_path / "result.json").write_text('{"code": 5, "headline": "h", "rows": []}')
    assert last(tmp_path)["code"] == 5
    (tmp_path / "result.json").write_text('{"code": "5"}')
    with pytest.raises(ConfigurationError, match="is no result of a run"):
        last(tmp_path)
