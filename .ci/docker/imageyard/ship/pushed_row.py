"""What is the same for rows whose builder pushes them by digest: refusals, checks where they were built, the tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageyard.errors import ConfigurationError
from imageyard.ship import findings, history, publishable, remote_checks
from imageyard.ship.destination import destination
from imageyard.ship.landing import land, lock_of
from imageyard.ship.shipment import wanted

if TYPE_CHECKING:
    from imageyard.names import Digest
    from imageyard.ship import build
    from imageyard.ship.job import Job
    from imageyard.ship.options import BuildOptions
    from imageyard.ship.workspace import Workspace

__all__ = ["PushedRow"]


class PushedRow:
    """What flows have in common whose place is a repository, and whose builder pushes; no engine is asked anything.

    `built_where` ends the sentence that says that nothing was checked: `built at Depot`.
    """

    built_where: str

    def __init__(self, workspace: Workspace, options: BuildOptions) -> None:
        self.workspace = workspace
        self.destination = destination(workspace, options)

    def prepare(self, job: Job) -> None:
        """Refuse what must not be published."""
        if job.row.image.lane is not None:
            raise ConfigurationError(f"{job.row.name} is of a lane", at=job.row.image.where, hint="build it there")
        publishable.refuse(self.workspace, job.row, job.options)

    def is_there(self, job: Job) -> bool:
        """Ask the repositories in which the row counts as there."""
        return self.destination.skipped(job)

    def land(self, job: Job, digest: Digest, runner: build.Runner, gone: build.Gone) -> None:
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
        with lock_of(self.workspace, target):
            given = land(self.workspace.client, image, job.tag, wanted(job), record, move=move)
        history.keep(self.workspace, job.row, job.recipe)
        job.published(target.with_digest(given.digest), adopted=given.adopted)
