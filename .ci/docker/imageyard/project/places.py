"""Which tags are at a place: the engine, by one question, or a registry's repository, many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError
from imageyard.names import Absent, Present, Reference, State, parse_reference

if TYPE_CHECKING:
    from imageyard.project.workspace import Workspace
    from imageyard.registry.client import Client

__all__ = ["PLACES", "At", "Place", "gather", "place_of"]

At: TypeAlias = Literal["engine", "trusted", "branch"]
PLACES: tuple[At, ...] = get_args(At)


class Place(NamedTuple):
    """Where images are; `repository` is None for the engine."""

    name: str
    repository: Reference | None = None


def place_of(workspace: Workspace, at: str) -> Place:
    """The place that a word stands for. Raises ConfigurationError for another word, and where there is no registry."""
    if at not in PLACES:
        raise ConfigurationError(
            f"unknown place {at!r}", hint=did_you_mean(at, PLACES) or f"use one of: {', '.join(PLACES)}"
        )
    if at == "engine":
        return Place("the engine")
    registry = workspace.catalogue.registry
    if registry is None:
        raise ConfigurationError(
            f"the catalogue names no registry, so there is no {at} repository",
            at=workspace.catalogue.file,
            hint="add to it: registry: HOST/REPOSITORY",
        )
    repository = parse_reference(registry.trusted if at == "trusted" else registry.branch)
    return Place(repository.name, repository)


def gather(
    workspace: Workspace, place: Place, tags: Iterable[str], client: Client | None = None
) -> Mapping[str, State]:
    """The state of each tag at a place; a registry that refuses or fails makes them Unknown, with its words.

    Raises EnvironmentLacks where the place is the engine and none answers.
    """
    wanted = tuple(dict.fromkeys(tags))
    if place.repository is None:
        found = workspace.engine.tags(workspace.repository.name)
        return {tag: Present(found[tag]) if tag in found else Absent() for tag in wanted}
    from imageyard.registry.client import Client
    from imageyard.registry.states import states

    references = {tag: place.repository.with_tag(tag) for tag in wanted}
    told = states(client or Client(), references.values(), platforms=False)
    return {tag: told[reference] for tag, reference in references.items()}
