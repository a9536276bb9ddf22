"""Hand over what is published: mirror, refs."""

from __future__ import annotations

from invoke.context import Context

from imageyard.cli.describing import PATTERN
from imageyard.cli.entry import ARCH, CATALOGUE, JSON, task, tell_images

__all__ = ["TASKS"]


@task(
    changes=True,
    instead="inv refs PATTERN --existing: which mirrors have what is published",
    pattern=PATTERN,
    floating="let the tag IMAGE name what the branch stands for now; --no-floating leaves it alone",
    force="move content tags of mirrors that name another image than the trusted repository's",
    branch="the branch that floating tags follow; default: the one that is checked out, in CI that of the event",
    catalogue=CATALOGUE,
)
def mirror(
    context: Context,
    pattern: str,
    floating: bool = True,
    force: bool = False,
    branch: str | None = None,
    catalogue: str | None = None,
) -> None:
    """Copy promoted images by digest to every mirror of the catalogue; prints IMAGE REPOSITORY@DIGEST."""
    from imageyard.ci.event import decision
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of
    from imageyard.publishing.mirror import MirrorRequest
    from imageyard.publishing.mirror import mirror as flow
    from imageyard.run.services import begin

    project = find_project(catalogue)
    services, decided = begin(project), decision(project)
    if branch is None and decided.mirror:  # an event that was believed, so its ref is what the variable says
        branch = services.provider.branch()
    done, code = flow(project, recipes_of(project), services, MirrorRequest(pattern, floating, force, branch, decided))
    tell_images(done, code)


@task(
    changes=False,
    pattern=PATTERN,
    arch=f"{ARCH}: only these rows; default: images as a whole, and their rows",
    at="trusted or branch; default: in CI where the run reads, else trusted",
    existing="end with 0 though something is absent",
    known="end with 0 though something is absent, or a registry refuses or is silent: hand over what is known",
    json=JSON,
    catalogue=CATALOGUE,
)
def refs(
    context: Context,
    pattern: str,
    arch: str | None = None,
    at: str | None = None,
    existing: bool = False,
    known: bool = False,
    json: bool = False,
    catalogue: str | None = None,
) -> None:
    """Print REPOSITORY@DIGEST of all images that exist, with their copies at mirrors, and list those that do not."""
    from imageyard.ci.event import decision
    from imageyard.console import Story
    from imageyard.project.project import find_project
    from imageyard.project.recipes import pins_of, recipes_of
    from imageyard.queries import references
    from imageyard.run.services import begin

    project = find_project(catalogue)
    decided = decision(project)
    recipes, places = recipes_of(project, pins=pins_of(decided)), references.places(decided, at)
    services = begin(project)
    entries = references.references(project, recipes, services, pattern, arch, places, decided)
    Story.result(references.rendered(entries, as_json=json))
    if known and (unsaid := next((one for one in entries if one.error), None)):
        services.reporter.warn(f"not all images are handed over: {unsaid.why}")
    references.check(entries, existing=existing, known=known)


TASKS = [mirror, refs]
