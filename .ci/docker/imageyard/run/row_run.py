"""The work on one row, whoever builds it: its record, its tag, what failed before in this run."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

from imageyard.errors import ImageyardError, PolicyRefused, exit_code
from imageyard.files import locked, make_folder
from imageyard.project.tags import row_tag
from imageyard.records import Record, RowOutcome
from imageyard.runs import now

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.names import Reference
    from imageyard.project.options import BuilderName, BuildOptions
    from imageyard.project.project import Project
    from imageyard.recipe.model import Recipe
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["Job"]


class Job:
    """The work on one row; `record` is what can be said of it so far, on disk from the start."""

    def __init__(
        self,
        project: Project,
        recipes: Recipes,
        services: Services,
        row: Row,
        options: BuildOptions,
        builder: BuilderName,
    ) -> None:
        self.project = project
        self.services = services
        self.recipes = recipes
        self.row = row
        self.options = options
        self.clock = time.monotonic()
        self.record = Record(
            row.name,
            row.arch,
            "interrupted",
            130,
            "interrupted",
            started=now(),
            forced=self.forced,
            builder=builder,
        )
        services.run.write(self.record)

    @property
    def title(self) -> str:
        """What the story calls the row."""
        return f"{self.row.name} {self.row.arch}"

    @property
    def forced(self) -> bool:
        """Whether it is built although it may be there."""
        return self.options.force or self.options.decision.force

    @property
    def recipe(self) -> Recipe:
        """What the row is made of."""
        return self.recipes.of(self.row)

    @property
    def tag(self) -> str:
        """The row's tag."""
        return row_tag(self.recipes, self.row, self.options.decision, self.options.extra)

    def step(self, text: str) -> None:
        """Tell what is done with the row."""
        self.services.reporter.step(f"{self.title}: {text}")

    def remark(self, text: str) -> None:
        """Tell what a reader of the table should know too, and keep it."""
        self.step(text)
        self.note(remarks=(*self.record.remarks, text))

    def note(self, **known: object) -> None:
        """Add to the record, on disk at the next write."""
        self.record = replace(self.record, **known)  # type: ignore[arg-type]

    def ended(self, outcome: RowOutcome, *, code: int = 0, headline: str = "") -> Record:
        """The record as it is if the work ends now."""
        seconds = time.monotonic() - self.clock
        return replace(self.record, outcome=outcome, code=code, headline=headline, ended=now(), seconds=seconds)

    def end(self, outcome: RowOutcome, *, code: int = 0, headline: str = "", **known: object) -> None:
        """Close the record."""
        self.note(**known)
        self.record = self.ended(outcome, code=code, headline=headline)
        self.services.run.write(self.record)

    def fail(self, outcome: RowOutcome, error: ImageyardError) -> None:
        """Close the record with the error that the row ended with."""
        self.end(outcome, code=exit_code(error), headline=error.headline)

    def published(self, image: Reference, *, adopted: bool, **known: object) -> None:
        """Close the record of a row that now has its tag."""
        self.step(f"{'another was faster, its image is adopted' if adopted else 'published'}: {image}")
        self.note(adopted=adopted, digest=image.digest, **known)
        self.end("published")

    def identify(self) -> None:
        """Work out recipe and tag. Raises PolicyRefused where neither it nor that of the content is expected."""
        self.note(recipe=self.recipe.id, tag=self.tag)
        if self.options.expect not in (None, self.tag, self.recipes.tag(self.row, self.options.extra)):
            raise PolicyRefused(
                f"the tag is {self.tag}, not {self.options.expect}",
                doing=f"building {self.title}",
                hint=f"inv tag {self.row.name} --explain    (what it is made of here)",
            )

    def lock(self) -> AbstractContextManager[None]:
        """Held while the row is built: several rows of a checkout may want it at the same time."""
        locks = self.project.state / "locks"
        make_folder(locks)
        return locked(locks / f"{self.tag}.lock", lambda: self.step("another process builds it; waiting"))

    def failure_of(self, row: Row) -> Record | None:
        """The record of a row that failed in this run, in whichever of its processes."""
        for record in self.services.run.records()[0]:
            if (record.image, record.arch) == (row.name, row.arch) and record.code and record.outcome != "interrupted":
                return record
        return None
