"""The end of a run, in the process that opened it: take away what an interrupt left, print the table."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from imageyard.errors import ImageyardError
from imageyard.ship import sweep

if TYPE_CHECKING:
    from imageyard.ship.workspace import Workspace

__all__ = ["finish"]


def finish(workspace: Workspace) -> int:
    """Close the run and return its exit code; does nothing where no row was touched."""
    run = workspace.run
    if not run.owner or not run.folder.exists():
        return 0
    if any((record.outcome, record.builder) == ("interrupted", "local") for record in run.records()[0]):
        with suppress(ImageyardError):
            sweep.this_run(workspace, workspace.engine)
    return run.close(workspace.story)
