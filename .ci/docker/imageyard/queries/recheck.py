"""`inv check`: the checks again, in images that have their tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from imageyard.checks.run import run_checks
from imageyard.errors import CheckFailed, NotFound
from imageyard.names import platform_of
from imageyard.project.labels import RUN_LABEL
from imageyard.project.row_facts import identify

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.records import Finding
    from imageyard.run.services import Services

__all__ = ["recheck"]


def recheck(project: Project, recipes: Recipes, services: Services, rows: Sequence[Row], *, as_json: bool) -> object:
    """Run every check of the rows and tell what each found; changes nothing.

    Raises NotFound for a row that the engine does not have, CheckFailed where one fails, both after all were run.
    """
    found = [(row, _findings(project, recipes, services, row)) for row in rows]
    for row, findings in found:
        for finding in findings or ():
            result = f"ok   {finding.check}: {finding.actual}" if finding.ok else f"FAIL {finding.headline}"
            services.reporter.step(f"{row.name} {row.arch}: {result}")
    if as_json:
        services.reporter.result(
            [
                {"image": row.name, "arch": row.arch, "findings": None if all_ is None else [asdict(f) for f in all_]}
                for row, all_ in found
            ]
        )
    bad = [(row, finding) for row, findings in found for finding in findings or () if not finding.ok]
    if bad:
        raise CheckFailed(
            f"{len(bad)} of {sum(len(f or ()) for _, f in found)} checks failed, first {bad[0][1].headline}",
            detail=[f"{row.name} {row.arch}: {finding.headline}" for row, finding in bad],
            hint="inv build PATTERN --force    (build and check again)",
        )
    absent = [row for row, findings in found if findings is None]
    if absent:
        raise NotFound(
            f"{len(absent)} of {len(rows)} images are not in the engine",
            detail=[f"{row.name} {row.arch}" for row in absent],
            hint=f"inv build '{absent[0].name}'",
        )
    return None


def _findings(project: Project, recipes: Recipes, services: Services, row: Row) -> tuple[Finding, ...] | None:
    facts, engine = identify(recipes, row), services.engine()
    reference = str(project.repository.with_tag(facts.tag))
    if engine.inspect(reference) is None:
        return None
    return run_checks(
        engine,
        reference,
        facts.checks,
        facts.check_args,
        platform=platform_of(row.arch),
        labels={RUN_LABEL: services.run.id},
    )
