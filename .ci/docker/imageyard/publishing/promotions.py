"""Promote many images in one call: one that fails stops no other, and each has its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageyard.errors import ImageyardError
from imageyard.publishing.image_record import ImageRecord
from imageyard.publishing.promote import promote
from imageyard.run.leftovers import finish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imageyard.names import Reference
    from imageyard.plan.trust import Decision, Repository
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["promote_all"]


def promote_all(
    project: Project,
    recipes: Recipes,
    services: Services,
    names: Sequence[str],
    at: Repository | None = None,
    *,
    force: bool,
    decision: Decision,
) -> tuple[list[tuple[str, Reference]], int]:
    """Give each image its tag as `promote` does; returns each by digest, and the exit code of the whole."""
    done: list[tuple[str, Reference]] = []
    try:
        for name in names:
            record = ImageRecord(services, name, forced=force)
            try:
                found = promote(project, recipes, services, name, at, force=force, decision=decision)
            except ImageyardError as error:
                services.reporter.error(error)
                record.end(error, "published")
            else:
                done.append((name, found))
                record.end(None, "published", digest=str(found.digest))
    finally:
        code = finish(project, services)
    return done, code
