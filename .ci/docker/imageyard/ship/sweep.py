"""What runs leave in the engine when they are killed: images named `unchecked`, containers of checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageyard.runs import is_alive

if TYPE_CHECKING:
    from imageyard.engine import Engine
    from imageyard.names import Reference
    from imageyard.ship.workspace import Workspace

__all__ = ["IMAGE_LABEL", "RUN_LABEL", "dead_runs", "leftovers", "this_run", "unchecked"]

IMAGE_LABEL = "io.imageyard.image"
"""On every image that we load: the image's name."""
RUN_LABEL = "io.imageyard.run"
"""On every container that we start: the run's id."""
_PREFIX = "unchecked-"


def unchecked(workspace: Workspace, recipe_id: str) -> Reference:
    """The name of a candidate of this run: `unchecked-<20 hex>-<run>`."""
    return workspace.repository.with_tag(f"{_PREFIX}{recipe_id[:20]}-{workspace.run.id}")


def leftovers(workspace: Workspace, engine: Engine) -> list[str]:
    """The candidates of runs that are over."""
    return [ref for ref, run in _candidates(workspace, engine) if not is_alive(workspace.top, run)]


def dead_runs(workspace: Workspace, engine: Engine) -> None:
    """Take away what dead runs left. Done once in a process, before its first build."""
    if workspace.swept:
        return
    workspace.swept = True
    for reference in leftovers(workspace, engine):
        engine.untag(reference)


def this_run(workspace: Workspace, engine: Engine) -> None:
    """Take away what workers of this run left when Nox killed them: candidates, and containers of their checks."""
    for reference, run in _candidates(workspace, engine):
        if run == workspace.run.id:
            engine.untag(reference)
    for container in engine.containers(f"{RUN_LABEL}={workspace.run.id}"):
        engine.remove(container.id)


def _candidates(workspace: Workspace, engine: Engine) -> list[tuple[str, str]]:
    """The candidates in the engine, each with the id of the run that loaded it."""
    prefix = f"{workspace.repository}:{_PREFIX}"
    tags = [tag for image in engine.images(IMAGE_LABEL) for tag in image.tags if tag.startswith(prefix)]
    return [(tag, tag[len(prefix) + 21 :]) for tag in tags]
