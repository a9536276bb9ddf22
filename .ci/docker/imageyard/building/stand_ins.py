"""Base images where no hub can be reached: make the stand-ins that a row needs, when it needs them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from imageyard.stack import local

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.project.options import BuildOptions
    from imageyard.project.workspace import Workspace

__all__ = ["ensure", "needed"]


def needed(workspace: Workspace, rows: Iterable[Row]) -> tuple[str, ...]:
    """The bases that these rows pull and that no lock pins, as their Dockerfiles name them."""
    found: dict[str, None] = {}
    for row in rows:
        for source in workspace.recipes().of(row).sources:
            if source.kind in ("unlocked", "standin"):
                found[source.name] = None
    return tuple(found)


def ensure(workspace: Workspace, row: Row, options: BuildOptions) -> None:
    """Make the stand-ins of a row and of its ancestors that are missing; none where the hub answers.

    This comes before the row's tag is worked out: a stand-in under an ancestor is part of it. A base that the engine
    holds under its own name needs none: BuildKit takes it from there.
    """
    missing = [name for name in _unlocked(workspace, row, options) if workspace.engine.inspect(name) is None]
    if missing:
        local.ensure_bases(workspace.story, missing, row.arch)


def _unlocked(workspace: Workspace, row: Row, options: BuildOptions) -> dict[str, None]:
    recipes = workspace.recipes(options.set_args)
    found = {source.name: None for source in recipes.of(row).sources if source.kind == "unlocked"}
    for parent in recipes.parent_rows(row):
        found |= _unlocked(workspace, parent, options)
    return found
