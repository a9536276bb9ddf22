"""What one call does with one row, as the row's record tells it, whoever builds the row."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from imageyard.errors import ImageyardError, exit_code
from imageyard.records import Record, RowOutcome
from imageyard.runs import now

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.names import Reference
    from imageyard.project.options import BuilderName
    from imageyard.run.services import Services

__all__ = ["RowRun"]


class RowRun:
    """Keeps the record of one row in one call; `record` is what can be said so far. `begin` puts it on disk."""

    def __init__(self, services: Services, row: Row, *, builder: BuilderName, forced: bool = False) -> None:
        self.services = services
        self.row = row
        self._clock = time.monotonic()
        self.record = Record(
            row.name,
            row.arch,
            "interrupted",
            130,
            "interrupted",
            started=now(),
            forced=forced,
            builder=builder,
        )

    def begin(self) -> RowRun:
        """Write the record as `interrupted`, before anything is done with the row: so a killed run is seen."""
        self.services.run.write(self.record)
        return self

    @property
    def title(self) -> str:
        """The row as reports name it."""
        return f"{self.row.name} {self.row.arch}"

    @property
    def forced(self) -> bool:
        """Whether the row is built although it may be there."""
        return self.record.forced

    @property
    def is_open(self) -> bool:
        """Whether the record does not say yet how the row ended."""
        return self.record.outcome == "interrupted"

    def step(self, text: str) -> None:
        """Report what is done with the row."""
        self.services.reporter.step(f"{self.title}: {text}")

    def add_remark(self, text: str) -> None:
        """Report a remark, and add it to the record: readers of the table should know it too."""
        self.step(text)
        self.update(remarks=(*self.record.remarks, text))

    def update(self, **known: object) -> None:
        """Change fields of the record. They are on disk at the next write."""
        self.record = replace(self.record, **known)  # type: ignore[arg-type]

    def finished(self, outcome: RowOutcome, *, code: int = 0, headline: str = "") -> Record:
        """Return the record as it is if the work ends now."""
        seconds = time.monotonic() - self._clock
        return replace(self.record, outcome=outcome, code=code, headline=headline, ended=now(), seconds=seconds)

    def finish(self, outcome: RowOutcome, *, code: int = 0, headline: str = "", **known: object) -> None:
        """Close the record, and write it."""
        self.update(**known)
        self.record = self.finished(outcome, code=code, headline=headline)
        self.services.run.write(self.record)

    def fail(self, outcome: RowOutcome, error: ImageyardError) -> None:
        """Close the record with the error that the row ended with."""
        self.finish(outcome, code=exit_code(error), headline=error.headline)

    def finish_published(self, image: Reference, *, adopted: bool, **known: object) -> None:
        """Close the record of a row that now has its tag; `image` names it by digest."""
        self.step(f"{'another was faster, its image is adopted' if adopted else 'published'}: {image}")
        self.update(adopted=adopted, digest=image.digest, **known)
        self.finish("published")
