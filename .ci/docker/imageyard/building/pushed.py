"""What is the same for rows whose builder pushes them by digest: refusals, checks where they were built, the tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageyard.building import remote_checks
from imageyard.errors import ConfigurationError
from imageyard.project import publish_policy
from imageyard.publishing.destination import destination
from imageyard.publishing.export import wanted
from imageyard.publishing.publish import land, lock_of
from imageyard.run import findings, last_build

if TYPE_CHECKING:
    from imageyard.building import attempt
    from imageyard.names import Digest
    from imageyard.project.options import BuildOptions
    from imageyard.project.project import Project
    from imageyard.run.row_run import Job
    from imageyard.run.services import Services

__all__ = ["PushedRow"]


class PushedRow:
    """What flows have in common whose place is a repository, and whose builder pushes; no engine is asked anything.

    `built_where` ends the sentence that says that nothing was checked: `built at Depot`.
    """

    built_where: str

    def __init__(self, project: Project, services: Services, options: BuildOptions) -> None:
        self.project = project
        self.services = services
        self.destination = destination(project.catalogue, options)

    def prepare(self, job: Job) -> None:
        """Refuse what must not be published."""
        if job.row.image.lane is not None:
            raise ConfigurationError(f"{job.row.name} is of a lane", at=job.row.image.where, hint="build it there")
        publish_policy.refuse(job.recipes, job.row, job.options)

    def is_there(self, job: Job) -> bool:
        """Ask the repositories in which the row counts as there."""
        return self.destination.skipped(job)

    def land(self, job: Job, digest: Digest, runner: attempt.Runner, gone: attempt.Gone) -> None:
        """Prove the image that was pushed by digest, and give it the row's tag; `runner` runs its checks if it has any.

        They are run where it was built, and only if it says so; what fails keeps it from getting its tag.
        """
        target = self.destination.repository.with_tag(job.tag)
        image, move = target.with_digest(digest), self.destination.moves
        job.note(digest=digest)
        if job.row.image.remote_checks:
            findings.keep(job, remote_checks.run_checks(job, image, runner, gone))
        else:
            job.remark(f"not checked: {self.built_where}")
        record = job.ended("published")
        with lock_of(self.services.reporter, target):
            given = land(self.services.registry(), image, job.tag, wanted(job), record, move=move)
        last_build.keep(self.project, job.row, job.recipe)
        job.published(target.with_digest(given.digest), adopted=given.adopted)
