"""One row, from its recipe to a tag that was earned: is it there, its parents, its build, its record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from imageyard.errors import BuildFailed, ImageyardError
from imageyard.ship.builder_choice import Choice, chosen
from imageyard.ship.job import Job
from imageyard.ship.options import BuildOptions

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.records import Record, RowOutcome
    from imageyard.ship.workspace import Workspace

__all__ = ["Flow", "build_row", "needs_engine"]

_OUTCOMES: Mapping[int, RowOutcome] = {2: "failed", 5: "failed", 6: "check failed", 10: "refused"}


class Flow(Protocol):
    """What differs from builder to builder."""

    def prepare(self, job: Job) -> None:
        """What comes before the tag is worked out; refuses what this builder cannot do, or must not."""

    def is_there(self, job: Job) -> bool:
        """Whether the row is there; if so, its record is closed. Asked again when the row's lock was waited for."""

    def make(self, job: Job) -> None:
        """Build it, its parents being there, and close the record."""


def build_row(workspace: Workspace, row: Row, options: BuildOptions | None = None) -> Record:
    """Bring a row's image to its place under its tag, unless it is there; its parents first.

    Its place is the engine, or a repository where the builder pushes or the decision says so. The record is on disk
    as `interrupted` before anything is done. Raises the error that the record then tells of: BuildFailed, CheckFailed,
    PolicyRefused for another tag than `expect`, EnvironmentLacks without an engine, Denied and Transient for a place
    that does not say what it has.
    """
    options = options or BuildOptions()
    choice = chosen(workspace, options)
    workspace = workspace.unlocked if options.decision.tags == "weekly" else workspace
    job = Job(workspace, row, options, choice.builder)
    blocked: list[Row] = []
    try:
        _earn(job, _flow(job, choice), blocked)
    except ImageyardError as error:
        if job.record.outcome == "interrupted":
            outcome = "blocked" if blocked else _OUTCOMES.get(error.code, "blocked")
            job.end(outcome, code=error.code, headline=error.headline)
        raise
    return job.record


def needs_engine(workspace: Workspace, options: BuildOptions) -> bool:
    """Whether rows are built in an engine of this machine."""
    return chosen(workspace, options).builder == "local"


def _flow(job: Job, choice: Choice) -> Flow:
    if choice.builder == "remote":
        from imageyard.ship.remote_row import Remote

        return Remote(job.workspace, job.options, choice)
    if job.options.at is not None or job.options.decision.push is not None:
        from imageyard.ship.published_row import FromEngine

        return FromEngine(job.workspace, job.options)
    from imageyard.ship.engine_row import InEngine

    return InEngine(job.workspace)


def _earn(job: Job, flow: Flow, blocked: list[Row]) -> None:
    """From the recipe to the tag; `blocked` gets the parent that is in the way."""
    flow.prepare(job)
    job.identify()
    if not job.forced and flow.is_there(job):
        return
    with job.lock():
        if not job.forced and flow.is_there(job):
            return
        if before := job.failure_of(job.row):
            job.record = before
            raise _error(before.code, before.headline, doing=f"building {job.title}, which failed in this run")
        for parent in job.workspace.parents(job.row, job.options.set_args):
            blocked[:] = [parent]
            _build_parent(job, parent)
        blocked.clear()
        flow.make(job)


def _build_parent(job: Job, parent: Row) -> None:
    """Build what the image starts from. What failed in this run is not tried again by each child."""
    if before := job.failure_of(parent):
        raise _blocked(parent, before.code, before.headline)
    decision = replace(job.options.decision, force=False)
    options = replace(job.options, force=False, expect=None, extra=(), decision=decision)
    try:
        build_row(job.workspace, parent, options)
    except ImageyardError as error:
        job.workspace.story.error(error)
        raise _blocked(parent, error.code, error.headline) from None


def _blocked(parent: Row, code: int, headline: str) -> ImageyardError:
    further = re.match("its (parent|ancestor) ", headline)
    return _error(
        code,
        f"its ancestor {headline[further.end() :]}" if further else f"its parent {parent.name} failed: {headline}",
        hint=f"nox -s \"build_image(arch='{parent.arch}', image='{parent.name}')\"    (the parent alone)",
    )


def _error(code: int, headline: str, *, doing: str = "", hint: str = "") -> ImageyardError:
    """An error of the class that ends with `code`."""
    kind = next((k for k in ImageyardError.__subclasses__() if k.code == code), BuildFailed)
    return kind(headline, doing=doing, hint=hint)
