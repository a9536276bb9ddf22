"""A row that workers elsewhere build and push by digest: no engine is asked for anything."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from imageyard.builders import buildx
from imageyard.builders import remote as builder
from imageyard.builders.remote import Worker
from imageyard.builders.request import Unreachable
from imageyard.building import attempt, layer_cache, remote_checks
from imageyard.building.builder_choice import remote
from imageyard.building.pushed import PushedRow
from imageyard.errors import EnvironmentLacks, ImageyardError, Transient
from imageyard.publishing.destination import parents
from imageyard.run import last_build, leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from imageyard.builders.request import BuildRequest, Built, Lost
    from imageyard.building.builder_choice import Choice
    from imageyard.project.options import BuildOptions
    from imageyard.project.project import Project
    from imageyard.run.row_run import Job
    from imageyard.run.services import Services

__all__ = ["Remote"]


class Remote(PushedRow):
    """The flow of rows that remote workers build."""

    built_where = "built by remote workers"

    def __init__(self, project: Project, services: Services, options: BuildOptions, choice: Choice) -> None:
        super().__init__(project, services, options)
        self.choice = choice

    def prepare(self, job: Job) -> None:
        """Refuse what must not be published, and an architecture for which there is no worker."""
        super().prepare(job)
        remote(self.choice, self.project.catalogue, job.row.arch)

    def make(self, job: Job) -> None:
        """Have it built and pushed by digest, prove what the registry has, and give it the tag."""
        target, worker = self.destination.target(job.tag), self._worker(job)
        built = self._built(job, worker)
        if built.digest is None:
            raise EnvironmentLacks(
                f"buildx does not say what it pushed to {target.name}", doing=f"building {job.title}"
            )
        self.land(job, built.digest, self._runner(worker, remote_checks.TIMEOUT), partial(_gone, worker.address))

    def _built(self, job: Job, worker: Worker) -> Built:
        project, services, row = self.project, self.services, job.row
        leftovers.dead_runs(project, services, None)
        place = f"at {self.destination.repository.name}"
        why = last_build.reason(project, row, job.recipe, forced=job.forced, place=place)
        job.note(why=why, versions=attempt.versions(project))
        job.step(f"building on {worker.address}")
        work = attempt.Work(project, job.recipes, services, row, job.recipe, job.options, job.note)
        ask, runner = partial(self._request, job, work), self._runner(worker, row.image.timeout)
        return attempt.build(work, ask, runner, partial(_gone, worker.address))

    def _runner(self, worker: Worker, timeout: float) -> attempt.Runner:

        story, env = self.services.reporter, layer_cache.passed(self.project.catalogue)
        run = partial(builder.build, program=buildx.find(), story=story, env=env, timeout=timeout)
        return lambda asked, context, board, raw: run(asked, context, worker, board=board, raw=raw)

    def _request(self, job: Job, work: attempt.Work, staging: Path) -> BuildRequest:
        asked = attempt.request(work, parents(job, self.destination), staging)
        return replace(asked, tags=(self.destination.repository,), output="push-by-digest")

    def _worker(self, job: Job) -> Worker:

        address, known = remote(self.choice, self.project.catalogue, job.row.arch)
        return Worker(address, known.insecure, known.tls, known.connect_timeout)


def _gone(address: str, outcome: Unreachable | Lost) -> ImageyardError:
    if isinstance(outcome, Unreachable):
        return Transient(outcome.cause, hint="run it again, or look whether its workers start")
    words = f"{address} was lost in mid-build: {outcome.cause}"
    return Transient(words, hint="run it again: what was lost has no tag")
