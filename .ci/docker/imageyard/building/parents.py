"""The parents of rows that are to be built: they are built first, and what came of them is handed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from imageyard.building.outcomes import key_of
from imageyard.errors import Blocked, FailedBefore, ImageyardError, NotFound

if TYPE_CHECKING:
    from imageyard.building.builder import RowBuild, RowPlace
    from imageyard.catalogue.model import Row
    from imageyard.plan.plan import RowKey
    from imageyard.project.row_facts import RowFacts
    from imageyard.records import Record
    from imageyard.runs import Run

__all__ = ["failed_before", "locate_parents"]


def locate_parents(
    row: RowBuild, place: RowPlace, failed: Mapping[RowKey, ImageyardError], *, published_before: bool
) -> RowBuild:
    """Return the row with the reference of each parent.

    `published_before`: jobs before this one were to publish them. Raises Blocked where a parent failed, or is missing
    though it was to be there; Denied and Transient where the place does not say.
    """
    references: dict[str, str] = {}
    for parent in row.facts.parents:
        if error := failed.get(key_of(parent.row)):
            raise _blocked(parent.row, error)
        try:
            references[parent.row.name] = place.parent(parent, row.facts)
        except NotFound:
            if published_before:
                missing = NotFound(place.missing_parent(parent))
                raise _blocked_by(parent.row, parent.row.name, missing, f": {missing.headline}") from None
            raise
    return replace(row, parents=references)


def failed_before(run: Run, facts: RowFacts) -> Blocked | FailedBefore | None:
    """Return the error of a row that failed earlier in this run, maybe in another process; None if it did not."""
    failure = _failure(run, facts)
    if failure is None:
        return None
    by, record = failure
    error = FailedBefore(record.headline, recorded=record.code)
    return error if by is facts else _blocked_by(facts.row, by.row.name, error)


def _failure(run: Run, facts: RowFacts) -> tuple[RowFacts, Record] | None:
    """The row that failed in this run for which this one has no image, with its record: itself, or an ancestor.

    A record does not say by which row its own was blocked: that is the first of its parents that failed as it did.
    """
    record = run.failure_of(*key_of(facts.row))
    if record is None:
        return None
    for parent in facts.parents if record.outcome == "blocked" else ():
        if (failure := _failure(run, parent)) and failure[1].code == record.code:
            return failure
    return facts, record


def _blocked(parent: Row, error: ImageyardError) -> Blocked:
    """The error of a row whose parent has no image; where an ancestor is to blame, it is named."""
    match error:
        case Blocked(by=by, cause=cause):
            return _blocked_by(parent, by, cause)
        case _:
            return _blocked_by(parent, parent.name, error)


def _blocked_by(parent: Row, by: str, cause: ImageyardError, words: str = "") -> Blocked:
    """`words` say why, where nobody said so before: what failed in this run was told with its own row."""
    return Blocked(
        f"its {'parent' if by == parent.name else 'ancestor'} {by} failed{words}",
        by=by,
        cause=cause,
        hint=f"nox -s \"build_image(arch='{parent.arch}', image='{parent.name}')\"    (the parent alone)",
    )
