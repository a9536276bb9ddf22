"""What came of the rows of one image: which go on after each step, and which failed with which error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from imageyard.errors import BuildFailed, CheckFailed, ConfigurationError, ImageyardError, PolicyRefused
from imageyard.plan.plan import RowKey

if TYPE_CHECKING:
    from imageyard.building.builder import Found, Published, RowBuild
    from imageyard.catalogue.model import Row
    from imageyard.records import RowOutcome
    from imageyard.run.row_run import RowRun

__all__ = ["Outcomes", "key_of", "record_found", "record_published"]

_T = TypeVar("_T")


class Outcomes:
    """Collects the errors of rows. A row that fails stops no other."""

    def __init__(self) -> None:
        self.errors: list[ImageyardError] = []
        self.failed: dict[RowKey, ImageyardError] = {}

    def run_each(self, rows: Iterable[RowBuild], step: Callable[[RowBuild], _T | None]) -> list[_T]:
        """Do one step with each row, and return what it gave for the rows that go on; None ends a row's way."""
        results = []
        for row in rows:
            try:
                result = step(row)
            except ImageyardError as error:
                self.fail([row.run], error)
            else:
                if result is not None:
                    results.append(result)
        return results

    def fail(self, runs: Sequence[RowRun], error: ImageyardError) -> None:
        """Close the records that are still open with an error."""
        self.errors.append(error)
        for run in runs:
            self.failed[key_of(run.row)] = error
            if run.is_open:
                run.fail(_outcome(error), error)


def key_of(row: Row) -> RowKey:
    """Return the key of a row."""
    return RowKey(row.name, row.arch)


def record_found(run: RowRun, tag: str, found: Found) -> None:
    """Close the record of a row that is there already."""
    run.step(f"skipped, {tag} is {found.where}")
    run.finish("skipped", why=found.where, size=found.size, digest=found.digest)


def record_published(run: RowRun, published: Published) -> None:
    """Close the record of a row that has its tag now."""
    if published.in_repository:
        run.finish_published(published.image, adopted=published.adopted, size=published.size)
        return
    run.step(str(published.image))
    run.finish("built", adopted=published.adopted, size=published.size)


def _outcome(error: ImageyardError) -> RowOutcome:
    match error:
        case ConfigurationError() | BuildFailed():
            return "failed"
        case CheckFailed():
            return "check failed"
        case PolicyRefused():
            return "refused"
        case _:
            return "blocked"
