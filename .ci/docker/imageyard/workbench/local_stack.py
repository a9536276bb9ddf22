"""The local stack for this catalogue: which base images its rows of this machine's architecture start from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from imageyard.building import stand_ins
from imageyard.errors import assert_never
from imageyard.project.checkout import this_arch
from imageyard.stack import local

if TYPE_CHECKING:
    from collections.abc import Callable

    from imageyard.catalogue.model import Catalogue
    from imageyard.console import Story
    from imageyard.recipe.recipe import Recipes

__all__ = ["local_stack"]


def local_stack(
    catalogue: Catalogue,
    recipes: Callable[[], Recipes],
    reporter: Story,
    what: Literal["start", "status", "stop"],
    *,
    purge: bool = False,
) -> None:
    """Start what is missing, tell what runs, or stop what was started here."""
    match what:
        case "start":
            arch = this_arch()
            rows = [row for row in catalogue.rows if row.arch == arch]
            local.start(reporter, stand_ins.needed(recipes(), rows), arch)
        case "status":
            local.status(reporter)
        case "stop":
            local.stop(reporter, purge=purge)
        case _:
            assert_never(what)
