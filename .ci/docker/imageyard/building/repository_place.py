"""A repository as the place of rows: from an image in the engine, or one that its builder pushed, to a tag there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageyard.building.builder import BuiltImage, EngineImage, Found, Published, PushedImage
from imageyard.building.engine_place import tag_in_engine
from imageyard.errors import NotFound, assert_never
from imageyard.project import publish_policy
from imageyard.publishing import build_record, export
from imageyard.publishing.destination import destination
from imageyard.publishing.publish import land, lock_of
from imageyard.run import last_build

if TYPE_CHECKING:
    from imageyard.building.builder import BuilderSetting, RowBuild
    from imageyard.catalogue.model import Row
    from imageyard.project.options import BuildOptions
    from imageyard.project.project import Project
    from imageyard.project.row_facts import RowFacts
    from imageyard.publishing.destination import Destination
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["RepositoryPlace", "place_of"]


@dataclass(frozen=True)
class RepositoryPlace:
    """Rows get their tags in the repository of `destination`, and count as there in each that it reads."""

    project: Project
    services: Services
    options: BuildOptions
    destination: Destination

    def prepare(self, recipes: Recipes, row: Row) -> Recipes:
        """Refuse what must not be published. Stand-ins are not made: nothing on them ever is."""
        publish_policy.refuse(recipes, row, self.options)
        return recipes

    def find(self, facts: RowFacts) -> Found | None:
        """Ask the repositories in which the row counts as there."""
        image = self.destination.find(self.services.registry(), facts.tag, facts.row)
        if image is None:
            publish_policy.refuse_started_from(self.project.catalogue, facts.row)
            return None
        return Found(f"at {image.name}", digest=image.digest)

    def parent(self, facts: RowFacts, child: RowFacts) -> str:
        """Return the parent by digest, from the first repository that has it."""
        image = self.destination.find(self.services.registry(), facts.tag, facts.row)
        if image is None:
            where = " nor ".join(repository.name for repository in self.destination.reads_of(facts.row))
            raise NotFound(
                f"{facts.tag} is gone: not at {where}", doing=f"building {child.title} on it", hint="run it again"
            )
        return str(image)

    def missing_parent(self, facts: RowFacts) -> str:
        """Say that the repository has no such parent."""
        own = facts.row.image.lane == self.destination.lane
        where = (self.destination.repository,) if own else self.destination.below
        return f"{facts.tag} is not at {' nor '.join(one.name for one in where)}"

    def require_writable(self, facts: RowFacts) -> None:
        """Ask what the registry says of the row's tag, where it may have to move."""
        self.destination.target(self.services.registry(), facts.tag, facts.row)

    def publish(self, row: RowBuild, image: BuiltImage) -> Published:
        """Prove what the repository has by digest, put the record beside it, and give the tag last."""
        match image:
            case EngineImage():
                return self._export(row, image)
            case PushedImage():
                return self._tag(row, image)
            case _:
                assert_never(image)

    def _export(self, row: RowBuild, image: EngineImage) -> Published:
        project, services, facts, run = self.project, self.services, row.facts, row.run
        if not image.earned:
            may_adopt = self.options.decision.may_read_engine and not run.forced
            tagged = tag_in_engine(project, services, row, image.reference, may_adopt=may_adopt)
            run.update(adopted=tagged.adopted, size=tagged.size)
        loaded = export.load_exported(project, services, facts)
        record = (
            build_record.record(project, run.record, loaded, dated=not facts.recipe.reproducible)
            if image.earned
            else run.finished("published")
        )
        target = self.destination.repository.with_tag(facts.tag)
        given = export.send(project, services, facts, target, record, move=self.destination.moves)
        published = target.with_digest(given.digest)
        return Published(published, in_repository=True, adopted=given.adopted, size=loaded.size)

    def _tag(self, row: RowBuild, image: PushedImage) -> Published:
        facts, target = row.facts, self.destination.repository.with_tag(row.facts.tag)
        record = row.run.finished("published")
        with lock_of(self.services.reporter, target):
            given = land(
                self.services.registry(),
                image.reference,
                facts.tag,
                facts.inputs,
                record,
                move=self.destination.moves,
            )
        last_build.keep(self.project, facts.row, facts.recipe)
        return Published(target.with_digest(given.digest), in_repository=True, adopted=given.adopted)


def place_of(setting: BuilderSetting) -> RepositoryPlace:
    """Return the repository that a call publishes to. Raises PolicyRefused where it must not, ConfigurationError."""
    to = destination(setting.project.catalogue, setting.options)
    return RepositoryPlace(setting.project, setting.services, setting.options, to)
