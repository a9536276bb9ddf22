"""A plan as outputs of a job: matrices by level, and the limits of GitHub."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from imageyard.ci.providers.github.matrix import JOBS, outputs
from imageyard.errors import ConfigurationError, PolicyRefused
from imageyard.plan.delivery import Delivery
from imageyard.plan.matrix import RowJob, row_jobs
from imageyard.plan.plan import Action, RowKey

JOB = RowJob("tool", "amd64", "tool-1", "ubuntu-latest", 75, "tcp://127.0.0.1:1234", ("base",), 1)
MIRROR = Delivery("tool", "tool-1", "mirror", "work", "absent", to=("ghcr.io/a/b",))
EMPTY = '{"include":[]}'


def test_nothing_to_do() -> None:
    assert outputs([], [replace(MIRROR, do="skip"), replace(MIRROR, do="blocked")]) == {
        "has_work": "false",
        "has_report": "false",
        **{f"has_{name}": "false" for name in ("rows_0", "rows_1", "rows_2", "promote", "mirror")},
        **dict.fromkeys(("rows_0", "rows_1", "rows_2", "promote", "mirror"), EMPTY),
    }


def test_what_is_blocked_is_told_at_the_end_though_there_is_no_work() -> None:
    found = outputs([], [], blocked=True)
    assert (found["has_work"], found["has_report"]) == ("false", "true")


def test_a_row_is_in_the_matrix_of_its_level() -> None:
    found = outputs([JOB], [])
    assert {name for name, value in found.items() if value == "true"} == {"has_work", "has_report", "has_rows_1"}
    assert json.loads(found["rows_1"]) == {
        "include": [
            {
                "image": "tool",
                "arch": "amd64",
                "tag": "tool-1",
                "runner": "ubuntu-latest",
                "timeout": 75,
                "address": "tcp://127.0.0.1:1234",
                "needs": ["base"],
                "level": 1,
            }
        ]
    }
    assert found["rows_0"] == EMPTY


def test_a_mirror_alone_is_work() -> None:
    found = outputs([], [MIRROR])
    assert (found["has_work"], found["has_mirror"], found["has_promote"]) == ("true", "true", "false")
    assert json.loads(found["mirror"]) == {"include": [{"image": "tool", "tag": "tool-1", "to": ["ghcr.io/a/b"]}]}


def test_only_what_is_built_has_a_job() -> None:
    actions = [Action(RowKey(name, "amd64"), name, do, "") for name, do in (("a", "build"), ("b", "skip"))]  # type: ignore[arg-type]
    surroundings = {action.row: ("runner", 15, "") for action in actions}
    assert [job.image for job in row_jobs(actions, surroundings)] == ["a"]


def test_deeper_than_the_workflow() -> None:
    with pytest.raises(ConfigurationError, match="starts from 3 others") as refused:
        outputs([replace(JOB, level=3)], [])
    assert "the pattern base" in refused.value.hint[0]


@pytest.mark.parametrize(("count", "fits"), [(JOBS, True), (JOBS + 1, False)])
def test_the_jobs_of_a_matrix_are_counted(count: int, fits: bool) -> None:
    jobs = [replace(JOB, image=f"tool{n}") for n in range(count)]
    if fits:
        assert len(json.loads(outputs(jobs, [])["rows_1"])["include"]) == count
    else:
        with pytest.raises(PolicyRefused, match="rows_1 has 257 jobs"):
            outputs(jobs, [])


def test_outputs_larger_than_github_takes() -> None:
    jobs = [replace(JOB, needs=("x" * 2100,), image=f"tool{n}") for n in range(JOBS)]
    with pytest.raises(PolicyRefused, match="GitHub takes 1048576"):
        outputs(jobs, [])
