"""The checks and facts of a row on the builder that made it: each a step of its own, never from a cache."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from imageyard.builders.request import BuildRequest, BuildTimedOut, Built, Failed
from imageyard.building import attempt
from imageyard.building.sealed_context import seal
from imageyard.checks.judge import judge
from imageyard.checks.run import TIMEOUT
from imageyard.names import platform_of
from imageyard.ran import Ended, NotStarted, Ran, TimedOut
from imageyard.run import leftovers
from imageyard.treebase import DictTree

if TYPE_CHECKING:
    from imageyard.board import Board
    from imageyard.builders.request import Outcome
    from imageyard.building.builder import RowBuild
    from imageyard.names import Reference
    from imageyard.project.project import Project
    from imageyard.records import Finding
    from imageyard.run.services import Services

__all__ = ["TIMEOUT", "StartCheck", "dockerfile", "run_checks", "run_facts", "written"]

StartCheck: TypeAlias = "Callable[[BuildRequest, Board, Path], attempt.Ended]"
"""Runs the build of one check to its end. Raises Denied and Transient where its builder is not there."""

_UNSTARTED = re.compile(r"^\w+ run failed: unable to start container process: (?P<why>.*)", re.MULTILINE)
"""What runc says in the log of a step whose program did not start; BuildKit ends it with 1 then (moby 28)."""
_CLIPPED = re.compile(r"^\[output clipped, log limit \S+ reached\]$", re.MULTILINE)
"""What BuildKit writes in place of output past 2 MiB, or past 200 KiB a second (moby/buildkit 0.25, `logs.go`)."""
_NO_PROGRAM = re.compile(r"exec: .*(executable file not found|no such file or directory)")


def run_checks(
    project: Project, services: Services, row: RowBuild, image: Reference, start_check: StartCheck
) -> tuple[Finding, ...]:
    """Run every check of a row in `image`, by digest; one that fails does not keep the next from running.

    `start_check` ends a build that takes longer than the TIMEOUT of checks. Raises Denied and Transient where the
    builder or a registry is not there or went away.
    """
    checks = row.facts.checks
    ran = _run(project, services, row, image, [check.run for check in checks], start_check)
    return tuple(judge(check, row.facts.check_args, one) for check, one in zip(checks, ran, strict=True))


def run_facts(
    project: Project, services: Services, row: RowBuild, image: Reference, start_check: StartCheck
) -> Mapping[str, Ran]:
    """Run the command of every fact of a row in `image`, by digest. Raises as `run_checks` does."""
    facts = row.facts.fact_commands
    ran = _run(project, services, row, image, [fact.run for fact in facts], start_check)
    return {fact.name: one for fact, one in zip(facts, ran, strict=True)}


def _run(
    project: Project,
    services: Services,
    row: RowBuild,
    image: Reference,
    commands: Sequence[Sequence[str]],
    start_check: StartCheck,
) -> list[Ran]:
    facts = row.facts
    log = services.run.log_of(facts.row.name, facts.row.arch)
    done: list[Ran] = []
    with tempfile.TemporaryDirectory(prefix=leftovers.SCRATCH, dir=log.parent) as folder:
        for number, argv in enumerate(commands):
            raw = Path(folder, "check.rawjson")
            text, into = dockerfile(image, argv).encode(), Path(folder, str(number))
            sealed = seal((), {"": DictTree({})}, text, into, name="Dockerfile")
            request = BuildRequest(
                sealed.folder, sealed.dockerfile, platform_of(facts.row.arch), output="nothing", no_cache=True
            )
            outcome = start_check(request, _Quiet(), raw)
            if not isinstance(outcome, (Built, Failed)):
                attempt.require_image(project, services, [row], outcome)
            out, err = written(raw.read_text(encoding="utf-8").splitlines())
            done.append(_ran(outcome, out, err))
    return done


def dockerfile(image: Reference, argv: Sequence[str]) -> str:
    """A Dockerfile of one step that runs a command: no shell is between, and no network."""
    return f"FROM {image}\nRUN --network=none {json.dumps(argv, separators=(',', ':'))}\n"


def written(stream: list[str]) -> tuple[str, str]:
    """What the steps of a build wrote to standard output and to standard error, by its raw stream, an object a line."""
    parts = {1: b"", 2: b""}
    for log in _logs(stream):
        if log.get("stream") in parts:
            parts[log["stream"]] += base64.b64decode(log.get("data") or "")
    return parts[1].decode(errors="replace"), parts[2].decode(errors="replace")


def _logs(stream: list[str]) -> Iterator[dict]:  # type: ignore[type-arg]
    for line in stream:
        if line.startswith("{"):
            yield from json.loads(line).get("logs") or ()


def _ran(outcome: Outcome, out: str, err: str) -> Ran:
    match outcome:
        case Failed(exit_code=int()) if unstarted := _UNSTARTED.search(f"{err}\n{out}"):  # one stream at Depot
            if _NO_PROGRAM.search(unstarted["why"]):
                return Ended(127, out, err)
            return NotStarted(unstarted["why"])
        case Failed(exit_code=int(code)):
            return Ended(code, out, err)
        case BuildTimedOut():
            return TimedOut(TIMEOUT, out, err)
        case Failed(message=message):
            return NotStarted(message)
        case _:
            return Ended(0, out, err, clipped=_CLIPPED.search(out) is not None)


class _Quiet:
    """A board that shows nothing: findings tell it better."""

    def step_started(self, name: str) -> None: ...
    def step_cached(self, name: str) -> None: ...
    def step_done(self, name: str, seconds: float) -> None: ...
    def log(self, line: str) -> None: ...
