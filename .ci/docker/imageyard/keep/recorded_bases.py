"""The bases of published images, worked out from the commits and recipes that their records name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from imageyard.errors import ImageyardError
from imageyard.project.recipes import UNLOCKED, recipes_at

if TYPE_CHECKING:
    from imageyard.project.project import Project
    from imageyard.recipe.model import Recipe
    from imageyard.recipe.recipe import Recipes
    from imageyard.records import Record

__all__ = ["MOST_COMMITS", "bases_of_recipe", "recorded_bases"]

MOST_COMMITS = 100
"""Commits whose recipes are worked out, the newest ones by their builds; each takes about a tenth of a second."""


def recorded_bases(project: Project, records: Iterable[Record]) -> Mapping[str, tuple[str, ...]]:
    """The bases by the id of the recipe; a recipe is missing where its commit is not in this clone, or had changes."""
    wanted: dict[str, dict[str, Record]] = {}
    for record in sorted(records, key=lambda record: record.started, reverse=True):
        if record.commit and record.recipe and (record.commit in wanted or len(wanted) < MOST_COMMITS):
            wanted.setdefault(record.commit, {}).setdefault(record.recipe, record)
    found: dict[str, tuple[str, ...]] = {}
    for commit, by_recipe in wanted.items():
        left = {recipe: record for recipe, record in by_recipe.items() if recipe not in found}
        for pins in (None, UNLOCKED):  # a weekly build pins no base
            if not left:
                break
            try:
                recipes = recipes_at(project, commit, pins=pins)
            except ImageyardError:
                break
            found |= _matching(recipes, left)
            left = {recipe: record for recipe, record in left.items() if recipe not in found}
    return found


def _matching(recipes: Recipes, wanted: Mapping[str, Record]) -> dict[str, tuple[str, ...]]:
    """The bases of the rows of a revision whose recipes are these."""
    rows = {(row.name, row.arch): row for row in recipes.catalogue.rows}
    found = {}
    for recipe_id, record in wanted.items():
        row = next((row for key, row in rows.items() if key == (record.image, record.arch)), None)
        try:
            recipe = recipes.of(row) if row else None
        except ImageyardError:
            continue
        if recipe is not None and recipe.id == recipe_id:
            found[recipe_id] = bases_of_recipe(recipe)
    return found


def bases_of_recipe(recipe: Recipe) -> tuple[str, ...]:
    """What an image starts from and copies from, in words: a name with its digest, or with the recipe of a parent."""
    found = []
    for source in recipe.sources:
        match source.kind:
            case "locked" | "standin":
                found.append(f"{source.name}@{source.value}")
            case "parent":
                found.append(f"{source.name} (recipe {source.value[:12]})")
            case "unlocked":
                found.append(f"{source.name}, not pinned")
            case "directory":
                continue
    return tuple(found)
