"""What is in published images, and what changed in them: diff, facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.context import Context

from imageyard.cli.entry import ARCH, CATALOGUE, JSON, task

if TYPE_CHECKING:
    from imageyard.plan.decision import Decision
    from imageyard.project.project import Project
    from imageyard.queries.image_side import SideFinder

__all__ = ["TASKS"]

_IMAGE = "the image's name"
_ARCH = f"{ARCH}; default: this machine's, or the image's first"
_AT = "trusted or branch; default: in CI where the run reads, else trusted"
_SIDE = "a revision, a tag, a digest, or weekly-YYYYMMDD"


@task(
    changes=False,
    image=_IMAGE,
    arch=_ARCH,
    from_=f"{_SIDE}; default: what a branch is against, else the parent commit; of a canary the one before it",
    to=f"{_SIDE}; default: the work tree",
    at=_AT,
    json=JSON,
    catalogue=CATALOGUE,
)
def diff(
    context: Context,
    image: str,
    arch: str | None = None,
    from_: str | None = None,
    to: str | None = None,
    at: str | None = None,
    json: bool = False,
    catalogue: str | None = None,
) -> object:
    """Print what changed in an image: packages that came, went and moved, size by layer, and what explains it."""
    from imageyard.ci.base import known_base
    from imageyard.ci.event import decision
    from imageyard.project.project import find_project
    from imageyard.project.recipes import pins_of, recipes_of
    from imageyard.queries.changed import DiffRequest, changed
    from imageyard.queries.diff import rendered

    project = find_project(catalogue)
    decided = decision(project)
    finder = _finder(project, decided, image, arch, at)
    asked = DiffRequest(from_, to, known_base(project, finder.services.provider), decided)
    return rendered(changed(finder, recipes_of(project, pins=pins_of(decided)), asked), as_json=json)


@task(
    changes=False,
    image=_IMAGE,
    arch=_ARCH,
    find="a package, libc6 or 'libstdc*': with which published image each of its versions began",
    weekly="with --find: ask the canaries of the weekly builds, and not the images by content",
    at=_AT,
    json=JSON,
    catalogue=CATALOGUE,
)
def facts(
    context: Context,
    image: str,
    arch: str | None = None,
    find: str | None = None,
    weekly: bool = False,
    at: str | None = None,
    json: bool = False,
    catalogue: str | None = None,
) -> object:
    """Print the facts that are kept of an image; with --find, which image brought which version of a package."""
    from imageyard.ci.event import decision
    from imageyard.errors import ConfigurationError
    from imageyard.project.project import find_project
    from imageyard.project.recipes import pins_of, recipes_of
    from imageyard.queries import facts as flow

    if weekly and find is None:
        raise ConfigurationError("--weekly goes with --find", hint=f"inv facts {image} --find PACKAGE --weekly")
    project = find_project(catalogue)
    decided = decision(project)
    finder = _finder(project, decided, image, arch, at)
    if find is None:
        recipes = recipes_of(project, pins=pins_of(decided))
        return flow.listing(finder.row, finder.found(finder.made_of("now", recipes, decided)), as_json=json)
    found = flow.history(finder, find, weekly=weekly)
    if found.left_out:
        finder.services.reporter.warn(f"{found.left_out} older images were not asked")
    return flow.history_rendered(found, as_json=json)


def _finder(project: Project, decided: Decision, image: str, arch: str | None, at: str | None) -> SideFinder:
    from imageyard.errors import ConfigurationError
    from imageyard.names import parse_reference
    from imageyard.project import publish_policy
    from imageyard.project.checkout import this_arch
    from imageyard.queries.image_side import SideFinder
    from imageyard.queries.references import places
    from imageyard.run.services import begin

    rows = project.rows(image, arch)
    if image not in project.catalogue.images:
        raise ConfigurationError(f"{image} is not the name of one image", hint=f"inv list --pattern '{image}'")
    row = next((row for row in rows if row.arch == this_arch()), rows[0])
    repositories = [publish_policy.repository(project.catalogue, one) for one in places(decided, at)]
    mirrors = [] if at else [parse_reference(one) for one in project.catalogue.mirrors]
    return SideFinder(project, begin(project), row, (*repositories, *mirrors))


TASKS = [diff, facts]
