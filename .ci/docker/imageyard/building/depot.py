"""Rows that Depot builds, those of one image in one build, and pushes by digest: no engine is asked for anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import IO, TYPE_CHECKING

from imageyard.builders import depot as depot_cli
from imageyard.builders.depot import LOOKED_FOR, Refused
from imageyard.builders.request import Unreachable
from imageyard.building import attempt, remote_checks
from imageyard.building.builder_choice import depot_project
from imageyard.building.depot_parents import one_for_all
from imageyard.building.local_publishing import FromEngine
from imageyard.building.pushed import PushedRow
from imageyard.errors import ConfigurationError, Denied, EnvironmentLacks, ImageyardError, Transient
from imageyard.names import platform_of
from imageyard.oci.indexes import part
from imageyard.oci.raw import Raw
from imageyard.publishing.export import wanted
from imageyard.publishing.publish import RAISE_EPOCH
from imageyard.publishing.verify_published import prove
from imageyard.run import last_build, leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from imageyard.board import Board
    from imageyard.builders.request import BuildRequest, Built, Lost, Outcome
    from imageyard.catalogue.model import Catalogue
    from imageyard.names import Digest
    from imageyard.plan.trust import Repository
    from imageyard.project.options import BuildOptions
    from imageyard.project.project import Project
    from imageyard.publishing.destination import ParentOf
    from imageyard.run.row_run import Job
    from imageyard.run.services import Services

__all__ = ["AtDepot"]


@dataclass(frozen=True)
class _Work(attempt.Work):
    """One build of several rows."""

    jobs: tuple[Job, ...] = ()

    @property
    def title(self) -> str:
        """What the story calls them."""
        return f"{self.row.name} {' '.join(job.row.arch for job in self.jobs)}"


class AtDepot(PushedRow):
    """The flow of rows that Depot builds."""

    built_where = "built at Depot"

    def __init__(self, project: Project, services: Services, options: BuildOptions) -> None:
        super().__init__(project, services, options)
        self.options = options
        self.depot_project = _project(project.catalogue, self.destination.at)
        self._came_of_it: Outcome | None = None

    def make(self, job: Job) -> None:
        """Have one row built, and give it its tag."""
        self.build_together([job])(job)

    def groups(self, jobs: Sequence[Job]) -> list[list[Job]]:
        """One build for all that have the same inputs and parents in one place; where they have not, one for each."""
        found: dict[str, list[Job]] = {}
        for job in jobs:
            found.setdefault(job.recipe.inputs, []).append(job)
        groups = list(found.values())
        if len(groups) > 1:
            arches = ", ".join(" ".join(job.row.arch for job in group) for group in groups)
            words = "its architectures have different args, files or bases, so one build cannot make them all"
            self.services.reporter.detail(f"{jobs[0].row.name}: {words}: {arches}")
        return groups

    def build_together(self, jobs: Sequence[Job]) -> Callable[[Job], None]:
        """Have them built and pushed by digest, and prove what the registry has; returns what gives a row its tag."""
        parent = one_for_all(self.project.catalogue, self.services, self.destination, jobs)
        if parent is None:
            where = "no index that may be used has its parents, so each architecture is built by itself"
            self.services.reporter.detail(f"{jobs[0].row.name}: {where}")
            return self.make
        for job in jobs:
            self.destination.target(job.tag)
        self._came_of_it = None  # what came of another build says nothing of this one
        try:
            built = self._built(jobs, parent)
        except ImageyardError as error:
            if not isinstance(self._came_of_it, Unreachable):
                raise
            return self._fallback(jobs, error)
        repository = self.destination.repository
        if built.digest is None:
            raise EnvironmentLacks(
                f"the Depot CLI does not say what it pushed to {repository.name}", doing="building at Depot"
            )
        meant = {platform: inputs for job in jobs for platform, inputs in wanted(job).items()}
        whole = prove(self.services.registry(), repository.with_digest(built.digest), meant, RAISE_EPOCH).raw
        return partial(self._land, whole if len(jobs) > 1 else None, built.digest)

    def _built(self, jobs: Sequence[Job], parent: ParentOf) -> Built:
        project, services, first = self.project, self.services, jobs[0]
        leftovers.dead_runs(project, services, None)
        program = depot_cli.find()
        versions = attempt.versions(project) | {"depot": depot_cli.version(program)}
        place = f"at {self.destination.repository.name}"
        for job in jobs:
            why = last_build.reason(project, job.row, job.recipe, forced=job.forced, place=place)
            job.note(why=why, versions=versions)

        def note(**known: object) -> None:
            for job in jobs:
                job.note(**known)

        work = _Work(project, first.recipes, services, first.row, first.recipe, first.options, note, jobs=tuple(jobs))
        services.reporter.step(f"{work.title}: building at Depot, project {self.depot_project}")
        timeout = max(job.row.image.timeout for job in jobs)
        return attempt.build(work, partial(self._request, work, parent), self._runner(program, timeout), _gone)

    def _runner(self, program: str, timeout: float) -> attempt.Runner:
        def run(asked: BuildRequest, context: IO[bytes], board: Board, raw: Path) -> Outcome:
            self._came_of_it = depot_cli.build(
                asked, context, program=program, project=self.depot_project, board=board, raw=raw, timeout=timeout
            )
            return self._came_of_it

        return run

    def _request(self, work: _Work, parent: ParentOf, staging: Path) -> BuildRequest:
        return replace(
            attempt.request(work, parent, staging),
            platform=",".join(platform_of(job.row.arch) for job in work.jobs),
            tags=(self.destination.repository,),
            output="push-by-digest",
            cache_from=(),  # Depot keeps the layers of a project itself
            cache_to=(),
        )

    def _land(self, whole: Raw | None, digest: Digest, job: Job) -> None:
        """Give a row its tag: its image is the one that was built, or a part of the index `whole`."""
        own = digest if whole is None else self._part(job, whole)
        self.land(job, own, self._runner(depot_cli.find(), remote_checks.TIMEOUT), _gone)

    def _part(self, job: Job, whole: Raw) -> Digest:
        """The row's part of the index, which the repository then has by digest."""
        found = part(whole, platform_of(job.row.arch))
        if not isinstance(found, Raw):
            return found
        target = self.destination.repository.with_digest(found.digest)
        return self.services.registry().put(target, found.body, found.media_type)

    def _fallback(self, jobs: Sequence[Job], error: ImageyardError) -> Callable[[Job], None]:
        """What builds a row in the engine of this machine instead, where the catalogue says so; else the error."""
        depot = self.project.catalogue.builders.depot
        if depot is None or depot.fallback is None:
            raise error
        self.services.reporter.warn(f"{error.headline}; fallback: {depot.fallback}")
        flow = FromEngine(self.project, self.services, self.options)
        for job in jobs:
            job.note(builder="local", remarks=(f"built by docker buildx: {error.headline}",))

        def make(job: Job) -> None:
            flow.prepare(job)
            flow.make(job)

        return make


