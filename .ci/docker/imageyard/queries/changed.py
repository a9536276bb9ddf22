"""`inv diff`: which two images are compared, and what differs between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageyard.errors import ConfigurationError
from imageyard.plan.decision import LOCAL, Decision
from imageyard.project.recipes import recipes_at
from imageyard.project.tags import canary_day
from imageyard.queries.diff import Comparison, compare
from imageyard.queries.image_side import ImageSide, SideFinder, is_revision
from imageyard.queries.revision_before import revision_before

if TYPE_CHECKING:
    from imageyard.recipe.recipe import Recipes

__all__ = ["DiffRequest", "changed"]

_NOW = "now"


@dataclass(frozen=True)
class DiffRequest:
    """What is compared: a revision, a tag or a digest each; None for the work tree, and for what was before.

    `base` is the revision that a pull request is against, where that is known.
    """

    old: str | None = None
    new: str | None = None
    base: str | None = None
    decision: Decision = LOCAL


def changed(finder: SideFinder, recipes: Recipes, asked: DiffRequest) -> Comparison:
    """Compare two images of a row. Two sides of one tag are one image, and nobody is asked for it.

    Raises NotFound for an image that is nowhere, ConfigurationError for what names none, and Denied or Transient where
    a registry does not say and nobody else has it.
    """
    new = _side(finder, recipes, asked, asked.new)
    old = _side(finder, recipes, asked, asked.old or _before(finder, asked, new))
    if old.tag != new.tag or old.tag is None:
        old, new = (finder.found(side) if _is_open(side) else side for side in (old, new))
    return compare(finder.row, old, new)


def _side(finder: SideFinder, recipes: Recipes, asked: DiffRequest, name: str | None) -> ImageSide:
    if name is None:
        return finder.made_of(_NOW, recipes, asked.decision)
    if not is_revision(name, finder.row):
        return finder.named(name)
    return finder.made_of(name, recipes_at(finder.project, name), asked.decision.reading_by_content())


def _is_open(side: ImageSide) -> bool:
    """Whether nobody was asked for the image yet."""
    return side.record is None and side.reference is None


def _before(finder: SideFinder, asked: DiffRequest, new: ImageSide) -> str:
    """Name what came before an image: of a canary the canary before it, else the revision before its own."""
    if new.tag and canary_day(new.tag, finder.row):
        older = [tag for tag in finder.canaries() if tag < new.tag]
        if older:
            return older[-1]
        raise ConfigurationError(f"there is no canary before {new.tag}", hint="name what to compare with: --from")
    if asked.new is None or is_revision(asked.new, finder.row):
        return revision_before(finder.project, asked.new, asked.base)
    if new.record is None or new.record.commit is None:
        raise ConfigurationError(
            f"which commit {new.name} is of is not known", hint="name what to compare with: --from"
        )
    return revision_before(finder.project, new.record.commit)
