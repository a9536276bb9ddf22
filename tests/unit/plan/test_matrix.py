"""A plan as outputs of a job: matrices by wave, and the limits of GitHub."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from imageyard.ci.providers.github.matrix import JOBS, OUTPUT_BYTES, WAVES, jobs, outputs
from imageyard.errors import PolicyRefused
from imageyard.plan.delivery import Delivery
from imageyard.plan.matrix import RowJob, row_jobs
from imageyard.plan.plan import Action, RowKey

JOB = RowJob("tool", "amd64", "tool-1", "ubuntu-latest", 75, "tcp://127.0.0.1:1234", ("base",), 1)
MIRROR = Delivery("tool", "tool-1", "mirror", "work", "absent", to=("ghcr.io/a/b",))
EMPTY = '{"include":[]}'
MATRICES = (*(f"rows_{wave}" for wave in range(WAVES)), "promote", "mirror", "backup")


def found(rows: list[RowJob], delivered: list[Delivery], *, blocked: bool = False) -> dict[str, str]:
    return outputs(jobs(rows, delivered), blocked=blocked)


def test_nothing_to_do() -> None:
    assert found([], [replace(MIRROR, do="skip"), replace(MIRROR, do="blocked")]) == {
        "has_work": "false",
        "has_report": "false",
        **{f"has_{name}": "false" for name in MATRICES},
        **dict.fromkeys(MATRICES, EMPTY),
    }


def test_what_is_blocked_is_told_at_the_end_though_there_is_no_work() -> None:
    told = found([], [], blocked=True)
    assert (told["has_work"], told["has_report"]) == ("false", "true")


def test_a_row_is_in_the_matrix_of_its_level() -> None:
    told = found([JOB], [])
    assert {name for name, value in told.items() if value == "true"} == {"has_work", "has_report", "has_rows_1"}
    assert json.loads(told["rows_1"]) == {
        "include": [
            {
                "name": "tool amd64",
                "runner": "ubuntu-latest",
                "timeout": 75,
                "address": "tcp://127.0.0.1:1234",
                "emulates": "false",
            }
        ]
    }
    assert told["rows_0"] == EMPTY


@pytest.mark.parametrize(
    ("arch", "runner", "address", "emulates"),
    [
        ("s390x", "ubuntu-latest", "", "true"),
        ("s390x", "ubuntu-latest", "tcp://h:1", "false"),
        ("s390x", ["self-hosted", "z"], "", "false"),
        ("i386", "ubuntu-latest", "", "false"),
        ("amd64", "ubuntu-latest", "", "false"),
    ],
)
def test_which_job_installs_emulators(arch: str, runner: object, address: str, emulates: str) -> None:
    told = found([replace(JOB, arch=arch, runner=runner, address=address)], [])  # type: ignore[arg-type]
    assert json.loads(told["rows_1"])["include"][0]["emulates"] == emulates


def test_a_mirror_alone_is_work() -> None:
    told = found([], [MIRROR])
    assert (told["has_work"], told["has_mirror"], told["has_promote"]) == ("true", "true", "false")
    assert json.loads(told["mirror"]) == {"include": [{"name": "tool", "timeout": 120}]}


def test_only_what_is_built_has_a_job() -> None:
    actions = [Action(RowKey(name, "amd64"), name, do, "") for name, do in (("a", "build"), ("b", "skip"))]  # type: ignore[arg-type]
    surroundings = {action.row: ("runner", 15, "") for action in actions}
    assert [job.image for job in row_jobs(actions, surroundings)] == ["a"]  # type: ignore[arg-type]


def test_deeper_than_the_workflow_is_one_job() -> None:
    chain = [replace(JOB, image=f"i{level}", needs=(f"i{level - 1}",), level=level) for level in range(WAVES + 3)]
    told = found(chain, [])
    counts = [len(json.loads(told[f"rows_{wave}"])["include"]) for wave in range(WAVES)]
    assert counts == [1] * WAVES
    (last,) = json.loads(told[f"rows_{WAVES - 1}"])["include"]
    assert (last["name"], last["timeout"]) == (f"i{WAVES - 1} amd64 and 3 more", 4 * 75)


@pytest.mark.parametrize("count", [JOBS, JOBS + 1, 2000])
def test_the_jobs_of_a_matrix_are_counted(count: int) -> None:
    rows = [replace(JOB, image=f"tool{n}") for n in range(count)]
    images = [replace(MIRROR, image=f"tool{n}", to=("ghcr.io/a/b", "quay.io/a/b")) for n in range(count)]
    told = found(rows, images)
    for name in ("rows_1", "mirror"):
        assert count / (count // JOBS + 1) <= len(json.loads(told[name])["include"]) <= JOBS
    planned = jobs(rows, images)
    assert len(planned.of_row) == len(planned.of_image) == count


def test_a_plan_of_2000_rows_and_as_many_mirrors_is_within_githubs_limits() -> None:
    """With names as long as PyTorch's, in six levels: three times over its own matrix of 46 images and more."""
    name = "linux-jammy-cuda12.8-cudnn9-py3.12-gcc11-inductor-benchmarks"
    rows = [
        replace(JOB, image=f"{name}{n}", tag=f"{name}{n}-{'0' * 20}", level=n % WAVES, needs=()) for n in range(2000)
    ]
    images = [replace(MIRROR, image=row.image, step=step) for row in rows for step in ("promote", "mirror")]  # type: ignore[arg-type]
    told = found(rows, images)
    assert sum(len(key) + len(value) for key, value in told.items()) * 2 < OUTPUT_BYTES
    assert all(len(json.loads(told[name])["include"]) <= JOBS for name in MATRICES)


def test_outputs_larger_than_github_takes() -> None:
    rows = [replace(JOB, address=f"tcp://{'x' * 2100}:1", image=f"i{n}") for n in range(JOBS)]
    with pytest.raises(PolicyRefused, match="GitHub takes 1048576"):
        found(rows, [])
