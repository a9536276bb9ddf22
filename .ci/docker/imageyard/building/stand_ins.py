"""Base images where no hub can be reached: make the stand-ins that a row needs, when it needs them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from imageyard.project.recipes import recipes_of
from imageyard.recipe.dockerfile.references import familiar
from imageyard.recipe.pulled import Pulls

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.recipe.stand_ins import Locked
    from imageyard.run.services import Services

__all__ = ["ensure", "needed"]


def needed(recipes: Recipes, rows: Iterable[Row]) -> tuple[str, ...]:
    """The bases that these rows pull and that no lock pins, as their Dockerfiles name them."""
    pulls = Pulls(recipes, recipes.pins)
    found: dict[str, None] = {}
    for row in rows:
        found |= _open(pulls, row, recipes.pins)
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
    """What is pinned neither by the lock nor as a stand-in, of a row and its ancestors.

    Their recipes are not asked: they may be refused until it is known what a base leaves, as it is of a stand-in.
    """
    pulls = Pulls(recipes, recipes.pins)
    names: dict[str, None] = {}
    todo = [row]
    while todo:
        names |= _open(pulls, todo[-1], recipes.pins, recipes.stand_ins.pinned(row.arch))
        todo += pulls.parents(todo.pop())
    return names


def _open(pulls: Pulls, row: Row, *locks: Locked) -> dict[str, None]:
    """The images that a row pulls itself by a tag that none of these pins."""
    pinned = {familiar(name) for lock in locks for name in lock.pinned}
    images = [pull.reference for pull in pulls.of(row) if not pull.is_frontend]
    return {name: None for name in images if name not in pinned and "@" not in name}
