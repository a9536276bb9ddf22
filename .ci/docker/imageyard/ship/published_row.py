"""A row that is built and checked in the engine of this machine, and published from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageyard.ship import built, publishable, shipment
from imageyard.ship.destination import destination, parents
from imageyard.ship.engine_row import InEngine

if TYPE_CHECKING:
    from imageyard.engine import LoadedImage
    from imageyard.ship.bind import ParentOf
    from imageyard.ship.job import Job
    from imageyard.ship.options import BuildOptions
    from imageyard.ship.workspace import Workspace

__all__ = ["FromEngine"]


class FromEngine(InEngine):
    """The flow of rows whose place is a repository, and whose builder is the engine."""

    def __init__(self, workspace: Workspace, options: BuildOptions) -> None:
        super().__init__(workspace)
        self.destination = destination(workspace, options)

    def prepare(self, job: Job) -> None:
        """Refuse what must not be published. Stand-ins are not made: nothing on them ever is."""
        self.refuse_unbuilt(job)
        publishable.refuse(self.workspace, job.row, job.options)

    def is_there(self, job: Job) -> bool:
        """Ask the repositories in which the row counts as there."""
        return self.destination.skipped(job)

    def found(self, job: Job) -> LoadedImage | None:
        """What the engine has counts for a person: on a runner, a run at another trust may have put it there."""
        return super().found(job) if job.options.decision.trust == "local" else None

    def make(self, job: Job) -> None:
        """Build and check it, unless a run that could not push it did, and send exactly that."""
        client, target = self.workspace.client, self.destination.target(job.tag)
        shipment.refuse_narrowed(job)
        if fresh := job.forced or self.found(job) is None:
            self.earn(job)
        loaded = shipment.loaded(job)
        record = (
            job.ended("published")
            if fresh
            else built.record(self.workspace, job.record, loaded, dated=not job.recipe.reproducible)
        )
        given = shipment.send(job, client, target, record, move=self.destination.moves)
        job.published(target.with_digest(given.digest), adopted=given.adopted, size=loaded.size)

    def parent_of(self, job: Job) -> ParentOf:
        """Parents where they are published: the engine may have none of them."""
        return parents(job, self.destination)
