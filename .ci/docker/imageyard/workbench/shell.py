"""A shell in an image that CI made: from the engine, a mirror or the trusted repository, else built here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imageyard.building.row import build_row
from imageyard.errors import (
    ConfigurationError,
    Denied,
    EnvironmentLacks,
    ImageyardError,
    NotFound,
    PolicyRefused,
    Transient,
)
from imageyard.names import Reference, parse_reference, platform_of
from imageyard.project import publish_policy
from imageyard.project.checkout import this_arch
from imageyard.project.labels import INPUTS_LABEL, RUN_LABEL
from imageyard.registry.client import Client
from imageyard.registry.credentials import DockerConfig
from imageyard.workbench.pull import pull

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["bring", "shell", "split"]


def shell(
    project: Project, recipes: Recipes, services: Services, image: str, arch: str | None, command: Sequence[str]
) -> int:
    """Run a command, or an interactive shell, in an image; returns its exit code."""
    row = row_of(project, image, arch)
    reference = bring(project, recipes, services, row)
    if not command:
        services.reporter.step(f"a shell in {row.name} {row.arch}; leave it with exit")
    labels = {RUN_LABEL: services.run.id}
    return services.engine().shell(
        reference, tuple(command) or ("/bin/sh",), platform=platform_of(row.arch), labels=labels
    )


def row_of(project: Project, image: str, arch: str | None) -> Row:
    """The row that is meant: this machine's unless told. Raises ConfigurationError where there is none."""
    rows = project.rows(image)
    if image not in project.catalogue.images:
        raise ConfigurationError(f"{image} is not the name of one image", hint=f"inv list --pattern '{image}'")
    if arch is None and this_arch() not in {row.arch for row in rows}:
        raise ConfigurationError(
            f"{image} is not built for this machine's {this_arch()}", hint=f"--arch {rows[0].arch}    (emulated)"
        )
    return project.row(image, arch or this_arch())


def bring(project: Project, recipes: Recipes, services: Services, row: Row) -> str:
    """See to it that the engine has a row, and return the name that it has there; says from where, and why from there.

    A mirror is asked without an account, the trusted repository with one where it wants one. What is published is not
    asked for under a tag that is never published. What was pulled keeps the name of where it is from: it did not pass
    its checks here, and is not pushed from here.
    """
    story = services.reporter
    tag, inputs = recipes.tag(row), recipes.of(row).inputs
    title = f"{row.name} {row.arch}"
    mirrors = [parse_reference(one).with_tag(tag) for one in project.catalogue.mirrors]
    for name in (project.repository.with_tag(tag), *mirrors):
        if _is_there(services, row, name, inputs):
            story.step(f"{title}: {name} is in the engine")
            return str(name)
    if why := publish_policy.why_not(recipes, row):
        story.step(f"{title}: built here, because its tag is never published: {why}")
    else:
        own = [publish_policy.repository(project.catalogue, "trusted")] if project.catalogue.registry else []
        places = [*mirrors, *own]
        for place in places:
            if found := _pulled(services, row, place.with_tag(tag), inputs):
                return found
        story.step(f"{title}: built here, because {tag} was found nowhere")

    _, recipes = build_row(project, recipes, services, row)
    return str(project.repository_of(row).with_tag(recipes.tag(row)))


def split(posargs: Sequence[str]) -> tuple[list[str], list[str]]:
    """What of `IMAGE [OPTIONS] [COMMAND...]` is ours, and the command, whose options are its own."""
    named, at = False, 0
    while at < len(posargs):
        word = posargs[at]
        if word == "--":
            return list(posargs[:at]), list(posargs[at + 1 :])
        if word == "--arch":
            at += 1
        elif not word.startswith("-"):
            if named:
                break
            named = True
        at += 1
    return list(posargs[:at]), list(posargs[at:])


def _is_there(services: Services, row: Row, name: Reference, inputs: str) -> bool:
    """Whether the engine has it under this name, made of these inputs: anybody can name an image by hand."""
    found = services.engine().inspect(str(name))
    return found is not None and (found.labels.get(INPUTS_LABEL), found.platform) == (inputs, platform_of(row.arch))


def _pulled(services: Services, row: Row, place: Reference, inputs: str) -> str | None:
    """Pull from one place; None, with the reason told, where it does not have it or does not let us."""
    reasons: list[str] = []
    for account, client in _clients(place):
        try:
            return pull(services.engine(), services.reporter, client, place, row, inputs, account=account)
        except Denied as error:
            reasons.append(error.headline)
        except (NotFound, Transient, PolicyRefused, EnvironmentLacks) as error:
            reasons.append("; ".join((error.headline, *error.detail[-1:])))
            break
    services.reporter.step(f"{row.name} {row.arch}: not from {place.name}: {reasons[-1]}")
    return None


def _clients(place: Reference) -> list[tuple[bool, Client]]:
    """Without an account first: stale credentials are refused where none would have been needed."""
    clients = [(False, Client(credentials=lambda host: None))]
    try:
        if DockerConfig().find(place.registry) is not None:
            clients.append((True, Client()))
    except ImageyardError:
        pass  # a credential helper that fails: then there is no account
    return clients
