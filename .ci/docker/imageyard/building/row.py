"""Rows, from their recipes to tags that were earned: are they there, their parents, their build, their records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from imageyard.building.builder_choice import Choice, chosen
from imageyard.building.depot import AtDepot
from imageyard.building.local import InEngine
from imageyard.building.local_publishing import FromEngine
from imageyard.building.remote import Remote
from imageyard.errors import (
    Blocked,
    BuildFailed,
    CheckFailed,
    ConfigurationError,
    FailedBefore,
    ImageyardError,
    NotFound,
    PolicyRefused,
)
from imageyard.project.options import BuildOptions
from imageyard.project.tags import row_tag
from imageyard.publishing.destination import destination
from imageyard.run.row_run import Job

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue, Row
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.records import Record, RowOutcome
    from imageyard.run.services import Services

__all__ = ["BuiltRows", "Flow", "Together", "build_row", "build_together", "needs_engine"]


class Flow(Protocol):
    """What differs from builder to builder."""

    def prepare(self, job: Job) -> None:
        """What comes before the tag is worked out; refuses what this builder cannot do, or must not."""

    def is_there(self, job: Job) -> bool:
        """Whether the row is there; if so, its record is closed. Asked again when the row's lock was waited for."""

    def make(self, job: Job) -> None:
        """Build it, its parents being there, and close the record."""


@runtime_checkable
class Together(Protocol):
    """A builder that makes several rows of an image in one build."""

    def groups(self, jobs: Sequence[Job]) -> list[list[Job]]:
        """The rows that one build can make."""

    def build_together(self, jobs: Sequence[Job]) -> Callable[[Job], None]:
        """Build them, their parents being there; returns what brings one of them to its place."""


def build_row(
    project: Project, recipes: Recipes, services: Services, row: Row, options: BuildOptions | None = None
) -> tuple[Record, Recipes]:
    """Build a row's image under its tag at its place, unless it is there; its parents first.

    Its place is the engine, or a repository where the builder pushes or the decision says so. The record is on disk
    as `interrupted` before anything is done. Returns it with the recipes to go on with: stand-ins that were made for
    the row are in them. Raises the error that the record then tells of: BuildFailed, CheckFailed, PolicyRefused for
    another tag than `expect`, EnvironmentLacks without an engine, Denied and Transient for a place that does not say
    what it has.
    """
    built = build_together(project, recipes, services, [row], options or BuildOptions())
    if built.errors:
        raise built.errors[0]
    return built.records[0], built.recipes


class BuiltRows(NamedTuple):
    """The records of rows, the errors that these tell of, and the recipes to go on with."""

    records: tuple[Record, ...]
    errors: tuple[ImageyardError, ...]
    recipes: Recipes


def build_together(
    project: Project, recipes: Recipes, services: Services, rows: Sequence[Row], options: BuildOptions
) -> BuiltRows:
    """Build the rows of one image, in as few builds as the builder can; one that fails stops no other."""
    choice = chosen(project.catalogue, options)
    jobs = [Job(project, recipes, services, row, options, choice.builder) for row in rows]
    ends = _Ends()
    with ExitStack() as locks:
        try:
            flow = _flow(jobs[0], choice)
        except ImageyardError as error:
            ends.close(jobs, error)
        else:
            todo = ends.going(jobs, lambda job: _wanted(job, flow))
            # In one order, so that two processes that want the same rows do not wait for each other.
            locked = ends.going(sorted(todo, key=lambda job: job.tag), lambda job: _locked(job, flow, locks))
            todo = [job for job in todo if job in locked]
            _build_parents(todo)
            todo = ends.going(todo, _has_parents, blocked=True)
            _make(flow, todo, ends)
    return BuiltRows(tuple(job.record for job in jobs), tuple(ends.errors), jobs[-1].recipes)


def needs_engine(catalogue: Catalogue, options: BuildOptions) -> bool:
    """Whether rows are built in an engine of this machine."""
    return chosen(catalogue, options).builder == "local"


class _Ends:
    """The ends of rows that came to nothing."""

    def __init__(self) -> None:
        self.errors: list[ImageyardError] = []

    def going(self, jobs: Sequence[Job], step: Callable[[Job], bool], *, blocked: bool = False) -> list[Job]:
        """The rows with which it goes on after a step that says so."""
        found = []
        for job in jobs:
            try:
                if step(job):
                    found.append(job)
            except ImageyardError as error:
                self.close([job], error, blocked=blocked)
        return found

    def done(self, jobs: Sequence[Job], step: Callable[[Job], None]) -> None:
        """The last step of each row, which closes its record."""
        for job in jobs:
            try:
                step(job)
            except ImageyardError as error:
                self.close([job], error)

    def close(self, jobs: Sequence[Job], error: ImageyardError, *, blocked: bool = False) -> None:
        """Close the records that are open with an error."""
        self.errors.append(error)
        for job in jobs:
            if job.record.outcome == "interrupted":
                job.fail("blocked" if blocked else _outcome(error), error)


