"""The tags of rows and images as a run gives them: by content, of a weekly canary, or for this machine alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imageyard.catalogue.model import Image, Row
    from imageyard.plan.trust import Decision
    from imageyard.recipe.recipe import Recipes

__all__ = ["canary_day", "canary_tag", "index_tag", "published_index_tag", "published_row_tag", "row_tag"]


def row_tag(recipes: Recipes, row: Row, decision: Decision, passed: Sequence[str] = ()) -> str:
    """The tag of a row: `IMAGE-weekly-YYYYMMDD`, with `-ARCH` for one of several, in a weekly build."""
    return decision.tag(recipes.tag(row, passed), row.name, _arch(row))


def index_tag(recipes: Recipes, image: Image, decision: Decision) -> str:
    """The tag of an image: of its index where it has several architectures, else its row's."""
    return decision.tag(recipes.index_tag(image), image.name, "")


def published_row_tag(recipes: Recipes, row: Row, decision: Decision) -> str:
    """The tag under which a run reads a row: that of its content, in a weekly build that of the row's canary."""
    return decision.published_tag(recipes.tag(row), row.name, _arch(row))


def published_index_tag(recipes: Recipes, image: Image, decision: Decision) -> str:
    """The tag under which a run reads an image as a whole."""
    return decision.published_tag(recipes.index_tag(image), image.name, "")


def _arch(row: Row) -> str:
    """The end of a row's tag: empty where the image has one architecture, whose row is the image."""
    return f"-{row.arch}" if len(row.image.arches) > 1 else ""


def canary_tag(row: Row, day: str) -> str:
    """The tag of a row in the weekly build of a day, YYYYMMDD."""
    return f"{row.name}-weekly-{day}{_arch(row)}"


def canary_day(tag: str, row: Row) -> str | None:
    """The day, YYYYMMDD, of a tag that a weekly build gave to the row, or to its image; None for any other tag."""
    match = re.fullmatch(rf"{re.escape(row.name)}-weekly-([0-9]{{8}})(?:{re.escape(_arch(row))})?", tag)
    return match[1] if match else None
