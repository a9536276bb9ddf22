"""Rows as the jobs of a workflow: waves of jobs, one after the other, however many rows and however deep.

The jobs of a workflow are written down, so there is a fixed number of waves. Rows of the deepest levels go to the last
wave, where one job builds all rows that hang together; and where a wave has more rows than jobs, a job builds several.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from imageyard.errors import ConfigurationError
from imageyard.plan.delivery import STEPS, Delivery, Step
from imageyard.plan.matrix import RowJob
from imageyard.plan.plan import RowKey

__all__ = ["ImagesJob", "WaveJob", "WorkflowJobs", "spread"]


@dataclass(frozen=True)
class WaveJob:
    """Rows that one job builds one after the other, parents first; all on the same runner and by the same worker."""

    rows: tuple[RowJob, ...]

    @property
    def name(self) -> str:
        """The job as a person reads it; no other job of the plan has the same."""
        return _several([f"{row.image} {row.arch}" for row in self.rows])

    @property
    def timeout(self) -> int:
        """How long it may take, in minutes."""
        return sum(row.timeout for row in self.rows)


@dataclass(frozen=True)
class ImagesJob:
    """Images that one job promotes, copies to mirrors or backs up, one after the other."""

    images: tuple[str, ...]

    @property
    def name(self) -> str:
        """The job as a person reads it; no other job of its step has the same."""
        return _several(self.images)


@dataclass(frozen=True)
class WorkflowJobs:
    """The jobs of a workflow: waves of rows, and those of each step that images take as wholes."""

    waves: tuple[tuple[WaveJob, ...], ...]
    steps: Mapping[Step, tuple[ImagesJob, ...]]

    @cached_property
    def of_row(self) -> Mapping[RowKey, str]:
        """The name of the job that builds a row."""
        jobs = (job for wave in self.waves for job in wave)
        return {RowKey(row.image, row.arch): job.name for job in jobs for row in job.rows}

    @cached_property
    def of_image(self) -> Mapping[tuple[str, Step], str]:
        """The name of the job that takes a step with an image."""
        return {(image, step): job.name for step, jobs in self.steps.items() for job in jobs for image in job.images}


def spread(rows: Sequence[RowJob], delivered: Sequence[Delivery], *, waves: int, most: int) -> WorkflowJobs:
    """Spread rows, parents first, over some waves of at most `most` jobs each, and images likewise over each step.

    A row is in a later wave than what it starts from, or behind it in the same job of the last wave.
    Raises ConfigurationError for rows that hang together there and want different machines.
    """
    last = waves - 1
    units = [[WaveJob((row,)) for row in rows if row.level == level] for level in range(last)]
    units.append([_one_job(each) for each in _together([row for row in rows if row.level >= last])])
    steps: dict[Step, tuple[ImagesJob, ...]] = {}
    for step in STEPS:
        images = [one.image for one in delivered if one.step == step and one.do == "work"]
        size = -(-len(images) // most) or 1
        if step == "backup":  # one job, for it writes down all that is published at this commit
            size = len(images) or 1
        steps[step] = tuple(ImagesJob(tuple(images[at : at + size])) for at in range(0, len(images), size))
    return WorkflowJobs(tuple(tuple(_packed(each, most)) for each in units), steps)


def _several(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _together(jobs: Sequence[RowJob]) -> list[list[RowJob]]:
    """Rows that start from one another, or from the same one, as far as all of them are among these."""
    groups: dict[RowKey, list[RowJob]] = {}
    for job in jobs:  # parents first
        own = groups[RowKey(job.image, job.arch)] = [job]
        for need in job.needs:
            group = groups.get(RowKey(need, job.arch), own)
            if group is not own:
                group += own
                groups |= dict.fromkeys([RowKey(member.image, member.arch) for member in own], group)
                own = group
    found: dict[int, list[RowJob]] = {id(group): group for group in groups.values()}
    order = {id(job): number for number, job in enumerate(jobs)}
    return [sorted(group, key=lambda job: order[id(job)]) for group in found.values()]


def _one_job(rows: Sequence[RowJob]) -> WaveJob:
    for row in rows:
        if _machine(row) != _machine(rows[0]):
            raise ConfigurationError(
                f"{row.image} starts from {rows[0].image}, deeper than a workflow has waves of jobs, so that one job "
                "builds both: but they want different machines",
                doing="planning for a workflow",
                hint="give them the same runner, or build the lower ones first, by name",
            )
    return WaveJob(tuple(rows))


def _packed(jobs: Sequence[WaveJob], most: int) -> list[WaveJob]:
    """The same rows in at most `most` jobs, of about the same number of rows each."""
    if len(jobs) <= most:
        return list(jobs)
    by_machine: dict[object, list[WaveJob]] = {}
    for job in jobs:
        by_machine.setdefault(_machine(job.rows[0]), []).append(job)
    size = 1
    while sum(-(-len(each) // size) for each in by_machine.values()) > most:
        size += 1
    parts = (each[start : start + size] for each in by_machine.values() for start in range(0, len(each), size))
    return [WaveJob(tuple(row for job in part for row in job.rows)) for part in parts]


def _machine(row: RowJob) -> object:
    return json.dumps(row.runner, sort_keys=True), row.address
