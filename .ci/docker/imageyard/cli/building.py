"""Build, check, clean: what needs the engine."""

from __future__ import annotations

from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit

from imageyard.cli.describing import PATTERN
from imageyard.cli.entry import ARCH, CATALOGUE, JSON, passed_through, task
from imageyard.project.command_options import BUILD_OPTIONS

__all__ = ["TASKS"]

HERE = f"{ARCH}; default: this machine's"


@task(
    changes=True,
    instead="inv plan PATTERN: what would be built, and why",
    options=BUILD_OPTIONS,
    pattern=PATTERN,
    arch=f"{ARCH}; default: this machine's, all where others build",
    catalogue=CATALOGUE,
)
def build(context: Context, pattern: str, arch: str | None = None, catalogue: str | None = None, **typed: Any) -> None:
    """Build and check images; what follows a lone -- goes to docker buildx build, and the tag ends in -local."""
    from imageyard.building.rows import build_rows, needs_engine
    from imageyard.ci.event import decision
    from imageyard.project.checkout import this_arch
    from imageyard.project.options import assignments, build_options
    from imageyard.project.project import find_project
    from imageyard.project.recipes import pins_of, recipes_of
    from imageyard.run.services import begin

    project = find_project(catalogue)
    decided, values = decision(project), assignments(typed["set"] or ())
    options = build_options(typed, values, decided, extra=passed_through())
    arch = arch or (this_arch() if needs_engine(project.catalogue, options) else None)
    rows = project.rows(pattern, arch)
    recipes = recipes_of(project, values, pins=pins_of(decided))
    code = build_rows(project, recipes, begin(project), rows, options)
    if code:
        raise Exit(code=code)


@task(changes=False, pattern=PATTERN, arch=HERE, json=JSON, catalogue=CATALOGUE)
def check(
    context: Context, pattern: str, arch: str | None = None, json: bool = False, catalogue: str | None = None
) -> object:
    """Run the checks again in images that the engine has under their tags."""
    from imageyard.project.checkout import this_arch
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of
    from imageyard.queries.recheck import recheck
    from imageyard.run.services import begin

    project = find_project(catalogue)
    rows = project.rows(pattern, arch or this_arch())
    return recheck(project, recipes_of(project), begin(project), rows, as_json=json)


@task(
    changes="yes",
    yes="delete; without it only what would be deleted is printed",
    all="also the images whose tags are current",
    json=JSON,
    catalogue=CATALOGUE,
)
def clean(
    context: Context, yes: bool = False, all: bool = False, json: bool = False, catalogue: str | None = None
) -> object:
    """Remove from the engine what is ours: leftovers of dead runs and images whose inputs have moved on."""
    from imageyard.keep.engine_clean import clean as flow
    from imageyard.project.checkout import find_checkout
    from imageyard.project.project import load_project
    from imageyard.project.recipes import recipes_of
    from imageyard.run.services import begin

    checkout = find_checkout(catalogue)
    services = begin(checkout)
    services.engine()  # before the catalogue is read: without an engine there is nothing to clean
    project = load_project(checkout)
    return flow(project, recipes_of(project), services, yes=yes, everything=all, as_json=json)


TASKS = [build, check, clean]
