"""Promote many images in one call: one that fails stops no other, and each has its record."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from imageyard.errors import ImageyardError, PolicyRefused, exit_code
from imageyard.publishing.promote import promote
from imageyard.records import Record, RowOutcome
from imageyard.run.leftovers import finish
from imageyard.runs import now

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
            clock = time.monotonic()
            record = Record(name, "all", "interrupted", 130, "interrupted", started=now(), forced=force)
            services.run.write(record)
            try:
                found = promote(project, recipes, services, name, at, force=force, decision=decision)
            except ImageyardError as error:
                services.reporter.error(error)
                outcome: RowOutcome = "refused" if isinstance(error, PolicyRefused) else "blocked"
                ended = replace(record, outcome=outcome, code=exit_code(error), headline=error.headline)
            else:
                done.append((name, found))
                ended = replace(record, outcome="published", code=0, headline="", digest=str(found.digest))
            services.run.write(replace(ended, ended=now(), seconds=time.monotonic() - clock))
    finally:
        code = finish(project, services)
    return done, code
