"""A plan as the matrices of a GitHub workflow: waves of jobs that build rows, jobs that promote, mirror and back up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from imageyard.errors import PolicyRefused
from imageyard.plan.delivery import Delivery, Step
from imageyard.plan.matrix import RowJob
from imageyard.plan.waves import ImagesJob, WaveJob, WorkflowJobs, spread

__all__ = ["JOBS", "WAVES", "jobs", "outputs"]

WAVES = 6
"""The jobs `rows-0` to `rows-5` of docker-builds.yml. What is deeper is built in the last one, a chain in a job."""

JOBS = 256
"""The most jobs that GitHub makes of one matrix (docs.github.com, "Actions limits")."""

OUTPUT_BYTES = 1024 * 1024
"""The most that a job may hand over in its outputs (docs.github.com, "Actions limits"), counted in UTF-16."""

LONGEST = 5 * 24 * 60
"""Minutes: the most that a job of a runner of one's own may take; GitHub's own end after 360 (the same page)."""

_MINUTES: Mapping[Step, int] = {"promote": 30, "mirror": 120, "backup": 120}

_PLAIN_RUNNER, _ITS_OWN = "ubuntu-latest", ("amd64", "i386")
"""The runner that the workflow installs emulators on, and what it runs without."""


def jobs(rows: Sequence[RowJob], delivered: Sequence[Delivery]) -> WorkflowJobs:
    """The jobs of the workflow. Raises ConfigurationError for a chain that no one machine builds."""
    return spread(rows, delivered, waves=WAVES, most=JOBS)


def outputs(planned: WorkflowJobs, *, blocked: bool = False) -> dict[str, str]:
    """The outputs of the deciding job: `has_work`, and for each matrix itself and whether it has a job.

    What a job builds stands in the plan, under the job's name: a matrix of any plan fits into the outputs of a job.
    `has_report`: there is something to tell at the end, if only that something is blocked. GitHub fails on a matrix
    without a job, so `has_rows_0` and its like are asked before. Raises PolicyRefused for more than GitHub hands over.
    """
    matrices: dict[str, list[Mapping[str, object]]] = {
        f"rows_{number}": [_rows_job(job) for job in wave] for number, wave in enumerate(planned.waves)
    }
    matrices |= {step: [_images_job(job, _MINUTES[step]) for job in jobs] for step, jobs in planned.steps.items()}
    work = any(matrices.values())
    found = {"has_work": _word(work), "has_report": _word(work or blocked)}
    for name, include in matrices.items():
        found[f"has_{name}"] = _word(bool(include))
        found[name] = json.dumps({"include": include}, separators=(",", ":"))
    size = sum(len(name) + len(value) for name, value in found.items()) * 2
    if size > OUTPUT_BYTES:
        raise PolicyRefused(
            f"the plan has {size} bytes as outputs of a job, and GitHub takes {OUTPUT_BYTES}",
            hint="run the workflow by hand with a pattern, one part of the catalogue after the other",
        )
    return found


def _rows_job(job: WaveJob) -> Mapping[str, object]:
    first = job.rows[0]
    emulates = first.runner == _PLAIN_RUNNER and not first.address and any(r.arch not in _ITS_OWN for r in job.rows)
    return {
        "name": job.name,
        "runner": first.runner,
        "timeout": min(job.timeout, LONGEST),
        "address": first.address,
        "emulates": _word(emulates),
    }


def _images_job(job: ImagesJob, minutes: int) -> Mapping[str, object]:
    timeout = min(minutes * len(job.images), LONGEST)
    return {"name": job.name, "timeout": timeout}


def _word(value: bool) -> str:
    return "true" if value else "false"
