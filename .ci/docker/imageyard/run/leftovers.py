"""What runs leave when they are killed: images named `unchecked`, containers of checks, folders of builds."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from imageyard.errors import ImageyardError
from imageyard.project.labels import RUN_LABEL
from imageyard.runs import is_alive

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.engine import Container, Engine
    from imageyard.names import Reference
    from imageyard.project.project import Project
    from imageyard.recipe.model import Recipe
    from imageyard.run.services import Services

__all__ = ["SCRATCH", "containers", "dead_runs", "finish", "leftovers", "this_run", "unchecked"]

SCRATCH = "imageyard-"
"""How the name of a folder begins that a build needs beside its log for as long as it runs."""
_PREFIX = "unchecked-"


def unchecked(project: Project, services: Services, row: Row, recipe: Recipe) -> Reference:
    """The name of a candidate of this run: `unchecked-<20 hex>-<run>`. Rows of one recipe do not share it."""
    row_id = hashlib.sha256(f"{row.name} {recipe.id}".encode()).hexdigest()[:20]
    return project.repository.with_tag(f"{_PREFIX}{row_id}-{services.run.id}")


def leftovers(project: Project, engine: Engine) -> list[str]:
    """The candidates of runs that are over."""
    return [ref for ref, run in _candidates(project, engine) if not is_alive(project.top, run)]


def containers(project: Project, engine: Engine) -> list[tuple[Container, bool]]:
    """The containers of all runs, each with whether it goes: its run is over.

    One that runs goes only if its run is known to be this checkout's: a shell may be open for days in another.
    """
    runs = project.state / "runs"
    return [
        (one, not is_alive(project.top, run) and (one.state != "running" or (runs / run).is_dir()))
        for one in engine.containers(RUN_LABEL)
        for run in [one.value]
    ]


def dead_runs(project: Project, services: Services, engine: Engine | None) -> None:
    """Take away what dead runs left. Done once in a process, before its first build; what resists is told.

    Without an engine only folders: a builder that pushes leaves nothing else here.
    """
    if not services.run.first("sweep"):
        return
    if engine:
        try:
            for container, goes in containers(project, engine):
                if goes:
                    engine.remove(container.id)
            for reference in leftovers(project, engine):
                engine.untag(reference)
        except ImageyardError as error:
            services.reporter.warn(f"what a dead run left stays: {error.headline}; to try again: inv clean")
    for folder in project.state.glob(f"runs/*/rows/{SCRATCH}*"):
        if not is_alive(project.top, folder.parent.parent.name):
            shutil.rmtree(folder, ignore_errors=True)


def this_run(project: Project, services: Services, engine: Engine) -> None:
    """Take away what workers of this run left when Nox killed them: containers of checks, and candidates.

    What cannot be taken away keeps nothing else; a later run takes it.
    """
    for container in engine.containers(f"{RUN_LABEL}={services.run.id}"):  # first: what runs holds its image fast
        with suppress(ImageyardError):
            engine.remove(container.id)
    for reference, run in _candidates(project, engine):
        if run == services.run.id:
            with suppress(ImageyardError):
                engine.untag(reference)


def _candidates(project: Project, engine: Engine) -> list[tuple[str, str]]:
    """The candidates in the engine, each with the id of the run that loaded it."""
    tags = [tag for tag in engine.tags(str(project.repository)) if tag.startswith(_PREFIX)]
    return [(str(project.repository.with_tag(tag)), tag[len(_PREFIX) + 21 :]) for tag in tags]


def finish(project: Project, services: Services) -> int:
    """Close the run and return its exit code; does nothing where no row was touched."""
    run = services.run
    if not run.owner or not run.folder.exists():
        return 0
    if any((record.outcome, record.builder) == ("interrupted", "local") for record in run.records()[0]):
        with suppress(ImageyardError):
            this_run(project, services, services.engine())
    return run.close(services.reporter)
