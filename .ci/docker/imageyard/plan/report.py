"""What became of a plan: each of its rows and images with how its job ended, causes told from what hangs on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from imageyard.errors import NotFound
from imageyard.records import WELL, worst

__all__ = ["JobResult", "Told", "code_of", "images_of_job", "report", "rows_of_job"]

_Found = TypeVar("_Found")

_LOST = 9
"""The exit code of a job that left no result: it may end otherwise when it is run again."""


class JobResult(NamedTuple):
    """How a job ended, by its own words: exit code, headline, outcome, seconds where they are known.

    `attempt` is the one of the run that the job was of, None where that is not known.
    """

    code: int
    headline: str
    outcome: str
    seconds: float | None = None
    attempt: int | None = 1


class Told(NamedTuple):
    """A line of the report; `code` is 0 for what succeeded and for what only hangs on something that failed."""

    image: str
    what: str
    outcome: str
    why: str
    tag: str
    seconds: float | None
    code: int


def report(
    plan: Mapping[str, Any],
    rows: Mapping[tuple[str, str], JobResult],
    images: Mapping[tuple[str, str], JobResult],
    attempt: int = 1,
) -> tuple[Told, ...]:
    """The lines of the report: rows in the order of the plan, then images.

    `plan` is what `inv plan --github` prints; `rows` are results by image and architecture, `images` by image and step.
    `attempt` is the one at which the run is now. Results of all its attempts may be there: a job that succeeded before
    is not begun again by "re-run failed jobs", and its result counts; where the plan was made anew, all jobs were.
    """
    planned = plan.get("attempt", 1)
    rows = {key: _of(one, attempt) for key, one in rows.items() if not _is_stale(one, planned)}
    images = {key: _of(one, attempt) for key, one in images.items() if not _is_stale(one, planned)}
    failed: set[tuple[str, str]] = set()
    found: list[Told] = []
    for row in plan["rows"]:
        behind = next((name for name in row["needs"] if (name, row["arch"]) in failed), None)
        why = f"its parent {behind} failed" if behind else ""
        line = _line(row, row["arch"], rows.get((row["image"], row["arch"])), why)
        if line.outcome not in WELL:
            failed.add((row["image"], row["arch"]))
        found.append(line)
    stopped: dict[str, str] = {image: f"its row for {arch} failed" for image, arch in sorted(failed, reverse=True)}
    for image in plan["images"]:
        line = _line(image, image["step"], images.get((image["image"], image["step"])), stopped.get(image["image"], ""))
        if line.outcome in ("failed", "lost", "blocked", "refused"):
            stopped.setdefault(image["image"], f"to {image['step']} it failed")
        found.append(line)
    return tuple(found)


def rows_of_job(plan: Mapping[str, Any], job: str) -> list[Mapping[str, Any]]:
    """The rows that a plan gave a job, parents first. Raises NotFound for a job without any."""
    return _of_job([row for row in plan["rows"] if row["job"] == job], job)


def images_of_job(plan: Mapping[str, Any], job: str, step: str) -> list[str]:
    """The images with which a plan gave a job a step. Raises NotFound for a job without any."""
    return _of_job([one["image"] for one in plan["images"] if (one["job"], one["step"]) == (job, step)], job)


def _of_job(found: list[_Found], job: str) -> list[_Found]:
    if not found:
        raise NotFound(f"the plan has nothing for the job {job!r}", doing="looking up what a job has to do")
    return found


def code_of(lines: Sequence[Told]) -> int:
    """The exit code of the whole: the worst of the causes, 9 where something hangs on what nobody knows of."""
    return worst(line.code for line in lines)


def _is_stale(ended: JobResult, planned: int) -> bool:
    """Whether a result is of an attempt before the plan: its job was begun again since, and left nothing."""
    return ended.attempt is not None and ended.attempt < planned


def _of(ended: JobResult, attempt: int) -> JobResult:
    """A result as it counts at an attempt: a failure of an earlier one says that nothing came of it since."""
    if ended.code and ended.attempt is not None and ended.attempt < attempt:
        return ended._replace(headline=f"{ended.headline} (attempt {ended.attempt}; attempt {attempt} left no result)")
    return ended


def _line(one: Mapping[str, Any], what: str, ended: JobResult | None, behind: str) -> Told:
    tag, seconds = one["tag"], ended.seconds if ended else None
    if one["action"] == "blocked":
        return Told(one["image"], what, "blocked", one["reason"], tag, None, one["code"])
    if behind and (ended is None or ended.code):
        return Told(one["image"], what, "blocked", behind, tag, seconds, 0)
    if ended is None:
        why = "its job left no result: it was lost, or cancelled, or never began"
        return Told(one["image"], what, "lost", why, tag, None, _LOST)
    if ended.code:
        return Told(one["image"], what, ended.outcome, f"[{ended.code}] {ended.headline}", tag, seconds, ended.code)
    return Told(one["image"], what, ended.outcome, one["reason"], tag, seconds, 0)
