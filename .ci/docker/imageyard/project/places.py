"""Which tags are at a place: the engine, by one question, or a registry's repository, many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError
from imageyard.names import Reference, parse_reference

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue

__all__ = ["PLACES", "At", "Place", "place_of"]

At: TypeAlias = Literal["engine", "trusted", "branch"]
PLACES: tuple[At, ...] = get_args(At)


class Place(NamedTuple):
    """Where images are; `repository` is None for the engine."""

    name: str
    repository: Reference | None = None


def place_of(catalogue: Catalogue, at: str) -> Place:
    """The place that a word stands for. Raises ConfigurationError for another word, and where there is no registry."""
    if at not in PLACES:
        raise ConfigurationError(
            f"unknown place {at!r}", hint=did_you_mean(at, PLACES) or f"use one of: {', '.join(PLACES)}"
        )
    if at == "engine":
        return Place("the engine")
    registry = catalogue.registry
    if registry is None:
        raise ConfigurationError(
            f"the catalogue names no registry, so there is no {at} repository",
            at=catalogue.file,
            hint="add to it: registry: HOST/REPOSITORY",
        )
    repository = parse_reference(registry.trusted if at == "trusted" else registry.branch)
    return Place(repository.name, repository)
