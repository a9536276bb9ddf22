"""What a place has of an image, for `inv explain`: whether each of its tags is there, absent, revoked or not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imageyard.errors import assert_never
from imageyard.layout import aligned
from imageyard.names import Absent, Present, Revoked, Unknown
from imageyard.project.places import place_of
from imageyard.queries.place_states import states_at
from imageyard.queries.plan import bump_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imageyard.catalogue.model import Row
    from imageyard.names import State
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["as_text", "published"]


def published(project: Project, recipes: Recipes, services: Services, image: str, at: str) -> list[dict[str, Any]]:
    """The tags of an image's rows, and of the image over several, each with its state at a place, as plain values.

    Raises ConfigurationError for no such image or place.
    """
    rows = project.rows(image)
    tags: dict[str, tuple[str, Row]] = {recipes.tag(row): (row.arch, row) for row in rows}
    tags.setdefault(recipes.index_tag(project.catalogue.images[image]), ("all", rows[0]))
    states = states_at(project, services, place_of(project.catalogue, at), tags)
    return [{"arch": arch, "tag": tag, **_plain(states[tag], row)} for tag, (arch, row) in tags.items()]


def as_text(place: str, rows: Sequence[dict[str, Any]]) -> str:
    """The same as lines of an explanation."""
    lines = aligned(("arch", "state", "tag", ""), [(one["arch"], one["state"], one["tag"], one["why"]) for one in rows])
    return "\n".join([f"at {place}:", *(f"  {line}".rstrip() for line in lines)])


def _plain(state: State, row: Row) -> dict[str, Any]:
    match state:
        case Present(digest=digest):
            return {"state": "present", "digest": digest, "why": ""}
        case Absent():
            return {"state": "absent", "digest": None, "why": ""}
        case Revoked(digest=digest, why=why):
            return {"state": "revoked", "digest": digest, "why": f"{why}; {bump_of(row)}"}
        case Unknown(why=why):
            return {"state": "unknown", "digest": None, "why": why}
        case _:
            assert_never(state)
