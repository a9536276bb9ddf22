"""Which images rows pull, where no recipe can be asked yet: no file is looked at, nothing has to be known of bases."""

from __future__ import annotations

from dataclasses import dataclass

from imageyard.catalogue.lock import Lock
from imageyard.catalogue.model import Row
from imageyard.errors import ConfigurationError
from imageyard.names import normal_platform, platform_of
from imageyard.recipe.bases import RowBases
from imageyard.recipe.dockerfile.evaluate import Reading
from imageyard.recipe.dockerfile.references import familiar, is_reference
from imageyard.recipe.frontend import frontend_of
from imageyard.recipe.readings import evaluated
from imageyard.recipe.recipe import Recipes
from imageyard.recipe.sources import IMAGE_SCHEME, Binder, named_contexts
from imageyard.recipe.stand_ins import Locked

__all__ = ["Pull", "Pulls"]


@dataclass(frozen=True)
class Pull:
    """A reference that a row's build pulls from outside of the catalogue: an image, or the frontend.

    `platform` is that of a stage which starts from it, empty where none does.
    """

    reference: str
    platform: str = ""
    is_frontend: bool = False


class Pulls:
    """The pulls of the rows of `recipes`, each Dockerfile read once, with what `lock` knows of bases."""

    def __init__(self, recipes: Recipes, lock: Locked) -> None:
        self._recipes = recipes
        self._binder = Binder(lock, Lock())
        self._readings: dict[tuple[str, str], Reading] = {}

    def of(self, row: Row) -> tuple[Pull, ...]:
        """What a row pulls itself, its frontend last. Raises ConfigurationError for what BuildKit would refuse."""
        row = self._recipes.own(row)
        reading, contexts = self._reading(row), named_contexts(row.image.contexts)
        parents = self._recipes.named_parents(row)
        started = {familiar(use.name): normal_platform(use.platform or platform_of(row.arch)) for use in reading.bases}
        found: dict[Pull, None] = {}
        for use in reading.images:
            name = familiar(use.name)
            given = contexts.get(name)
            if given is None and name not in parents:
                found[Pull(name, started.get(name, ""))] = None
            elif given is not None and given.startswith(IMAGE_SCHEME):
                found[Pull(familiar(given.removeprefix(IMAGE_SCHEME)), started.get(name, ""))] = None
        frontend = frontend_of(*self._recipes.definition(row))
        if frontend and is_reference(frontend):
            found[Pull(frontend, is_frontend=True)] = None
        return tuple(found)

    def parents(self, row: Row) -> tuple[Row, ...]:
        """The rows that a row is built from."""
        row = self._recipes.own(row)
        used = {familiar(use.name) for use in self._reading(row).images} - named_contexts(row.image.contexts).keys()
        return tuple(parent for name, parent in self._recipes.named_parents(row).items() if name in used)

    def _reading(self, row: Row) -> Reading:
        key = (row.name, row.arch)
        if key not in self._readings:
            left = {name: self._reading(parent).leaves for name, parent in self._recipes.named_parents(row).items()}
            dockerfile, args = self._recipes.definition(row)
            try:
                self._readings[key] = evaluated(row, dockerfile, args, RowBases.of(row, left, self._binder))
            except ConfigurationError as error:
                error.doing = f"working out what {row.name} pulls for {row.arch}"
                raise
        return self._readings[key]
