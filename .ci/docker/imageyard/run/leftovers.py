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
    from imageyard.project.workspace import Workspace
    from imageyard.recipe.model import Recipe

__all__ = ["SCRATCH", "containers", "dead_runs", "finish", "leftovers", "this_run", "unchecked"]

SCRATCH = "imageyard-"
"""How the name of a folder begins that a build needs beside its log for as long as it runs."""
_PREFIX = "unchecked-"


def unchecked(workspace: Workspace, row: Row, recipe: Recipe) -> Reference:
    """The name of a candidate of this run: `unchecked-<20 hex>-<run>`. Rows of one recipe do not share it."""
    row_id = hashlib.sha256(f"{row.name} {recipe.id}".encode()).hexdigest()[:20]
    return workspace.repository.with_tag(f"{_PREFIX}{row_id}-{workspace.run.id}")


def leftovers(workspace: Workspace, engine: Engine) -> list[str]:
    """The candidates of runs that are over."""
    return [ref for ref, run in _candidates(workspace, engine) if not is_alive(workspace.top, run)]


def containers(workspace: Workspace, engine: Engine) -> list[tuple[Container, bool]]:
    """The containers of all runs, each with whether it goes: its run is over.

    One that runs goes only if its run is known to be this checkout's: a shell may be open for days in another.
    """
    runs = workspace.state / "runs"
    return [
        (one, not is_alive(workspace.top, run) and (one.state != "running" or (runs / run).is_dir()))
        for one in engine.containers(RUN_LABEL)
        for run in [one.value]
    ]


def dead_runs(workspace: Workspace, engine: Engine | None) -> None:
    """Take away what dead runs left. Done once in a process, before its first build; what resists is told.

    Without an engine only folders: a builder that pushes leaves nothing else here.
    """
    if workspace.swept:
        return
    workspace.swept = True
    if engine:
        try:
            for container, goes in containers(workspace, engine):
                if goes:
                    engine.remove(container.id)
            for reference in leftovers(workspace, engine):
                engine.untag(reference)
        except ImageyardError as error:
            workspace.story.warn(f"what a dead run left stays: {error.headline}; to try again: inv clean")
    for folder in workspace.state.glob(f"runs/*/rows/{SCRATCH}*"):
        if not is_alive(workspace.top, folder.parent.parent.name):
            shutil.rmtree(folder, ignore_errors=True)


def this_run(workspace: Workspace, engine: Engine) -> None:
    """Take away what workers of this run left when Nox killed them: candidates, and containers of their checks."""
    for reference, run in _candidates(workspace, engine):
        if run == workspace.run.id:
            engine.untag(reference)
    for container in engine.containers(f"{RUN_LABEL}={workspace.run.id}"):
        engine.remove(container.id)


def _candidates(workspace: Workspace, engine: Engine) -> list[tuple[str, str]]:
    """The candidates in the engine, each with the id of the run that loaded it."""
    tags = [tag for tag in engine.tags(str(workspace.repository)) if tag.startswith(_PREFIX)]
    return [(str(workspace.repository.with_tag(tag)), tag[len(_PREFIX) + 21 :]) for tag in tags]


def finish(workspace: Workspace) -> int:
    """Close the run and return its exit code; does nothing where no row was touched."""
    run = workspace.run
    if not run.owner or not run.folder.exists():
        return 0
    if any((record.outcome, record.builder) == ("interrupted", "local") for record in run.records()[0]):
        with suppress(ImageyardError):
            this_run(workspace, workspace.engine)
    return run.close(workspace.story)
