"""A row that is built and checked in the engine of this machine, and published from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageyard.building.local import InEngine
from imageyard.project import publish_policy
from imageyard.publishing import build_record, export
from imageyard.publishing.destination import destination, parents

if TYPE_CHECKING:
    from imageyard.engine import LoadedImage
    from imageyard.project.options import BuildOptions
    from imageyard.project.project import Project
    from imageyard.publishing.destination import ParentOf
    from imageyard.run.row_run import Job
    from imageyard.run.services import Services

__all__ = ["FromEngine"]


class FromEngine(InEngine):
    """The flow of rows whose place is a repository, and whose builder is the engine."""

    def __init__(self, project: Project, services: Services, options: BuildOptions) -> None:
        super().__init__(project, services)
        self.destination = destination(project.catalogue, options)

    def prepare(self, job: Job) -> None:
        """Refuse what must not be published. Stand-ins are not made: nothing on them ever is."""
        self.refuse_unbuilt(job)
        publish_policy.refuse(job.recipes, job.row, job.options)

    def is_there(self, job: Job) -> bool:
        """Ask the repositories in which the row counts as there."""
        return self.destination.skipped(job)

    def found(self, job: Job) -> LoadedImage | None:
        """What the engine has counts for a person: on a runner, a run at another trust may have put it there."""
        return super().found(job) if job.options.decision.may_read_engine else None

    def make(self, job: Job) -> None:
        """Build and check it, unless a run that could not push it did, and send exactly that."""
        client, target = self.services.registry(), self.destination.target(job.tag)
        export.refuse_narrowed(job)
        if fresh := job.forced or self.found(job) is None:
            self.earn(job)
        loaded = export.loaded(job)
        record = (
            job.ended("published")
            if fresh
            else build_record.record(self.project, job.record, loaded, dated=not job.recipe.reproducible)
        )
        given = export.send(job, client, target, record, move=self.destination.moves)
        job.published(target.with_digest(given.digest), adopted=given.adopted, size=loaded.size)

    def parent_of(self, job: Job) -> ParentOf:
        """Parents where they are published: the engine may have none of them."""
        return parents(job, self.destination)
