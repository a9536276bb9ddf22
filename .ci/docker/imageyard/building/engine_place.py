"""The engine of this machine as the place of rows: what it has under their tags, and how an image gets its tag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageyard.building import stand_ins
from imageyard.building.builder import BuiltImage, EngineImage, Found, Published
from imageyard.errors import NotFound
from imageyard.project.labels import INPUTS_LABEL
from imageyard.run import last_build

if TYPE_CHECKING:
    from imageyard.building.builder import RowBuild
    from imageyard.catalogue.model import Row
    from imageyard.engine import LoadedImage
    from imageyard.names import Reference
    from imageyard.project.project import Project
    from imageyard.project.row_facts import RowFacts
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["EnginePlace", "image_in_engine", "parent_in_engine", "reference_of", "tag_in_engine"]


@dataclass(frozen=True)
class EnginePlace:
    """Rows get their tags in the engine, and are published nowhere."""

    project: Project
    services: Services

    def prepare(self, recipes: Recipes, row: Row) -> Recipes:
        """Make the stand-ins that the row's tag depends on."""
        return stand_ins.ensure(self.project, recipes, self.services, row)

    def find(self, facts: RowFacts) -> Found | None:
        """Ask the engine, and nobody else."""
        image = image_in_engine(self.project, self.services, facts)
        return None if image is None else Found("in the engine", size=image.size)

    def parent(self, facts: RowFacts, child: RowFacts) -> str:
        """Return the parent's tag, with its digest where the engine's store has digests."""
        return parent_in_engine(self.project, self.services, facts)

    def missing_parent(self, facts: RowFacts) -> str:
        """Say that the engine has no such parent."""
        return f"{facts.tag} is not in the engine"

    def require_writable(self, facts: RowFacts) -> None:
        """Any tag can be moved in an engine."""

    def publish(self, row: RowBuild, image: BuiltImage) -> Published:
        """Give the row's tag in the engine, unless another process was faster."""
        assert isinstance(image, EngineImage)  # a builder that pushes has a repository as its place
        return tag_in_engine(self.project, self.services, row, image.reference, may_adopt=not row.run.forced)


def reference_of(project: Project, facts: RowFacts) -> Reference:
    """Name a row as the engine has it, under its tag."""
    return project.repository_of(facts.row).with_tag(facts.tag)


def image_in_engine(project: Project, services: Services, facts: RowFacts) -> LoadedImage | None:
    """Return what the engine has under a row's tag; None for another recipe's: anybody can name an image by hand."""
    image, recipe = services.engine().inspect(str(reference_of(project, facts))), facts.recipe
    made_of = image and (image.labels.get(INPUTS_LABEL), image.platform)
    if image and project.catalogue.tag == "content" and made_of != (recipe.inputs, recipe.platform):
        services.reporter.warn(f"{facts.title}: {facts.tag} in the engine was not made of this recipe")
        return None
    return image


def parent_in_engine(project: Project, services: Services, facts: RowFacts) -> str:
    """Return the reference of a parent in the engine, by digest in a store that has digests. Raises NotFound."""
    engine, reference = services.engine(), reference_of(project, facts)
    image = engine.inspect(str(reference))
    if image is None:
        doing = f"building on {facts.title}"
        raise NotFound(f"{reference} is gone from the engine", doing=doing, hint="run it again")
    # Engine 26.1 tells no digest, and its BuildKit does not find a loaded image by one (tried).
    digest = image.digest if engine.image_store == "containerd" else None
    return f"{reference}@{digest}" if digest else str(reference)


def tag_in_engine(
    project: Project, services: Services, row: RowBuild, unchecked: Reference, *, may_adopt: bool
) -> Published:
    """Give a row's tag to an image in the engine.

    `may_adopt`: where another process gave the tag meanwhile, the tag stays with that image.
    """
    engine, facts, reference = services.engine(), row.facts, reference_of(project, row.facts)
    winner = image_in_engine(project, services, facts) if may_adopt else None
    if winner is None:
        engine.tag(str(unchecked), str(reference))
    tagged = winner or engine.inspect(str(reference))
    last_build.keep(project, facts.row, facts.recipe)
    return Published(reference, in_repository=False, adopted=winner is not None, size=tagged.size if tagged else None)
