"""What a workflow does around builds: how a row ended, what became of the plan, the issue about schedules."""

from __future__ import annotations

import os

from invoke.context import Context
from invoke.exceptions import Exit

from imageyard.cli.entry import CATALOGUE, JSON, task

__all__ = ["TASKS"]

PLAN = "the file with what `inv plan --github` printed; default: plan.json"


@task(changes=False, catalogue=CATALOGUE)
def result(context: Context, catalogue: str | None = None) -> None:
    """Put the table of the last run into the job's summary, and end with that run's exit code."""
    from imageyard.ci import outputs, results
    from imageyard.ci.providers.table import provider_of
    from imageyard.console import Story
    from imageyard.project.checkout import find_checkout
    from imageyard.records import headers, table

    found = results.last(find_checkout(catalogue).state)
    provider = provider_of(os.environ)
    if found.rows:
        provider.summary(outputs.table(headers(found.rows), table(found.rows)))
    else:
        provider.summary(f"{outputs.text(found.headline)}\n")
    Story.result(f"{found.code} {found.headline}")
    if found.code:
        raise Exit(code=found.code)


@task(
    changes=False,
    job="the name of a job of the workflow, as it stands in the plan",
    step="promote or mirror; default: build",
    plan=PLAN,
)
def planned(context: Context, job: str, step: str = "build", plan: str = "plan.json") -> object:
    """Print what a plan gave a job: the arguments of Nox that build it, a line each; for a step a pattern of images."""
    from pathlib import Path

    from imageyard.ci.results import plan_of
    from imageyard.plan.report import images_of_job, rows_of_job

    found = plan_of(Path(plan))
    if step == "build":
        rows = rows_of_job(found, job)
        sessions = [f"build_image(arch={row['arch']!r}, image={row['image']!r})" for row in rows]
        return "\n".join(["-s", *sessions, "--", "--expect", ",".join(row["tag"] for row in rows)])
    images = images_of_job(found, job, step)
    return images[0] if len(images) == 1 else f"{{{','.join(images)}}}"


@task(
    changes=False,
    plan=PLAN,
    results="the folder with the results of the jobs, one folder for each artifact; default: results",
    json=JSON,
)
def report(context: Context, plan: str = "plan.json", results: str = "results", json: bool = False) -> None:
    """Say what became of a plan, in the job's summary too; ends with the worst exit code of its jobs."""
    from pathlib import Path

    from imageyard.ci import outputs
    from imageyard.ci import results as reading
    from imageyard.ci.providers.logs import attempt
    from imageyard.ci.providers.table import provider_of
    from imageyard.console import Story
    from imageyard.layout import aligned
    from imageyard.plan.report import code_of
    from imageyard.plan.report import report as flow

    planned = reading.plan_of(Path(plan))
    lines = flow(planned, *reading.results_of(Path(results), planned), attempt(os.environ))
    heads, cells = outputs.REPORT_HEADERS, outputs.report_cells(lines)
    provider_of(os.environ).summary(f"## What became of it\n\n{outputs.table(heads, cells)}")
    Story.result([line._asdict() for line in lines] if json else "\n".join(aligned(heads, cells)))
    if code := code_of(lines):
        raise Exit(code=code)


@task(changes=True, instead="the run's own page says whether it failed")
def issue(context: Context) -> object:
    """Open the issue about scheduled runs that fail, or tell the one that is open of this run; prints its address."""
    from imageyard.ci.issue import tell
    from imageyard.ci.providers.table import provider_of

    return tell(provider_of(os.environ))


TASKS = [planned, result, report, issue]
"""The tasks of `inv ci.…`."""
