"""The local stack for this catalogue: which base images its rows of this machine's architecture start from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from imageyard.building import stand_ins
from imageyard.errors import assert_never
from imageyard.project.workspace import this_arch
from imageyard.stack import local

if TYPE_CHECKING:
    from imageyard.project.workspace import Workspace

__all__ = ["local_stack"]


def local_stack(workspace: Workspace, what: Literal["start", "status", "stop"], *, purge: bool = False) -> None:
    """Start what is missing, tell what runs, or stop what was started here."""
    match what:
        case "start":
            arch = this_arch()
            rows = [row for row in workspace.catalogue.rows if row.arch == arch]
            local.start(workspace.story, stand_ins.needed(workspace, rows), arch)
        case "status":
            local.status(workspace.story)
        case "stop":
            local.stop(workspace.story, purge=purge)
        case _:
            assert_never(what)
