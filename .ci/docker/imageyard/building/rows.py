"""Many rows in one call: one that fails stops no other; the table and the exit code at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imageyard.building.builder_choice import chosen, remote
from imageyard.building.row import build_together, needs_engine
from imageyard.errors import ImageyardError, PolicyRefused
from imageyard.project.options import BuildOptions, refuse_unused
from imageyard.run.leftovers import finish

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.project.workspace import Workspace

__all__ = ["build_rows"]


def build_rows(workspace: Workspace, rows: Sequence[Row], options: BuildOptions) -> int:
    """Build rows one after the other, parents first; the exit code of the whole, 0 where all is well.

    Raises PolicyRefused where one tag is expected of several rows, ConfigurationError for a `--set` without a use,
    and for a builder that cannot be meant.
    """
    if options.expect and len(rows) > 1:
        raise PolicyRefused(f"--expect names one tag, and {len(rows)} rows are selected", hint="name one image")
    refuse_unused(workspace, rows, options.set_args)
    _refuse_unaddressed(workspace, rows, options)
    try:
        if not needs_engine(workspace, options) or _has_engine(workspace):
            for group in _groups(workspace, rows, options):
                for error in build_together(workspace, group, options)[1]:
                    workspace.story.error(error)
    finally:
        code = finish(workspace)
    return code


def _refuse_unaddressed(workspace: Workspace, rows: Sequence[Row], options: BuildOptions) -> None:
    """Raise ConfigurationError for an architecture without a worker before hours are spent on another."""
    choice = chosen(workspace, options)
    if choice.builder == "remote":
        for row in rows:
            remote(choice, workspace.catalogue, row.arch)


def _groups(workspace: Workspace, rows: Sequence[Row], options: BuildOptions) -> list[list[Row]]:
    """The rows of an image together where the builder can make them so, else each by itself."""
    if chosen(workspace, options).builder != "depot":
        return [[row] for row in rows]
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)
    return list(found.values())


def _has_engine(workspace: Workspace) -> bool:
    """Whether an engine answers; where none does that is told once, not by each row."""
    try:
        return bool(workspace.engine)
    except ImageyardError as error:
        workspace.story.error(error)
        workspace.run.fail(error)
        return False
