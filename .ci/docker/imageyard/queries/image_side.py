"""One side of a comparison: an image by revision, tag or digest, with its record, its layers and its recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageyard.errors import ConfigurationError, Denied, ImageyardError, NotFound, Transient
from imageyard.names import Reference, parse_digest, parse_reference, parse_tag, platform_of
from imageyard.oci.layers import Layer, layers_of
from imageyard.oci.manifests import Index, Manifest, platform_of_config
from imageyard.project import publish_policy
from imageyard.project.recipes import UNLOCKED, recipes_at
from imageyard.project.tags import canary_day, canary_tag, published_row_tag
from imageyard.publishing import record_artifact
from imageyard.publishing.build_record import built_here
from imageyard.registry import blobs

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.names import Digest
    from imageyard.plan.decision import Decision
    from imageyard.project.project import Project
    from imageyard.recipe.model import Recipe
    from imageyard.recipe.recipe import Recipes
    from imageyard.records import Record
    from imageyard.run.services import Services

__all__ = ["ImageSide", "SideFinder", "best_record", "is_revision"]

_DAY = re.compile(r"weekly-([0-9]{8})")


@dataclass(frozen=True)
class ImageSide:
    """An image of one row. `name` is how it was asked for; `reference` names it by digest, None where only this
    checkout's records know it. `layers` are empty, `record` and `recipe` None where they are not known.
    """

    name: str
    tag: str | None = None
    reference: Reference | None = None
    record: Record | None = None
    layers: tuple[Layer, ...] = ()
    recipe: Recipe | None = None

    @property
    def recipe_id(self) -> str | None:
        """The id of the recipe, by itself or as the record has it."""
        return self.recipe.id if self.recipe else self.record.recipe if self.record else None


def is_revision(name: str, row: Row) -> bool:
    """Whether a name means a revision: it is no digest, no reference, and no tag of the row or of a day's canary."""
    tagged = "/" in name and ":" in name.rpartition("/")[2]
    if tagged or "sha256:" in name or _DAY.fullmatch(name):
        return False
    return parse_tag(name, [row.name]) is None and canary_day(name, row) is None


def best_record(records: Sequence[Record], arch: str) -> Record | None:
    """The newest record of a row with facts, else the newest; None where there is none for the architecture."""
    own = [record for record in records if record.arch == arch]
    return next((record for record in reversed(own) if record.facts), own[-1] if own else None)


