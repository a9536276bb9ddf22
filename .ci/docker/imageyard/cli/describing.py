"""What there is and what it stands for, without an engine: list, explain, tag, inputs."""

from __future__ import annotations

from collections.abc import Sequence

from invoke.context import Context

from imageyard.cli.entry import ARCH, CATALOGUE, JSON, task
from imageyard.project.command_options import SET_HELP

__all__ = ["TASKS"]

PATTERN = "an image, or a pattern with {a,b} and *: 'linux-*-{gcc12,clang16}'"


@task(changes=False, name="list", may_be_first="pattern", pattern=PATTERN, arch=ARCH, json=JSON, catalogue=CATALOGUE)
def list_images(
    context: Context,
    pattern: str = "*",
    arch: str | None = None,
    json: bool = False,
    catalogue: str | None = None,
) -> object:
    """Print the images that a pattern selects, with their family and architectures."""
    from imageyard.project.project import find_project
    from imageyard.queries.describe import listing

    return listing(find_project(catalogue), pattern, arch, as_json=json)


@task(
    changes=False,
    image="the image's name",
    at="engine, trusted or branch: say too what is there under its tags, and what of it is revoked",
    json=JSON,
    catalogue=CATALOGUE,
)
def explain(
    context: Context, image: str, at: str | None = None, json: bool = False, catalogue: str | None = None
) -> object:
    """Print what an image's name stands for: each word, arg, check and field, and which line says so."""
    from imageyard.project.checkout import find_checkout
    from imageyard.queries.describe import explanation

    checkout = find_checkout(catalogue)
    explained = explanation(checkout, image, as_json=json)
    if at is None:
        return explained
    from imageyard.project.places import place_of
    from imageyard.project.project import load_project
    from imageyard.project.recipes import recipes_of
    from imageyard.queries.published import as_text, published
    from imageyard.run.services import begin

    project = load_project(checkout)
    rows = published(project, recipes_of(project), begin(project), image, at)
    if isinstance(explained, dict):
        return {**explained, "published": rows}
    return f"{explained}\n\n{as_text(place_of(project.catalogue, at).name, rows)}"


@task(
    changes=False,
    iterable=["set_"],
    pattern=PATTERN,
    arch=ARCH,
    json=JSON,
    catalogue=CATALOGUE,
    set_=SET_HELP,
    explain="say what the tag is made of",
    against="a revision: say what changed since then, in words",
)
def tag(
    context: Context,
    pattern: str,
    arch: str | None = None,
    explain: bool = False,
    against: str | None = None,
    set_: Sequence[str] | None = None,
    json: bool = False,
    catalogue: str | None = None,
) -> object:
    """Print the tag of an image, calculated from its content; for a pattern: IMAGE ARCH TAG."""
    from imageyard.project.options import assignments
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of
    from imageyard.queries import describe

    project = find_project(catalogue)
    values = assignments(set_ or ())
    recipes = recipes_of(project, values)
    if against is not None:
        return describe.against(project, recipes, pattern, against, arch, values, as_json=json)
    if explain:
        return describe.contents(project, recipes, pattern, arch, values, as_json=json)
    return describe.tags(project, recipes, pattern, arch, values, as_json=json)


@task(changes=False, iterable=["set_"], pattern=PATTERN, arch=ARCH, json=JSON, catalogue=CATALOGUE, set_=SET_HELP)
def inputs(
    context: Context,
    pattern: str,
    arch: str | None = None,
    set_: Sequence[str] | None = None,
    json: bool = False,
    catalogue: str | None = None,
) -> object:
    """Print the files that an image is made from, relative to the repository's top."""
    from imageyard.project.options import assignments
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of
    from imageyard.queries import describe

    project, values = find_project(catalogue), assignments(set_ or ())
    return describe.inputs(project, recipes_of(project, values), pattern, arch, values, as_json=json)


TASKS = [list_images, explain, tag, inputs]
