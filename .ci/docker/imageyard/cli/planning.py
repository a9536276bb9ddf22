"""What has to be built, and from which bases: plan, lock, stale, pins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from invoke.context import Context

from imageyard.cli.describing import PATTERN
from imageyard.cli.entry import ARCH, CATALOGUE, JSON, read_age, task

if TYPE_CHECKING:
    from imageyard.project.project import Project

__all__ = ["TASKS"]

BASE = "only this reference, as a Dockerfile names it; may be repeated"


@task(
    changes=False,
    may_be_first="pattern",
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
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of
    from imageyard.queries import plan as planning
    from imageyard.run.services import begin

    if github:
        if offline or at or arch or exit_code:
            raise ConfigurationError("--github plans for the event alone", hint="leave out the other options")
        _for_workflow(find_project(catalogue), pattern, changed_since)
        return
    if offline and at:
        raise ConfigurationError("--offline asks no place, and --at names one", hint="leave one of them out")
    project = find_project(catalogue)
    asked = planning.Asked(pattern, arch, None if offline else at or "engine", changed_since)
    actions = planning.plan(project, recipes_of(project), begin(project), asked)
    Story.result(planning.rendered(project.catalogue, actions, as_json=json))
    if said := planning.left_out(project.catalogue):
        Story.detect().step(said)
    planning.check(actions, nothing_is_news=exit_code)


def _for_workflow(project: Project, pattern: str, since: str | None) -> None:
    from imageyard.access.environments import environment
    from imageyard.ci import event, outputs
    from imageyard.ci.base import base
    from imageyard.ci.providers.logs import attempt
    from imageyard.console import Story
    from imageyard.project.recipes import pins_of, recipes_of
    from imageyard.queries.workflow_plan import plain, workflow_plan
    from imageyard.run.services import begin

    decided, services = event.decision(project), begin(project)
    provider = services.provider
    recipes = recipes_of(project, pins=pins_of(decided))
    wanted = decided.pattern if pattern == "*" else pattern
    plan = workflow_plan(
        project, recipes, services, decided, wanted, since=since or base(project, services.reporter, provider)
    )
    alike: dict[tuple[int, str], list[str]] = {}
    for code, what, why in plan.blocked:
        alike.setdefault((code, why), []).append(what)
    for (code, why), names in alike.items():  # GitHub shows the first ten of a step
        more = f" and {len(names) - 1} more" if names[1:] else ""
        services.reporter.annotate("error", f"[{code}] {names[0]}{more} cannot be planned: {why}")
    if plan.left_out:
        services.reporter.step(plan.left_out)
    jobs = provider.workflow_jobs(plan.jobs, plan.delivered)
    found = provider.plan_outputs(jobs, blocked=bool(plan.blocked))
    told = {"push": decided.push or "", "day": decided.day, "depot": "true" if plan.depot else "false"}
    provider.set_outputs({**told, "environment": environment(project.catalogue, decided), **found})
    provider.summary(outputs.plan_summary(plan))
    Story.result(plain(plan, jobs, attempt(os.environ)))


@task(
    changes=True,
    instead="inv stale: which locked bases have moved; inv lock --check: which are not locked",
    may_be_first="pattern",
    iterable=["base"],
    pattern=f"only the bases of these images; {PATTERN}",
    refresh="ask for the bases that are locked too, pin what they are now, and move the epoch to today",
    epoch="with --refresh: move the epoch, so that the commands of a build are run again, and their downloads",
    check="ask no registry and write nothing; end with 10 where a base is not locked",
    base=BASE,
    json=JSON,
    catalogue=CATALOGUE,
)
def lock(
    context: Context,
    pattern: str = "*",
    refresh: bool = False,
    epoch: bool = True,
    check: bool = False,
    base: Sequence[str] | None = None,
    json: bool = False,
    catalogue: str | None = None,
) -> object:
    """Ask registries for the digests of the bases that are not locked, and write them to images.lock."""
    from imageyard.errors import ConfigurationError
    from imageyard.keep import lock as locking
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of
    from imageyard.run.services import begin

    if check and (refresh or base or json or pattern != "*"):
        raise ConfigurationError("--check looks at the whole lock and changes nothing", hint="leave the others out")
    if not epoch and not refresh:
        raise ConfigurationError("--no-epoch belongs to --refresh", hint="inv lock --refresh --no-epoch")
    if base and pattern != "*":
        raise ConfigurationError("--base names what is locked, and so does a pattern", hint="leave one of them out")
    project = find_project(catalogue)
    recipes = recipes_of(project)
    if check:
        return locking.check(project, recipes)
    done = locking.lock(project, recipes, begin(project), pattern, base or (), refresh=refresh, epoch=epoch)
    return locking.rendered(done, as_json=json)


@task(
    changes=False,
    may_be_first="pattern",
    pattern=PATTERN,
    older_than="tell too what is older, locks, epochs and published builds: 30d, 12h",
    check="end with 10 where something is stale",
    exit_code="end with 3 where nothing is stale",
    json=JSON,
    catalogue=CATALOGUE,
)
def stale(
    context: Context,
    pattern: str = "*",
    older_than: str | None = None,
    check: bool = False,
    exit_code: bool = False,
    json: bool = False,
    catalogue: str | None = None,
) -> None:
    """Ask registries which locked bases have moved, and print which images that concerns."""
    from datetime import datetime, timezone

    from imageyard.console import Story
    from imageyard.errors import NothingToDo, PolicyRefused
    from imageyard.keep import stale as staleness
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of
    from imageyard.run.services import begin

    age = None if older_than is None else read_age("--older-than", older_than)
    project = find_project(catalogue)
    recipes, services = recipes_of(project), begin(project)
    today = datetime.now(timezone.utc).date()
    found = staleness.stale(project, recipes, services.registry(), pattern)
    old = None if age is None else staleness.old_things(project, recipes, services, pattern, age, today)
    Story.result(staleness.rendered(found, old, today=today, as_json=json))
    count = sum(one.moved for one in found) + len(old or ())
    if check and count:
        raise PolicyRefused(
            f"{count} of what images are made of is stale", doing="checking freshness", hint="inv lock --refresh"
        )
    if exit_code and not count:
        raise NothingToDo("no locked base has moved")


@task(
    changes="yes",
    move="move references that are older to what their images are now; a listing without --yes",
    yes="with --move: write the files",
    check="end with 10 where retention would not protect a reference",
    json=JSON,
    catalogue=CATALOGUE,
)
def pins(
    context: Context,
    move: bool = False,
    yes: bool = False,
    check: bool = False,
    json: bool = False,
    catalogue: str | None = None,
) -> None:
    """Print the references to the catalogue's images in the repository's files, and whether they are current."""
    from imageyard.console import Story
    from imageyard.errors import ConfigurationError
    from imageyard.keep import pin_files
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of
    from imageyard.run.services import begin

    if yes and not move:
        raise ConfigurationError("--yes belongs to --move", hint="inv pins --move --yes")
    project = find_project(catalogue)
    found = pin_files.pins(project, recipes_of(project), begin(project).registry())
    Story.result(pin_files.rendered([one for one in found if one.new or one.why] if move else found, as_json=json))
    if yes:
        pin_files.move(project, found)
    if check:
        pin_files.check(found)


TASKS = [plan, lock, stale, pins]