def _project(catalogue: Catalogue, at: Repository) -> str:
    """The project for what is published there. Raises ConfigurationError where the catalogue names none."""
    if project := depot_project(catalogue.builders, at):
        return project
    ignored = " (DEPOT_PROJECT_ID does not count: it would not tell trusted from branch)"
    raise ConfigurationError(
        f"builders.depot names no project for {at}",
        doing=f"choosing the project at Depot{ignored if os.environ.get('DEPOT_PROJECT_ID') else ''}",
        at=catalogue.file,
        hint=f"add to the catalogue: builders: {{depot: {{{at}: PROJECT}}}}    (its id: depot list projects)",
    )


def _gone(outcome: Unreachable | Lost) -> ImageyardError:

    if isinstance(outcome, Refused):
        hint = ("set DEPOT_TOKEN, or: depot login", LOOKED_FOR)
        return Denied(f"Depot refused the login: {outcome.cause}", doing="building at Depot", hint=hint)
    if isinstance(outcome, Unreachable):
        hint = ("run it again", "or build elsewhere: --builder local, --builder remote")
        return Transient(f"Depot could not be reached: {outcome.cause}", doing="building at Depot", hint=hint)
    return Transient(f"the build at Depot was lost: {outcome.cause}", hint="run it again: nothing has got the tag")
