"""What the jobs of a workflow left behind, read back: one `result.json` in a folder for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imageyard.errors import ConfigurationError, NotFound
from imageyard.plan.report import JobResult

__all__ = ["last", "plan_of", "results_of"]

_ROW, _STEPS = "result-row-", ("promote", "mirror")


def last(state: Path) -> Mapping[str, Any]:
    """The `result.json` of the last run. Raises NotFound where there was none."""
    file = state / "result.json"
    if not file.exists():
        raise NotFound("no run left a result here", hint="what came before in this job says why")
    found = _json(file)
    if not (isinstance(found.get("code"), int) and isinstance(found.get("rows"), list)):
        raise ConfigurationError(f"{file} is no result of a run")
    return found


def plan_of(file: Path) -> Mapping[str, Any]:
    """The plan that the deciding job printed. Raises ConfigurationError where the file is none."""
    found = _json(file)
    if not (isinstance(found.get("rows"), list) and isinstance(found.get("images"), list)):
        raise ConfigurationError(f"{file} is no plan", hint="inv plan --github > plan.json")
    return found


def results_of(folder: Path) -> tuple[dict[tuple[str, str], JobResult], dict[tuple[str, str], JobResult]]:
    """The results of rows, by image and architecture, and those of images, by image and step.

    `folder` holds a folder for each artifact: `result-row-IMAGE-ARCH`, `result-promote-IMAGE`, `result-mirror-IMAGE`.
    Raises ConfigurationError for a result that cannot be read.
    """
    rows: dict[tuple[str, str], JobResult] = {}
    images: dict[tuple[str, str], JobResult] = {}
    for file in sorted(folder.glob("*/result.json")):
        name, found = file.parent.name, _json(file)
        if name.startswith(_ROW):
            image, _, arch = name.removeprefix(_ROW).rpartition("-")
            rows[image, arch] = _ended(found, image, arch)
            continue
        for step in _STEPS:
            if name.startswith(f"result-{step}-"):
                image = name.removeprefix(f"result-{step}-")
                images[image, step] = _ended(found, image, "all")
    return rows, images


def _ended(found: Mapping[str, Any], image: str, arch: str) -> JobResult:
    """The record of the row itself where there is one: a run may hold those of its parents too."""
    records = found.get("rows")
    for record in records if isinstance(records, list) else ():
        if isinstance(record, Mapping) and (record.get("image"), record.get("arch")) == (image, arch):
            code, seconds = record.get("code"), record.get("seconds")
            return JobResult(
                code if isinstance(code, int) else 1,  # the job built what it was given, and wrote this
                str(record.get("headline", "")),
                str(record.get("outcome", "failed")),
                float(seconds) if isinstance(seconds, (int, float)) else None,
            )
    code = found.get("code")
    if not isinstance(code, int):
        raise ConfigurationError(f"the result of {image} has no code")
    return JobResult(code, str(found.get("headline", "")), "failed" if code else "done")


def _json(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{file} is not JSON: {error}") from None
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"{file} is not a map")
    return found