@dataclass(frozen=True)
class SideFinder:
    """Finds images of one row: at `repositories`, in this order, then among the records of this checkout's runs."""

    project: Project
    services: Services
    row: Row
    repositories: tuple[Reference, ...]

    def made_of(self, name: str, recipes: Recipes, decision: Decision) -> ImageSide:
        """Work out the row's recipe and tag; nobody is asked yet. Raises ConfigurationError where there is no row."""
        rows = {(row.name, row.arch): row for row in recipes.catalogue.rows}
        row = rows.get((self.row.name, self.row.arch))
        if row is None:
            raise ConfigurationError(f"{self._title} is not in the catalogue at {name}")
        return ImageSide(name, published_row_tag(recipes, row, decision), recipe=recipes.of(row))

    def named(self, name: str) -> ImageSide:
        """Find the image of a tag, a digest or a reference; `weekly-YYYYMMDD` is the row's canary of that day.

        Raises NotFound, and what a registry refuses or does not say where nobody else has it.
        """
        if day := _DAY.fullmatch(name):
            name = canary_tag(self.row, day[1])
        if name.startswith("sha256:"):
            digest = parse_digest(name)
            return self._with_recipe(self._find(ImageSide(name), [r.with_digest(digest) for r in self.repositories]))
        if "/" in name:
            reference = parse_reference(name)
            return self._with_recipe(self._find(ImageSide(name, reference.tag), [reference]))
        return self._with_recipe(self.found(ImageSide(name, name)))

    def found(self, side: ImageSide) -> ImageSide:
        """Find the image that has the tag of a side. Raises as `named` does."""
        assert side.tag is not None
        local = side.tag.endswith("-local")  # such a tag is never published
        return self._find(side, [] if local else [repository.with_tag(side.tag) for repository in self.repositories])

    def canaries(self) -> list[str]:
        """The tags of the row's canaries, the oldest first, at the first repository that has one."""
        for _, tags in self.tag_lists():
            if days := {day for tag in tags if (day := canary_day(tag, self.row))}:
                return [canary_tag(self.row, day) for day in sorted(days)]
        return []

    def tag_lists(self) -> Iterator[tuple[Reference, tuple[str, ...]]]:
        """The tags of each repository that is there, one after the other.

        Raises Denied or Transient in the end for the first that did not say: another may have had what was looked for.
        """
        silent: ImageyardError | None = None
        for repository in self.repositories:
            try:
                yield repository, self.services.registry().tags(repository)
            except NotFound:
                continue
            except (Denied, Transient) as error:
                silent = silent or error
        if silent:
            raise silent

    @property
    def _title(self) -> str:
        return f"{self.row.name} {self.row.arch}"

    def _find(self, side: ImageSide, references: Sequence[Reference]) -> ImageSide:
        silent: ImageyardError | None = None
        for reference in references:
            try:
                return self._read(side, reference)
            except NotFound:
                continue
            except (Denied, Transient) as error:
                silent = silent or error
        for record in built_here(self.project, self.row.name, self.row.arch) if side.tag else ():
            if record.tag == side.tag:
                if silent:
                    self.services.reporter.warn(f"{silent.headline}; this checkout's own record is used")
                return ImageSide(side.name, side.tag, None, record, (), side.recipe)
        if silent:
            raise silent
        where = " nor ".join(repository.name for repository in self.repositories) or "a registry"
        raise NotFound(
            f"{side.tag or side.name} is not at {where}, and was not built here",
            doing=f"looking for {self._title} ({side.name})",
            hint=publish_policy.commands(self.project.catalogue, self.row, "trusted"),
        )

    def _read(self, side: ImageSide, reference: Reference) -> ImageSide:
        """Read an image and the record beside it; of an index, the image of the row's platform."""
        client, platform = self.services.registry(), platform_of(self.row.arch)
        raw = client.get(reference)
        root, subjects = raw.parsed(), [raw.digest]
        if isinstance(root, Index):
            own = [one.digest for one in root.manifests if one.platform == platform and one.attests is None]
            if not own:
                raise _other_platform(reference, [one.platform or "" for one in root.manifests], platform)
            root = client.get(reference.with_digest(own[0])).parsed()
            subjects.append(own[0])
        assert isinstance(root, Manifest)
        config = blobs.read(client, reference, root.config.digest, limit=blobs.CONFIG_LIMIT)
        if (found := platform_of_config(config)) != platform:
            raise _other_platform(reference, [found], platform)
        record = self._record(reference, subjects)
        return ImageSide(
            side.name,
            side.tag,
            reference.with_digest(raw.digest),
            record,
            layers_of(root, config),
            side.recipe,
        )

    def _record(self, reference: Reference, subjects: Sequence[Digest]) -> Record | None:
        """The record beside what the row's tag names: an image, or an index of it and what attests it."""
        client, reporter = self.services.registry(), self.services.reporter
        for subject in subjects:
            records = record_artifact.read(client, reference.with_digest(subject), reporter)
            if record := best_record(records, self.row.arch):
                return record
        return None

    def _with_recipe(self, side: ImageSide) -> ImageSide:
        """Work out what an image was made of from the commit that its record names, where this clone has it."""
        record = side.record
        if record is None or record.commit is None or record.recipe is None:
            return side
        for pins in (None, UNLOCKED):  # a weekly build pins no base
            try:
                recipes = recipes_at(self.project, record.commit, pins=pins)
                for row in recipes.catalogue.rows:
                    if (row.name, row.arch) == (self.row.name, self.row.arch) and recipes.of(row).id == record.recipe:
                        return ImageSide(side.name, side.tag, side.reference, record, side.layers, recipes.of(row))
            except ImageyardError:
                return side
        return side


def _other_platform(reference: Reference, found: Sequence[str], platform: str) -> ConfigurationError:
    return ConfigurationError(
        f"{reference} is for {', '.join(filter(None, found)) or 'no platform'}, not for {platform}",
        hint="name the architecture: --arch",
    )
