"""A plan as the matrices of a GitHub workflow: the rows of each level, the images to promote, the images to mirror."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from imageyard.errors import ConfigurationError, PolicyRefused
from imageyard.plan.delivery import Delivery
from imageyard.plan.matrix import RowJob

__all__ = ["JOBS", "LEVELS", "outputs"]

LEVELS = 3
"""The jobs of a workflow are written down, so its levels are counted: bases, what starts from them, and once more."""

JOBS = 256
"""The most jobs that GitHub makes of one matrix (docs.github.com, "Actions limits")."""

OUTPUT_BYTES = 1024 * 1024
"""The most that a job may hand over in its outputs (docs.github.com, "Actions limits"), counted in UTF-16."""


def outputs(jobs: Sequence[RowJob], delivered: Sequence[Delivery], *, blocked: bool = False) -> dict[str, str]:
    """The outputs of the deciding job: `has_work`, and for each matrix itself and whether it has a job.

    `has_report`: there is something to tell at the end, if only that something is blocked. GitHub fails on a matrix
    without a job, so `has_rows_0` and its like are asked before. Raises ConfigurationError for levels deeper than a
    workflow has, PolicyRefused for more jobs than GitHub starts.
    """
    found: dict[str, str] = {}
    if deep := [job for job in jobs if job.level >= LEVELS]:
        raise ConfigurationError(
            f"{deep[0].image} starts from {deep[0].level} others, one on the other, that all have to be built",
            doing=f"planning for a workflow, which has {LEVELS} levels of builds",
            hint=f"build the lowest first, by name: a run with the pattern {deep[0].needs[0]}",
        )
    matrices: dict[str, list[dict[str, Any]]] = {
        f"rows_{level}": [asdict(job) for job in jobs if job.level == level] for level in range(LEVELS)
    }
    for step in ("promote", "mirror"):
        matrices[step] = [
            {"image": one.image, "tag": one.tag, "to": list(one.to)}
            for one in delivered
            if one.step == step and one.do == "work"
        ]
    for name, include in matrices.items():
        if len(include) > JOBS:
            raise PolicyRefused(
                f"{name} has {len(include)} jobs, and GitHub starts at most {JOBS} of one matrix",
                hint=(
                    "run the workflow by hand with a pattern, one part of the catalogue after the other;",
                    "what is there by then is not built again",
                ),
            )
        found[f"has_{name}"] = _word(bool(include))
        found[name] = json.dumps({"include": include}, separators=(",", ":"))
    work = any(matrices.values())
    found = {"has_work": _word(work), "has_report": _word(work or blocked), **found}
    size = sum(len(name) + len(value) for name, value in found.items()) * 2
    if size > OUTPUT_BYTES:
        raise PolicyRefused(
            f"the plan has {size} bytes as outputs of a job, and GitHub takes {OUTPUT_BYTES}",
            hint="run the workflow by hand with a pattern, one part of the catalogue after the other",
        )
    return found


def _word(value: bool) -> str:
    return "true" if value else "false"
