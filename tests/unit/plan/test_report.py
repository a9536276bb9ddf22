"""What became of a plan: causes, and what hangs on them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from imageyard.ci.outputs import report_cells
from imageyard.ci.results import last, plan_of, results_of
from imageyard.errors import ConfigurationError, NotFound
from imageyard.plan.report import JobResult, code_of, report
from imageyard.records import Record, to_json

BUILT = JobResult(0, "", "published", 12.5)
FAILED = JobResult(5, "RUN false ended with 1", "failed", 3.0)
PROMOTED = JobResult(0, "promote", "done")
LOST = "its job left no result: it was lost, or cancelled, or never began"


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


def recorded(**fields: object) -> dict[str, object]:
    """A record as a run writes it, of linux-tool for arm64, which was built, but for `fields`."""
    return {**to_json(Record("linux-tool", "arm64", "built", 0, "", "2026-01-01T00:00:00.000+00:00")), **fields}


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
            ("lost", LOST),
            9,
        ),
    ],
)
def test_a_row_without_a_result(plan: dict[str, Any], expected: tuple[str, str], code: int) -> None:
    assert told(plan, {}) == {"a amd64": expected}
    assert code_of(report(plan, {}, {})) == code


def planned(rows: dict[tuple[str, str], str], images: dict[tuple[str, str], str] | None = None) -> dict[str, Any]:
    """A plan by the jobs of its rows, and of its images by step."""
    return {
        "rows": [{"image": image, "arch": arch, "job": job} for (image, arch), job in rows.items()],
        "images": [{"image": image, "step": step, "job": job} for (image, step), job in (images or {}).items()],
    }


def test_results_are_read_from_the_jobs_that_the_plan_names(tmp_path: Path) -> None:
    record = recorded(code=6, headline="gcc: expected 12", outcome="check failed")
    parent = recorded(image="linux-base", outcome="skipped", seconds=1)
    together = [
        recorded(image="linux-a", arch="amd64"),
        recorded(image="linux-b", arch="amd64", code=5, outcome="failed"),
    ]
    mirrored = [
        recorded(image="linux-tool", arch="all", outcome="published"),
        recorded(image="linux-base", arch="all", code=3, outcome="blocked", headline="gone"),
    ]
    for name, content in {
        "result-row-linux-tool arm64/result.json": {"code": 6, "headline": "h", "rows": [parent, record], "attempt": 2},
        "result-row-linux-base amd64/result.json": {"code": 4, "headline": "no engine answers", "rows": []},
        "result-row-linux-a amd64 and 2 more/result.json": {"code": 5, "headline": "h", "rows": together},
        "result-row-linux-d amd64 and 1 more/result.json": {"code": 4, "headline": "no engine", "rows": []},
        "result-promote-linux-tool/result.json": {"code": 0, "headline": "promote", "rows": []},
        "result-mirror-linux-tool and 1 more/result.json": {"code": 3, "headline": "h", "rows": mirrored},
        "logs-linux-tool-arm64/result.json": {"code": 0, "rows": []},
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    several, dead = "linux-a amd64 and 2 more", "linux-d amd64 and 1 more"
    plan = planned(
        {
            ("linux-tool", "arm64"): "linux-tool arm64",
            ("linux-base", "amd64"): "linux-base amd64",
            **{(f"linux-{name}", "amd64"): several for name in "abc"},
            **{(f"linux-{name}", "amd64"): dead for name in "de"},
            ("linux-lost", "amd64"): "linux-lost amd64",
        },
        {
            ("linux-tool", "promote"): "linux-tool",
            ("linux-tool", "mirror"): "linux-tool and 1 more",
            ("linux-base", "mirror"): "linux-tool and 1 more",
            ("linux-lost", "mirror"): "linux-tool and 1 more",
        },
    )
    rows, images = results_of(tmp_path, plan)
    assert rows == {
        ("linux-tool", "arm64"): JobResult(6, "gcc: expected 12", "check failed", attempt=2),
        ("linux-base", "amd64"): JobResult(4, "no engine answers", "failed"),
        ("linux-a", "amd64"): JobResult(0, "", "built"),
        ("linux-b", "amd64"): JobResult(5, "", "failed"),
        ("linux-d", "amd64"): JobResult(4, "no engine", "failed"),
        ("linux-e", "amd64"): JobResult(4, "no engine", "failed"),
    }, "linux-c never began, and neither its job nor its neighbour speak for it"
    assert images == {
        ("linux-tool", "promote"): JobResult(0, "promote", "done"),
        ("linux-tool", "mirror"): JobResult(0, "", "published"),
        ("linux-base", "mirror"): JobResult(3, "gone", "blocked"),
    }
    assert results_of(tmp_path / "nothing", plan) == ({}, {})


# what is in a result -> why it is not believed
INCREDIBLE: dict[str, tuple[object, str]] = {
    "no JSON": ("{", "is not JSON"),
    "not UTF-8": (b'{"\xff": 1}', "is not JSON"),
    "JSON that is nested too deep": ("[" * 100_000, "is not JSON"),
    "a list": ([], "is not a map"),
    "nothing": ({}, "lacks code"),
    "no headline": ({"code": 0, "rows": []}, "lacks headline"),
    "no rows": ({"code": 0, "headline": ""}, "lacks rows"),
    "rows that are none": ({"code": 0, "headline": "", "rows": [1]}, "row 0 is not a map"),
    "256, which would end with 0": ({"code": 256, "headline": "", "rows": []}, "has code 256"),
    "less than 0": ({"code": -1, "headline": "", "rows": []}, "has code -1"),
    "a code in quotes": ({"code": "0", "headline": "", "rows": []}, "has code '0'"),
    "a code that is a truth": ({"code": False, "headline": "", "rows": []}, "has code False"),
    "a code that is NaN": ('{"code": NaN, "headline": "", "rows": []}', "NaN is no number"),
    "a code without end": ('{"code": -Infinity, "headline": "", "rows": []}', "-Infinity is no number"),
    "a headline that is none": ({"code": 0, "headline": 1, "rows": []}, "has headline 1"),
    "an attempt that never was": ({"code": 0, "headline": "", "rows": [], "attempt": 0}, "has attempt 0"),
}

# fields of a record -> why it is not believed
INCREDIBLE_RECORDS: dict[str, tuple[dict[str, object], str]] = {
    "256": ({"code": 256, "outcome": "failed"}, "code is 256"),
    "a code in quotes": ({"code": "0"}, "code is '0'"),
    "no code": ({"code": None}, "code is None"),
    "another outcome than its code": ({"outcome": "failed"}, "has the outcome 'failed' with the exit code 0"),
    "another code than its outcome": ({"code": 5}, "has the outcome 'built' with the exit code 5"),
    "an outcome that nobody has": ({"outcome": "won"}, "outcome is 'won'"),
    "seconds in words": ({"seconds": "long"}, "seconds is 'long'"),
    "seconds without end": ({"seconds": float("inf")}, "Infinity is no number"),
    "seconds that are none": ({"seconds": float("nan")}, "NaN is no number"),
    "seconds before it began": ({"seconds": -1.0}, "seconds is -1.0"),
    "seconds of an age": ({"seconds": 1e300}, "seconds is 1e"),
    "a size beyond all": ({"size": 10**400}, "size is 1000"),
    "fewer steps than none": ({"steps": -1}, "steps is -1"),
}


def incredible() -> list[object]:
    whole = [pytest.param(content, words, id=what) for what, (content, words) in INCREDIBLE.items()]
    return whole + [
        pytest.param({"code": 0, "headline": "", "rows": [recorded(**fields)]}, words, id=f"a record with {what}")
        for what, (fields, words) in INCREDIBLE_RECORDS.items()
    ]


@pytest.mark.parametrize(("content", "words"), incredible())
def test_a_result_that_is_not_believed_is_a_failure_and_hides_no_other(
    tmp_path: Path, content: object, words: str
) -> None:
    """A job that builds what a pull request holds may write anything."""
    rows = [("linux-other", "amd64"), ("linux-tool", "arm64"), ("linux-zebra", "amd64")]
    for name in (f"result-row-{image} {arch}" for image, arch in rows):
        (tmp_path / name).mkdir()
        good = json.dumps({"code": 0, "headline": "", "rows": []})
        (tmp_path / name / "result.json").write_text(good)
    text = content if isinstance(content, (str, bytes)) else json.dumps(content)
    file = tmp_path / "result-row-linux-tool arm64" / "result.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())

    found = results_of(tmp_path, planned({row: " ".join(row) for row in rows}))[0]
    bad = found.pop(("linux-tool", "arm64"))
    assert (bad.code, bad.outcome, bad.seconds) == (2, "failed", None)
    assert words in bad.headline
    assert set(found.values()) == {JobResult(0, "", "done")}
    lines = report({"rows": [row("linux-tool", arch="arm64")], "images": []}, {("linux-tool", "arm64"): bad}, {}, 3)
    assert code_of(lines) == 2
    assert report_cells(lines)[0][3].startswith(f"[2] {file}"), "the report is written, and names the file"
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        last(file.parent)


# attempt of the plan, attempt of the result, attempt now -> the line of a row that succeeded, of one that failed
ATTEMPTS = [
    (1, 1, 1, ("published", "why a"), ("failed", "[5] RUN false ended with 1")),
    (
        1, 1, 2,
        ("published", "why a"),
        ("failed", "[5] RUN false ended with 1 (attempt 1; attempt 2 left no result)"),
    ),
    (1, 2, 2, ("published", "why a"), ("failed", "[5] RUN false ended with 1")),
    (2, 1, 2, ("lost", LOST), ("lost", LOST)),
    (2, 2, 2, ("published", "why a"), ("failed", "[5] RUN false ended with 1")),
    (2, 2, 3, ("published", "why a"), ("failed", "[5] RUN false ended with 1 (attempt 2; attempt 3 left no result)")),
    (3, 2, 3, ("lost", LOST), ("lost", LOST)),
]  # fmt: skip


@pytest.mark.parametrize(("planned", "ran", "now", "success", "failure"), ATTEMPTS)
def test_a_result_of_an_earlier_attempt(
    planned: int, ran: int, now: int, success: tuple[str, str], failure: tuple[str, str]
) -> None:
    """GitHub keeps artifacts of all attempts of a run; which jobs are begun again is a person's choice."""
    plan = {"rows": [row("a"), row("b")], "images": [image("a", "promote")], "attempt": planned}
    rows = {("a", "amd64"): BUILT._replace(attempt=ran), ("b", "amd64"): FAILED._replace(attempt=ran)}
    lines = report(plan, rows, {("a", "promote"): PROMOTED._replace(attempt=ran)}, now)
    assert [(line.outcome, line.why) for line in lines[:2]] == [success, failure]
    assert lines[2].outcome == ("done" if success[0] == "published" else "blocked")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"code": 256}, "rows 0 has code 256"),
        ({"needs": "base"}, "rows 0 has needs 'base'"),
        ({"needs": [1]}, "rows 0 has needs"),
        ({"tag": None}, "rows 0 has tag None"),
        ({"arch": ...}, "rows 0 lacks arch"),
    ],
)
def test_a_plan_that_is_not_believed(tmp_path: Path, change: dict[str, object], words: str) -> None:
    planned = {key: value for key, value in {**row("a"), **change}.items() if value is not ...}
    (tmp_path / "plan.json").write_text(json.dumps({"rows": [planned], "images": []}))
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        plan_of(tmp_path / "plan.json")


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
    assert last(tmp_path) == (5, "h", (), 1)
