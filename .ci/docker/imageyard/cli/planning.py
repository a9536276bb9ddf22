"""What has to be built, and from which bases: plan, lock, stale."""

from __future__ import annotations

from collections.abc import Sequence

from invoke.context import Context

from imageyard.cli.describing import PATTERN
from imageyard.cli.entry import ARCH, CATALOGUE, JSON, task

__all__ = ["TASKS"]

BASE = "only this reference, as a Dockerfile names it; may be repeated"


@task(
    pattern=PATTERN,
    arch=ARCH,
    offline="ask no place: what the recipes alone tell",
    at="the place that is asked: engine, trusted or branch (the catalogue's repositories); default: engine",
    changed_since="a revision: say what changed since then; offline, only that is to be built",
    exit_code="end with 3 where nothing has to be built",
    json=JSON,
    catalogue=CATALOGUE,
)
def plan(
    context: Context,
    pattern: str = "*",
    arch: str | None = None,
    offline: bool = False,
    at: str | None = None,
    changed_since: str | None = None,
    exit_code: bool = False,
    json: bool = False,
    catalogue: str | None = None,
) -> None:
    """Print what has to be built, why, and in which order; with --at, for a repository at a registry."""
    from imageyard.console import Story
    from imageyard.errors import ConfigurationError
    from imageyard.ship import planning
    from imageyard.ship.workspace import Workspace

    if offline and at:
        raise ConfigurationError("--offline asks no place, and --at names one", hint="leave one of them out")
    workspace = Workspace.find(catalogue)
    asked = planning.Asked(pattern, arch, None if offline else at or "engine", changed_since)
    actions = planning.plan(workspace, asked)
    Story.result(planning.rendered(workspace, actions, as_json=json))
    planning.check(actions, nothing_is_news=exit_code)


@task(
    iterable=["base"],
    refresh="ask for the bases that are locked too, and pin what they are now",
    base=BASE,
    json=JSON,
    catalogue=CATALOGUE,
)
def lock(
    context: Context,
    refresh: bool = False,
    base: Sequence[str] | None = None,
    json: bool = False,
    catalogue: str | None = None,
) -> object:
    """Ask registries for the digests of the bases that are not locked, and write them to images.lock."""
    from imageyard.ship import locking
    from imageyard.ship.workspace import Workspace

    return locking.lock(Workspace.find(catalogue), base or (), refresh=refresh, as_json=json)


@task(
    exit_code="end with 3 where nothing is stale",
    json=JSON,
    catalogue=CATALOGUE,
)
def stale(context: Context, exit_code: bool = False, json: bool = False, catalogue: str | None = None) -> None:
    """Ask registries which locked bases have moved, and print which images that concerns."""
    from imageyard.console import Story
    from imageyard.errors import NothingToDo
    from imageyard.ship import locking
    from imageyard.ship.workspace import Workspace

    found = locking.stale(Workspace.find(catalogue))
    Story.result(locking.rendered(found, as_json=json))
    if exit_code and not any(one.moved for one in found):
        raise NothingToDo("no locked base has moved")


TASKS = [plan, lock, stale]
