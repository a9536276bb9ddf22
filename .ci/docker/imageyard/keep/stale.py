"""What is no longer fresh: bases that have moved at their registry since they were locked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imageyard.keep.locked_bases import LockedBase, from_each, plain, said, used
from imageyard.layout import aligned
from imageyard.names import parse_reference
from imageyard.project.recipes import read_lock

if TYPE_CHECKING:
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.registry.client import Client

__all__ = ["rendered", "stale"]


def stale(project: Project, recipes: Recipes, registry: Client) -> tuple[LockedBase, ...]:
    """Every locked base with what its registry has now; one that is gone there has None.

    Raises Denied or Transient with the registry's words: what cannot be asked is not called fresh.
    """
    known = read_lock(project)
    images = used(recipes, known).images if known.pinned else {}
    now = from_each(known.pinned, lambda name: registry.digest_of(parse_reference(name)))
    return tuple(LockedBase(name, digest, now[name], images.get(name, ())) for name, digest in known.pinned.items())


def rendered(bases: Sequence[LockedBase], *, as_json: bool) -> object:
    """Locked bases as a table, or as plain values."""
    if as_json:
        return plain(bases)
    if not bases:
        return "no base is locked: inv lock"
    cells = [(base.reference, said(base), " ".join(base.images) or "no image uses it") for base in bases]
    return "\n".join(aligned(("base", "state", "images"), cells))