def _outcome(error: ImageyardError) -> RowOutcome:
    match error:
        case ConfigurationError() | BuildFailed():
            return "failed"
        case CheckFailed():
            return "check failed"
        case PolicyRefused():
            return "refused"
        case _:
            return "blocked"


def _flow(job: Job, choice: Choice) -> Flow:
    if choice.builder == "remote":
        return Remote(job.project, job.services, job.options, choice)
    if choice.builder == "depot":
        return AtDepot(job.project, job.services, job.options)
    if job.options.at is not None or job.options.decision.publishes:
        return FromEngine(job.project, job.services, job.options)

    return InEngine(job.project, job.services)


def _wanted(job: Job, flow: Flow) -> bool:
    """Whether the row is to be built, as far as is known without its lock."""
    flow.prepare(job)
    job.identify()
    return job.forced or not flow.is_there(job)


def _locked(job: Job, flow: Flow, locks: ExitStack) -> bool:
    """Whether it still is when it has its lock, which is then held until the end."""
    locks.enter_context(job.lock())
    if not job.forced and flow.is_there(job):
        return False
    if before := job.failure_of(job.row):
        job.record = before
        doing = f"building {job.title}, which failed in this run"
        raise FailedBefore(before.headline, recorded=before.code, doing=doing)
    return True


def _parents(job: Job) -> tuple[Row, ...]:
    return job.recipes.parent_rows(job.row)


def _build_parents(jobs: Sequence[Job]) -> None:
    """Build what the rows start from, image by image. What failed in this run is not tried again by each child.

    A job of a workflow's plan builds its own row only.
    """
    if any(_planned(job) for job in jobs):
        return
    wanted: dict[str, dict[str, Row]] = {}
    for job in jobs:
        for parent in _parents(job):
            wanted.setdefault(parent.name, {})[parent.arch] = parent
    for rows in wanted.values():
        first, job = [row for row in rows.values() if jobs[0].failure_of(row) is None], jobs[0]
        if first:
            decision = replace(job.options.decision, force=False)
            options = replace(job.options, force=False, expect=None, extra=(), decision=decision)
            for error in build_together(job.project, job.recipes, job.services, first, options).errors:
                job.services.reporter.error(error)


def _planned(job: Job) -> bool:
    """Whether its parents had jobs before it; where nothing is pushed, no job sees what another built."""
    return job.options.planned and job.options.decision.publishes


def _has_parents(job: Job) -> bool:
    if _planned(job):
        target = destination(job.project.catalogue, job.options)
        for parent in _parents(job):
            tag = row_tag(job.recipes, parent, job.options.decision)
            if target.find(job.services.registry(), tag, parent.arch) is None:
                raise _blocked(parent, parent, NotFound(f"{tag} is not at {target.repository.name}"))
        return True
    for parent in _parents(job):
        if found := _failed(job, parent):
            by, before = found
            raise _blocked(parent, by, FailedBefore(before.headline, recorded=before.code))
    return True


def _failed(job: Job, row: Row) -> tuple[Row, Record] | None:
    """The row that failed in this run for which this one has no image, with its record: itself, or an ancestor.

    A record does not say by which row its own was blocked: that is the first of its parents that failed as it did.
    """
    before = job.failure_of(row)
    if before is None:
        return None
    for parent in job.recipes.parent_rows(row) if before.outcome == "blocked" else ():
        if (found := _failed(job, parent)) and found[1].code == before.code:
            return found
    return row, before


def _make(flow: Flow, jobs: Sequence[Job], ends: _Ends) -> None:
    if isinstance(flow, Together):
        for group in flow.groups(jobs):
            try:
                bring = flow.build_together(group)
            except ImageyardError as error:
                ends.close(group, error)
            else:
                ends.done(group, bring)
        return
    ends.done(jobs, flow.make)


def _blocked(parent: Row, by: Row, cause: ImageyardError) -> Blocked:
    """The error of a row whose parent has no image, because `by`, itself or an ancestor of it, failed."""
    return Blocked(
        f"its {'parent' if by.name == parent.name else 'ancestor'} {by.name} failed: {cause.headline}",
        by=by.name,
        cause=cause,
        hint=f"nox -s \"build_image(arch='{parent.arch}', image='{parent.name}')\"    (the parent alone)",
    )
