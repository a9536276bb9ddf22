"""The jobs of the rows that a plan builds: what each has to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from imageyard.names import Arch
from imageyard.plan.plan import Action, RowKey

__all__ = ["PlainRunner", "RowJob", "Surroundings", "row_jobs"]

PlainRunner: TypeAlias = str | list[str] | dict[str, object]
"""A runner in a workflow's words: a label, a list of labels, or a map of group and labels."""

Surroundings: TypeAlias = tuple[PlainRunner, int, str]


@dataclass(frozen=True)
class RowJob:
    """What the job of a row has to know. `timeout` is in minutes, `address` that of its BuildKit worker or empty.

    `needs` are the images whose rows of the same architecture are built before it.
    """

    image: str
    arch: Arch
    tag: str
    runner: PlainRunner
    timeout: int
    address: str
    needs: tuple[str, ...]
    level: int


def row_jobs(actions: Sequence[Action], surroundings: Mapping[RowKey, Surroundings]) -> tuple[RowJob, ...]:
    """The jobs of the rows that are built; `surroundings`: runner, minutes and address of each."""
    return tuple(
        RowJob(
            one.row.image,
            one.row.arch,
            one.tag,
            *surroundings[one.row],
            needs=tuple(key.image for key in one.needs),
            level=one.level,
        )
        for one in actions
        if one.do == "build"
    )
