"""Many rows in one call: one that fails stops no other; the table and the exit code at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from imageyard.building.builder_choice import chosen
from imageyard.building.row import build_together
from imageyard.building.table import BUILDERS, BuilderKind
from imageyard.errors import ImageyardError, PolicyRefused
from imageyard.project.options import BuildOptions, refuse_unused
from imageyard.recipe.undeclared import untaken_warnings
from imageyard.run.leftovers import finish

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue, Row
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["build_rows", "needs_engine"]


def build_rows(
    project: Project, recipes: Recipes, services: Services, rows: Sequence[Row], options: BuildOptions
) -> int:
    """Build rows one after the other, parents first; the exit code of the whole, 0 where all is well.

    Raises PolicyRefused where other than one tag is expected of each row, ConfigurationError for a `--set` without a
    use, and for a builder that cannot be meant.
    """
    if options.expect and len(rows) != (named := len(options.expect.split(","))):
        headline = f"--expect names {named} tag{'s' if named > 1 else ''}, and {len(rows)} rows are selected"
        raise PolicyRefused(headline, hint="name as many tags as rows: --expect TAG,TAG")
    refuse_unused(recipes, rows, options.set_args)
    for words in untaken_warnings(recipes.catalogue, _unused(recipes, rows)):
        services.reporter.warn(words)
    choice = chosen(project.catalogue, options)
    kind = BUILDERS[choice.builder]
    kind.require_settings(project.catalogue, choice, rows)
    try:
        if not kind.uses_engine or _has_engine(services):
            for group in _groups(kind, rows):
                built = build_together(project, recipes, services, group, options)
                recipes = built.recipes
                for error in built.errors:
                    services.reporter.error(error)
    finally:
        code = finish(project, services)
    return code


def _unused(recipes: Recipes, rows: Sequence[Row]) -> Iterator[tuple[Row, Sequence[str]]]:
    """The args that are given to rows for nothing, as far as their recipes can be worked out."""
    for row in rows:
        with suppress(ImageyardError):
            yield row, recipes.of(row).unused_args


def needs_engine(catalogue: Catalogue, options: BuildOptions) -> bool:
    """Whether rows are built in an engine of this machine."""
    return BUILDERS[chosen(catalogue, options).builder].uses_engine


def _groups(kind: BuilderKind, rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of an image together where the builder can make them so, else each by itself."""
    if not kind.groups_rows:
        return [[row] for row in rows]
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row.name, []).append(row)
    return list(by_name.values())


def _has_engine(services: Services) -> bool:
    """Whether an engine answers; where none does that is told once, not by each row."""
    try:
        return bool(services.engine())
    except ImageyardError as error:
        services.reporter.error(error)
        services.run.fail(error)
        return False
