"""What can build rows: the Builder protocol, the values that it takes and gives, and the protocol of their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from imageyard.building.builder_choice import Choice
    from imageyard.catalogue.model import Row
    from imageyard.errors import ImageyardError
    from imageyard.names import Digest, Reference
    from imageyard.project.options import BuildOptions
    from imageyard.project.project import Project
    from imageyard.project.row_facts import RowFacts
    from imageyard.ran import Ran
    from imageyard.recipe.recipe import Recipes
    from imageyard.records import Finding
    from imageyard.run.row_run import RowRun
    from imageyard.run.services import Services

__all__ = [
    "Builder",
    "BuilderSetting",
    "BuiltImage",
    "EngineImage",
    "Found",
    "NotChecked",
    "Published",
    "PushedImage",
    "RowBuild",
    "RowPlace",
    "Unreached",
    "title_of",
]


@dataclass(frozen=True)
class RowBuild:
    """A row that is to be built: what it is made of, its record, and the reference of each parent by its name."""

    facts: RowFacts
    run: RowRun
    parents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineImage:
    """An image in the engine of this machine. `earned`: it has the row's tag already, so its checks have passed."""

    reference: Reference
    earned: bool = False


@dataclass(frozen=True)
class PushedImage:
    """An image that its builder pushed; `reference` names it by digest, and no tag does yet."""

    reference: Reference


BuiltImage: TypeAlias = EngineImage | PushedImage


@dataclass(frozen=True)
class Unreached:
    """A builder that could not be reached: nothing was built, so `fallback` may do it, where there is one."""

    error: ImageyardError
    fallback: Builder | None = None


@dataclass(frozen=True)
class NotChecked:
    """The reason, as a reader of the table sees it, why no check was run: `built at Depot`."""

    reason: str


class Builder(Protocol):
    """Builds rows. One row at a time is the normal case: `groups` says which rows one build makes."""

    def require_supported(self, row: Row) -> None:
        """Raise ConfigurationError where the catalogue asks for something that this builder cannot do."""

    def groups(self, rows: Sequence[RowBuild]) -> list[list[RowBuild]]:
        """Divide the rows of one image into groups, each of which is made by one build."""

    def build(self, rows: Sequence[RowBuild]) -> AbstractContextManager[Sequence[BuiltImage] | Unreached]:
        """Build a group of rows, and give their images in the same order; temporary names go when the context ends.

        Raises BuildFailed with the last lines of the step that failed, Denied and Transient where the builder or a
        registry refused or did not answer, EnvironmentLacks for what is missing on this machine.
        """

    def check(self, row: RowBuild, image: BuiltImage) -> Sequence[Finding] | NotChecked:
        """Run the row's checks in its image. A check that fails is a finding, and no error."""

    def run_facts(self, row: RowBuild, image: BuiltImage) -> Mapping[str, Ran]:
        """Run the commands of the row's facts in its image, which this builder checks; each by the fact's name."""


@dataclass(frozen=True)
class Found:
    """A row that is there, so that nothing is built; `where` is `in the engine` or `at REPOSITORY`."""

    where: str
    size: int | None = None
    digest: Digest | None = None


@dataclass(frozen=True)
class Published:
    """A row that has its tag now. `adopted`: another process was faster, and its image is used.

    `in_repository`: the tag is in a repository, and `image` names it by digest; else in the engine.
    """

    image: Reference
    in_repository: bool
    adopted: bool = False
    size: int | None = None


class RowPlace(Protocol):
    """Where rows get their tags, and where their parents are: the engine, or a repository."""

    def prepare(self, recipes: Recipes, row: Row) -> Recipes:
        """Do what must precede the row's tag, and return the recipes to go on with. Raises PolicyRefused."""

    def find(self, facts: RowFacts) -> Found | None:
        """Ask whether the row is there. Raises Denied and Transient where the place does not say."""

    def parent(self, facts: RowFacts, child: RowFacts) -> str:
        """Return the reference under which a build finds a parent. Raises NotFound where it is gone."""

    def missing_parent(self, facts: RowFacts) -> str:
        """Say that a parent, which a job before this one was to publish, is not there."""

    def require_writable(self, facts: RowFacts) -> None:
        """Raise PolicyRefused where the row's tag is there, is to be moved, and cannot be."""

    def publish(self, row: RowBuild, image: BuiltImage) -> Published:
        """Give the row's tag to an image whose checks have passed."""


@dataclass(frozen=True)
class BuilderSetting:
    """What a builder is made of: who asks for which builds, and because of what it was chosen."""

    project: Project
    recipes: Recipes
    services: Services
    options: BuildOptions
    choice: Choice


def title_of(rows: Sequence[RowBuild]) -> str:
    """Name the rows of one image as reports do: `linux-gcc12 amd64 arm64`."""
    return " ".join((rows[0].facts.row.name, *(row.facts.row.arch for row in rows)))
