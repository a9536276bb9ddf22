"""What the jobs of a workflow left behind, read back: one `result.json` in a folder for each.

A job that builds what a pull request holds may write anything there: all of it is checked before it is believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from imageyard.errors import ConfigurationError, NotFound, exit_code
from imageyard.plan.report import JobResult
from imageyard.records import WELL, Record, from_json, is_exit_code, strict_json

__all__ = ["LastRun", "last", "plan_of", "results_of"]


class LastRun(NamedTuple):
    """How a run ended: its exit code, in one line why, the records of its rows, and the attempt in CI it was of."""

    code: int
    headline: str
    rows: tuple[Record, ...]
    attempt: int


def last(state: Path) -> LastRun:
    """The `result.json` of the last run. Raises NotFound where there was none, ConfigurationError where it is none."""
    file = state / "result.json"
    if not file.exists():
        raise NotFound("no run left a result here", hint="what came before in this job says why")
    return _result(file)


def plan_of(file: Path) -> Mapping[str, Any]:
    """The plan that the deciding job printed. Raises ConfigurationError where the file is none."""
    found = _map(file)
    lists = {"rows": _PLANNED_ROW, "images": _PLANNED_IMAGE}
    if not (all(isinstance(found.get(key), list) for key in lists) and _is_attempt(found.get("attempt", 1))):
        raise ConfigurationError(f"{file} is no plan", hint="inv plan --github > plan.json")
    for key, fields in lists.items():
        for number, one in enumerate(found[key]):
            _require(one, fields, f"{file}: {key} {number}")
    return found


def results_of(
    folder: Path, plan: Mapping[str, Any]
) -> tuple[dict[tuple[str, str], JobResult], dict[tuple[str, str], JobResult]]:
    """The results of a plan's rows, by image and architecture, and those of its images, by image and step.

    `folder` holds a folder for each artifact: `result-row-JOB` of a job that builds rows, `result-STEP-JOB` of one that
    takes a step with images; JOB is its name in the plan. A job is asked for what the plan gave it, and for nothing
    else.
    A result that cannot be believed is one of a failure that says so; it hides no other.
    """
    read = lru_cache(maxsize=None)(_believed)  # a job's one result has many rows
    rows_of = Counter(row["job"] for row in plan["rows"])
    images_of = Counter((image["step"], image["job"]) for image in plan["images"])
    rows: dict[tuple[str, str], JobResult] = {}
    images: dict[tuple[str, str], JobResult] = {}
    for row in plan["rows"]:
        file = folder / f"result-row-{row['job']}" / "result.json"
        if not (row["job"] and file.exists()):
            continue
        if ended := _ended(read(file), row["image"], row["arch"], alone=rows_of[row["job"]] == 1):
            rows[row["image"], row["arch"]] = ended
    for image in plan["images"]:
        file = folder / f"result-{image['step']}-{image['job']}" / "result.json"
        if not (image["job"] and file.exists()):
            continue
        alone = image["step"] == "backup" or images_of[image["step"], image["job"]] == 1  # one job for all images
        if ended := _ended(read(file), image["image"], "all", alone=alone):
            images[image["image"], image["step"]] = ended
    return rows, images


def _believed(file: Path) -> LastRun | ConfigurationError:
    try:
        return _result(file)
    except ConfigurationError as error:
        return error


def _ended(found: LastRun | ConfigurationError, image: str, arch: str, *, alone: bool) -> JobResult | None:
    """The record of the row itself where there is one: a run may hold those of its parents too.

    Where there is none, the run's own end counts for a row that is `alone` in its job, and where it came to no row.
    """
    if isinstance(found, ConfigurationError):
        return JobResult(exit_code(found), found.headline, "failed", attempt=None)
    record = next((one for one in found.rows if (one.image, one.arch) == (image, arch)), None)
    if record is not None:
        return JobResult(record.code, record.headline, record.outcome, record.seconds, found.attempt)
    if alone or (found.code and not found.rows):
        return JobResult(found.code, found.headline, "failed" if found.code else "done", attempt=found.attempt)
    return None


def _result(file: Path) -> LastRun:
    """One `result.json`. Raises ConfigurationError where anything in it is not as a run writes it."""
    found = _map(file)
    _require(found, _RESULT, str(file))
    rows = tuple(from_json(row, f"{file}: row {number}") for number, row in enumerate(found["rows"]))
    for record in rows:
        if (record.code == 0) is not (record.outcome in WELL):
            raise ConfigurationError(f"{file} has the outcome {record.outcome!r} with the exit code {record.code}")
    return LastRun(found["code"], found["headline"], rows, found.get("attempt") or 1)


def _map(file: Path) -> Mapping[str, Any]:
    try:
        found = strict_json(file.read_bytes(), str(file))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"{file} is not a map")
    return found


def _require(found: object, fields: Mapping[str, Callable[[object], bool]], name: str) -> None:
    """Raise ConfigurationError unless a value is a map that has these fields, each as its function wants it."""
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"{name} is not a map")
    for key, accepts in fields.items():
        if not accepts(found.get(key)):
            said = f"has {key} {found[key]!r:.100}, which cannot be" if key in found else f"lacks {key}"
            raise ConfigurationError(f"{name} {said}")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_file_name(value: object) -> bool:
    return value is None or (isinstance(value, str) and "/" not in value)


def _is_attempt(value: object) -> bool:
    return type(value) is int and 1 <= value < 10**9


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


_RESULT: Mapping[str, Callable[[object], bool]] = {
    "code": is_exit_code,
    "headline": _is_text,
    "rows": lambda value: isinstance(value, list),
    "attempt": lambda value: value is None or _is_attempt(value),
}
_PLANNED: Mapping[str, Callable[[object], bool]] = {
    "image": _is_text,
    "tag": _is_text,
    "action": _is_text,
    "reason": _is_text,
    "code": is_exit_code,
    "needs": _are_texts,
}
_PLANNED_ROW = {**_PLANNED, "arch": _is_text, "job": _is_file_name}
_PLANNED_IMAGE = {**_PLANNED, "step": _is_text, "job": _is_file_name}
