"""What has to be built, and from which bases: plan, lock, stale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from invoke.context import Context

from imageyard.cli.describing import PATTERN
from imageyard.cli.entry import ARCH, CATALOGUE, JSON, task

if TYPE_CHECKING:
    from imageyard.project.workspace import Workspace

__all__ = ["TASKS"]

BASE = "only this reference, as a Dockerfile names it; may be repeated"


@task(
    pattern=PATTERN,
    arch=ARCH,
    offline="ask no place: what the recipes alone tell",
    at="the place that is asked: engine, trusted or branch (the catalogue's repositories); default: engine",
    changed_since="a revision: say what changed since then; offline, only that is to be built",
    exit_code="end with 3 where nothing has to be built",
    github="all the work of this event, as outputs and summary of a GitHub job, and printed as JSON",
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
    github: bool = False,
    json: bool = False,
    catalogue: str | None = None,
) -> None:
    """Print what has to be built, why, and in which order; with --at, for a repository at a registry."""
    from imageyard.console import Story
    from imageyard.errors import ConfigurationError
    from imageyard.project.workspace import Workspace
    from imageyard.queries import plan

    if github:
        if offline or at or arch or exit_code:
            raise ConfigurationError("--github plans for the event alone", hint="leave out the other options")
        _for_workflow(Workspace.find(catalogue), pattern, changed_since)
        return
    if offline and at:
        raise ConfigurationError("--offline asks no place, and --at names one", hint="leave one of them out")
    workspace = Workspace.find(catalogue)
    asked = plan.Asked(pattern, arch, None if offline else at or "engine", changed_since)
    actions = plan.plan(workspace, asked)
    Story.result(plan.rendered(workspace, actions, as_json=json))
    plan.check(actions, nothing_is_news=exit_code)


def _for_workflow(workspace: Workspace, pattern: str, since: str | None) -> None:
    from imageyard.access.login import environment
    from imageyard.ci import event, outputs
    from imageyard.ci.base import base
    from imageyard.console import Story
    from imageyard.plan import matrix
    from imageyard.queries.workflow_plan import plain, workflow_plan

    decision = event.decision(workspace)
    wanted = decision.pattern if pattern == "*" else pattern
    plan = workflow_plan(workspace, decision, wanted, since=since or base(workspace))
    for remark in plan.remarks:
        workspace.story.warn(remark)
    alike: dict[tuple[int, str], list[str]] = {}
    for code, what, why in plan.blocked:
        alike.setdefault((code, why), []).append(what)
    for (code, why), names in alike.items():  # GitHub shows the first ten of a step
        more = f" and {len(names) - 1} more" if names[1:] else ""
        workspace.story.annotate("error", f"[{code}] {names[0]}{more} cannot be planned: {why}")
    found = matrix.outputs(plan.jobs, plan.delivered, blocked=bool(plan.blocked))
    told = {"push": decision.push or "", "day": decision.day, "depot": "true" if plan.depot else "false"}
    outputs.emit({**told, "environment": environment(workspace.catalogue, decision), **found})
    outputs.summarize(outputs.plan_summary(plan))
    Story.result(plain(plan))


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
    from imageyard.keep import lock
    from imageyard.project.workspace import Workspace

    return lock.lock(Workspace.find(catalogue), base or (), refresh=refresh, as_json=json)


@task(
    exit_code="end with 3 where nothing is stale",
    json=JSON,
    catalogue=CATALOGUE,
)
def stale(context: Context, exit_code: bool = False, json: bool = False, catalogue: str | None = None) -> None:
    """Ask registries which locked bases have moved, and print which images that concerns."""
    from imageyard.console import Story
    from imageyard.errors import NothingToDo
    from imageyard.keep import lock
    from imageyard.project.workspace import Workspace

    found = lock.stale(Workspace.find(catalogue))
    Story.result(lock.rendered(found, as_json=json))
    if exit_code and not any(one.moved for one in found):
        raise NothingToDo("no locked base has moved")


TASKS = [plan, lock, stale]
