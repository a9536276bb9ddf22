"""What the sessions of one call of Nox share: the catalogue, the recipes, and whom they talk to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from imageyard.console import Story
from imageyard.plan.decision import LOCAL, Decision

if TYPE_CHECKING:
    from imageyard.project.checkout import Checkout
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services
    from imageyard.runs import Run

__all__ = ["NoxCall"]


class NoxCall:
    """One call of Nox. What its sessions share is read when the first of them needs it: `nox -l` needs none of it."""

    def __init__(self, checkout: Checkout, run: Run) -> None:
        self.checkout = checkout
        self.run = run
        self.reporter = Story.detect()
        self._recipes: dict[tuple[object, ...], Recipes] = {}

    @cached_property
    def project(self) -> Project:
        """The catalogue, read. Raises ConfigurationError with file and line."""
        from imageyard.project.project import load_project

        return load_project(self.checkout)

    @cached_property
    def services(self) -> Services:
        """Whom the sessions talk to."""
        from imageyard.run.services import begin

        return begin(self.checkout, self.reporter)

    def recipes(self, values: Mapping[str, str] | None = None, decision: Decision = LOCAL) -> Recipes:
        """The recipes of the rows, made once for the same `--set` and the same kind of bases."""
        from imageyard.project.recipes import pins_of, recipes_of

        key = _key(values, decision)
        if key not in self._recipes:
            self._recipes[key] = recipes_of(self.project, values, pins=pins_of(decision))
        return self._recipes[key]

    def keep(self, recipes: Recipes, values: Mapping[str, str], decision: Decision) -> None:
        """Go on with these recipes: stand-ins that were made since are in them."""
        self._recipes[_key(values, decision)] = recipes


def _key(values: Mapping[str, str] | None, decision: Decision) -> tuple[object, ...]:
    return (decision.uses_locked_bases, *sorted((values or {}).items()))
