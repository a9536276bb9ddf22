"""Base images where no hub can be reached: make the stand-ins that a row needs, when it needs them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from imageyard.project.recipes import recipes_of

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["ensure", "needed"]


def needed(recipes: Recipes, rows: Iterable[Row]) -> tuple[str, ...]:
    """The bases that these rows pull and that no lock pins, as their Dockerfiles name them."""
    found: dict[str, None] = {}
    for row in rows:
        for source in recipes.of(row).sources:
            if source.kind in ("unlocked", "standin"):
                found[source.name] = None
    return tuple(found)


def ensure(project: Project, recipes: Recipes, services: Services, row: Row) -> Recipes:
    """Make the stand-ins of a row and of its ancestors that are missing; none where the hub answers.

    This comes before the row's tag is worked out: a stand-in under an ancestor is part of it. A base that the engine
    holds under its own name needs none: BuildKit takes it from there. Returns the recipes to go on with.
    """
    missing = [name for name in _unlocked(recipes, row) if services.engine().inspect(name) is None]
    if not missing:
        return recipes
    stand_ins = recipes.stand_ins.make(services.reporter, missing, row.arch)
    return recipes_of(project, recipes.set_args, pins=recipes.pins, stand_ins=stand_ins)


def _unlocked(recipes: Recipes, row: Row) -> dict[str, None]:
    names = {source.name: None for source in recipes.of(row).sources if source.kind == "unlocked"}
    for parent in recipes.parent_rows(row):
        names |= _unlocked(recipes, parent)
    return names
