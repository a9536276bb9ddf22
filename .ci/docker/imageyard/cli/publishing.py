"""Publish, and ask for what is published: push, promote, records, resolve, wait."""

from __future__ import annotations

from invoke.context import Context

from imageyard.cli.describing import PATTERN
from imageyard.cli.entry import ARCH, CATALOGUE, JSON, task, tell_images

__all__ = ["TASKS"]

AT = "which of the catalogue's repositories: trusted or branch; default: trusted"
IMAGE = "the image's name"


@task(
    changes=True,
    instead="inv plan PATTERN --at trusted: what is absent there",
    pattern=PATTERN,
    arch=f"{ARCH}; default: this machine's",
    at="which of the catalogue's repositories: trusted or branch; default: in CI where the run writes, else trusted",
    force="push although the tag is there, and move it",
    catalogue=CATALOGUE,
)
def push(
    context: Context,
    pattern: str,
    arch: str | None = None,
    at: str | None = None,
    force: bool = False,
    catalogue: str | None = None,
) -> None:
    """Publish images that passed their checks here, each with its record; prints IMAGE ARCH REPOSITORY@DIGEST."""
    from imageyard.ci.event import decision
    from imageyard.project.checkout import this_arch
    from imageyard.project.options import as_repository
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of
    from imageyard.publishing.destination import place
    from imageyard.publishing.push import push_rows
    from imageyard.run.services import begin

    project = find_project(catalogue)
    decided, asked = decision(project), as_repository(at)
    where = asked or "trusted" if decided.is_local else place(decided, asked)[0]
    rows = project.rows(pattern, arch or this_arch())
    done, code = push_rows(project, recipes_of(project), begin(project), rows, where, force=force)
    tell_images([(f"{row.name} {row.arch}", reference) for row, reference in done], code)


@task(
    changes=True,
    instead="inv refs PATTERN --existing: what is published",
    kept=True,
    image=PATTERN,
    at="which of the catalogue's repositories: trusted or branch; default: in CI where the run writes, else trusted",
    force="move the tag where it holds other images than the rows are now",
    catalogue=CATALOGUE,
)
def promote(
    context: Context, image: str, at: str | None = None, force: bool = False, catalogue: str | None = None
) -> object:
    """Give an image its tag over the rows that are published; prints REPOSITORY@DIGEST, of a pattern each by name."""
    from imageyard.ci.event import decision
    from imageyard.project.options import as_repository
    from imageyard.project.project import find_project
    from imageyard.project.recipes import pins_of, recipes_of
    from imageyard.publishing.promote import promote as flow
    from imageyard.publishing.promotions import promote_all
    from imageyard.run.services import begin

    project = find_project(catalogue)
    decided = decision(project)
    recipes = recipes_of(project, pins=pins_of(decided))
    at_repository = as_repository(at)
    names = list(dict.fromkeys(row.name for row in project.rows(image)))
    if image in names:
        return str(flow(project, recipes, begin(project), image, at_repository, force=force, decision=decided))
    done, code = promote_all(project, recipes, begin(project), names, at_repository, force=force, decision=decided)
    tell_images(done, code)
    return None


@task(changes=False, image=PATTERN, arch=f"{ARCH}; default: all", at=AT, json=JSON, catalogue=CATALOGUE)
def records(
    context: Context,
    image: str,
    arch: str | None = None,
    at: str = "trusted",
    json: bool = False,
    catalogue: str | None = None,
) -> object:
    """Print the records that are published beside an image: when, from which commit, with which checks."""
    from imageyard.ci.event import decision
    from imageyard.project.project import find_project
    from imageyard.project.recipes import pins_of, recipes_of
    from imageyard.queries.resolve import records as flow
    from imageyard.run.services import begin

    project = find_project(catalogue)
    decided = decision(project)
    recipes = recipes_of(project, pins=pins_of(decided))
    return flow(project, recipes, begin(project), image, arch, at, decided, as_json=json)


@task(changes=False, image=IMAGE, arch=f"{ARCH}; default: the image as a whole", at=AT, catalogue=CATALOGUE)
def resolve(
    context: Context, image: str, arch: str | None = None, at: str = "trusted", catalogue: str | None = None
) -> object:
    """Print REPOSITORY@DIGEST of a published image, which stays the same whatever becomes of tags."""
    from imageyard.ci.event import decision
    from imageyard.project.project import find_project
    from imageyard.project.recipes import pins_of, recipes_of
    from imageyard.queries.resolve import resolve as flow
    from imageyard.run.services import begin

    project = find_project(catalogue)
    decided = decision(project)
    recipes = recipes_of(project, pins=pins_of(decided))
    return flow(project, recipes, image, arch, at, begin(project).registry(), decided)


@task(
    changes=False,
    image=IMAGE,
    arch=f"{ARCH}; default: the image as a whole",
    at="trusted or branch; default: in CI where the run reads, else trusted",
    timeout="how long at most: 90s, 30m, 2h; default: 2h",
    expect="fail at once unless this is the tag",
    canary="in a scheduled run, wait for the canary of its day; --no-canary waits for the tag of the content",
    catalogue=CATALOGUE,
)
def wait(
    context: Context,
    image: str,
    arch: str | None = None,
    at: str | None = None,
    timeout: str = "2h",
    expect: str | None = None,
    canary: bool = True,
    catalogue: str | None = None,
) -> object:
    """Wait until an image is published, then print REPOSITORY@DIGEST; fail at once where nobody will publish it."""
    from imageyard.ci.base import known_base
    from imageyard.ci.event import decision
    from imageyard.project.project import find_project
    from imageyard.project.recipes import pins_of, recipes_of
    from imageyard.queries import wait as waiting
    from imageyard.run.services import begin

    limit = waiting.seconds(timeout)
    project = find_project(catalogue)
    decided = decision(project) if canary else decision(project).reading_by_content()
    where, recipes = (at,) if at else decided.reads or ("trusted",), recipes_of(project, pins=pins_of(decided))
    services = begin(project)
    since = known_base(project, services.provider)
    return waiting.wait(
        project, recipes, services, image, arch, where, decided, timeout=limit, expect=expect, since=since
    )


TASKS = [push, promote, records, resolve, wait]
