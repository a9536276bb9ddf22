"""A row that is built in the engine of this machine: loaded unchecked, checked there, and then given its tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageyard.building import stand_ins
from imageyard.building.source_contexts import in_engine
from imageyard.building.unchecked_image import candidate
from imageyard.checks.run import run_checks
from imageyard.errors import ConfigurationError
from imageyard.names import platform_of
from imageyard.project.labels import INPUTS_LABEL, RUN_LABEL
from imageyard.project.row_facts import identify
from imageyard.run import findings, last_build

if TYPE_CHECKING:
    from imageyard.engine import Engine, LoadedImage
    from imageyard.names import Reference
    from imageyard.project.project import Project
    from imageyard.publishing.destination import ParentOf
    from imageyard.run.row_run import Job
    from imageyard.run.services import Services

__all__ = ["InEngine"]


class InEngine:
    """The flow of rows whose place is the engine."""

    def __init__(self, project: Project, services: Services) -> None:
        self.project = project
        self.services = services

    def prepare(self, job: Job) -> None:
        """Make the stand-ins that the row's tag depends on. Raises ConfigurationError for what no engine does."""
        self.refuse_unbuilt(job)
        job.recipes = stand_ins.ensure(self.project, job.recipes, self.services, job.row)

    def is_there(self, job: Job) -> bool:
        """Ask the engine, and nobody else."""
        if (found := self.found(job)) is None:
            return False
        job.step(f"skipped, {job.tag} is in the engine")
        job.end("skipped", why="in the engine", size=found.size)
        return True

    def make(self, job: Job) -> None:
        """Build, check, and give the tag, unless another was faster."""
        self.earn(job)
        job.step(str(self._wanted(job)))
        job.end("built")

    def earn(self, job: Job) -> None:
        """From the recipe to the tag in the engine."""
        engine, wanted = self.services.engine(), self._wanted(job)
        with candidate(
            self.project,
            job.recipes,
            self.services,
            job.row,
            job.recipe,
            job.options,
            job.note,
            parent=self.parent_of(job),
        ) as unchecked:
            _check(job, engine, unchecked)
            winner = None if job.forced else self.found(job)
            if winner is None:
                engine.tag(str(unchecked), str(wanted))
            built = winner or engine.inspect(str(wanted))
            last_build.keep(self.project, job.row, job.recipe)
            job.note(adopted=winner is not None, size=built.size if built else None)

    def parent_of(self, job: Job) -> ParentOf:
        """Where the row's parents are."""
        return in_engine(self.project, job.recipes, self.services, job.options)

    @staticmethod
    def refuse_unbuilt(job: Job) -> None:
        """Raise ConfigurationError where the catalogue asks for what no engine does: never less, silently."""
        image = job.row.image
        if image.lane is not None:
            raise ConfigurationError(
                f"{image.name} says `lane`, which the local builder cannot do",
                doing=f"building {job.title}",
                at=image.where,
                hint="remove it from the image for local builds",
            )

    def _wanted(self, job: Job) -> Reference:
        return self.project.repository.with_tag(job.tag)

    def found(self, job: Job) -> LoadedImage | None:
        """What the engine has under the tag, if it was made of this recipe: anybody can name an image by hand."""
        found = self.services.engine().inspect(str(self._wanted(job)))
        made_of = found and (found.labels.get(INPUTS_LABEL), found.platform)
        by_content = self.project.catalogue.tag == "content"
        if found and by_content and made_of != (job.recipe.inputs, job.recipe.platform):
            self.services.reporter.warn(f"{job.title}: {job.tag} in the engine was not made of this recipe")
            return None
        return found


def _check(job: Job, engine: Engine, unchecked: Reference) -> None:

    facts = identify(job.recipes, job.row)
    found = run_checks(
        engine,
        str(unchecked),
        facts.checks,
        facts.check_args,
        platform=platform_of(job.row.arch),
        labels={RUN_LABEL: job.services.run.id},
    )
    findings.keep(job, found)
