"""A row that workers elsewhere build and push by digest: no engine is asked for anything."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from imageyard.builders.request import Unreachable
from imageyard.errors import ConfigurationError, EnvironmentLacks, ImageyardError, Transient
from imageyard.registry import ecr
from imageyard.ship import build, findings, history, layer_cache, publishable, remote_checks, sweep
from imageyard.ship.builder_choice import remote
from imageyard.ship.destination import destination, parents
from imageyard.ship.landing import land, lock_of
from imageyard.ship.shipment import wanted

if TYPE_CHECKING:
    from pathlib import Path

    from imageyard.builders.remote import Worker
    from imageyard.builders.request import BuildRequest, Built, Lost
    from imageyard.names import Reference
    from imageyard.ship.builder_choice import Choice
    from imageyard.ship.job import Job
    from imageyard.ship.options import BuildOptions
    from imageyard.ship.workspace import Workspace

__all__ = ["NOT_CHECKED", "Remote"]

NOT_CHECKED = "not checked: built by remote workers"


class Remote:
    """The flow of rows whose place is a repository, and whose builder pushes."""

    def __init__(self, workspace: Workspace, options: BuildOptions, choice: Choice) -> None:
        self.workspace = workspace
        self.choice = choice
        self.destination = destination(workspace, options)

    def prepare(self, job: Job) -> None:
        """Refuse what must not be published, and an architecture for which there is no worker."""
        if job.row.image.lane is not None:
            raise ConfigurationError(f"{job.row.name} is of a lane", at=job.row.image.where, hint="build it there")
        publishable.refuse(self.workspace, job.row, job.options)
        remote(self.choice, self.workspace.catalogue, job.row.arch)

    def is_there(self, job: Job) -> bool:
        """Ask the repositories in which the row counts as there."""
        return self.destination.skipped(job)

    def make(self, job: Job) -> None:
        """Have it built and pushed by digest, prove what the registry has, and give it the tag."""
        target = self.destination.repository.with_tag(job.tag)
        if self.destination.moves:
            ecr.refuse_immutable(target)
        worker = self._worker(job)
        built = self._built(job, worker)
        if built.digest is None:
            raise EnvironmentLacks(
                f"buildx does not say what it pushed to {target.name}", doing=f"building {job.title}"
            )
        job.note(digest=built.digest)
        image, move = target.with_digest(built.digest), self.destination.moves
        self._check(job, image, worker)
        record = job.ended("published")
        with lock_of(self.workspace, target):
            given = land(self.workspace.client, image, job.tag, wanted(job), record, move=move)
        history.keep(self.workspace, job.row, job.recipe)
        job.published(target.with_digest(given.digest), adopted=given.adopted)

    def _check(self, job: Job, image: Reference, worker: Worker) -> None:
        """Run the checks where the image was built, if it says so; what fails keeps it from getting its tag."""
        if not job.row.image.remote_checks:
            job.remark(NOT_CHECKED)
            return
        from imageyard.checks.run import TIMEOUT

        found = remote_checks.run_checks(job, image, self._runner(worker, TIMEOUT), partial(_gone, worker.address))
        findings.keep(job, found)

    def _built(self, job: Job, worker: Worker) -> Built:
        workspace, row = self.workspace, job.row
        sweep.dead_runs(workspace, None)
        place = f"at {self.destination.repository.name}"
        why = history.reason(workspace, row, job.recipe, forced=job.forced, place=place)
        job.note(why=why, versions=build.versions(workspace))
        job.step(f"building on {worker.address}")
        work = build.Work(workspace, row, job.recipe, job.options, job.note)
        ask, runner = partial(self._request, job, work), self._runner(worker, row.image.timeout)
        return build.build(work, ask, runner, partial(_gone, worker.address))

    def _runner(self, worker: Worker, timeout: float) -> build.Runner:
        from imageyard.builders import buildx
        from imageyard.builders import remote as builder

        story, env = self.workspace.story, layer_cache.passed(self.workspace)
        run = partial(builder.build, program=buildx.find(), story=story, env=env, timeout=timeout)
        return lambda asked, context, board, raw: run(asked, context, worker, board=board, raw=raw)

    def _request(self, job: Job, work: build.Work, staging: Path) -> BuildRequest:
        image = job.recipes.own(job.row).image
        return replace(
            build.request(work, parents(job, self.destination), staging),
            tags=(self.destination.repository,),
            output="push-by-digest",
            provenance=image.provenance,
            sbom=image.sbom,
        )

    def _worker(self, job: Job) -> Worker:
        from imageyard.builders.remote import Worker

        address, known = remote(self.choice, self.workspace.catalogue, job.row.arch)
        return Worker(address, known.insecure, known.tls, known.connect_timeout)


def _gone(address: str, outcome: Unreachable | Lost) -> ImageyardError:
    if isinstance(outcome, Unreachable):
        return Transient(outcome.cause, hint="run it again, or look whether its workers start")
    words = f"{address} was lost in mid-build: {outcome.cause}"
    return Transient(words, hint="run it again: what was lost has no tag")
