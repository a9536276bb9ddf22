"""Running the checks of a row in its image: every one of them, each in a container without a network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from imageyard.catalogue.model import Check
from imageyard.checks.judge import judge
from imageyard.ran import Ended, NotStarted, Ran, TimedOut
from imageyard.records import Finding

if TYPE_CHECKING:
    from imageyard import engine

__all__ = ["TIMEOUT", "Containers", "run_checks", "run_command"]

TIMEOUT = 300.0
"""Seconds for one check; under emulation a compiler that prints its version takes some."""

_NO_EMULATOR = re.compile(r"exec \S+?(?: failed)?: exec format error", re.IGNORECASE)
"""Without an emulator a program of another architecture does not start; runc and docker-init (tini) say so, each in
its words, and end with an exit code of their own."""


class Containers(Protocol):
    """The part of an engine that checks need."""

    def run(
        self,
        image: str,
        argv: Sequence[str],
        *,
        network: str = "none",
        platform: str | None = None,
        labels: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> engine.Ran:
        """Run a command in a container of its own; raises TimeoutError past `timeout`, in seconds."""


def run_checks(
    containers: Containers,
    image: str,
    checks: Iterable[Check],
    args: Mapping[str, str],
    *,
    platform: str | None = None,
    labels: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> tuple[Finding, ...]:
    """What every check found in `image`; one that fails does not keep the next from running.

    `labels` go on the containers, so that those of a killed run can be found.
    Raises ConfigurationError for a check that cannot be judged.
    """

    def ran(check: Check) -> Ran:
        return run_command(containers, image, check.run, platform=platform, labels=labels, timeout=timeout)

    return tuple(judge(check, args, ran(check)) for check in checks)


def run_command(
    containers: Containers,
    image: str,
    argv: Sequence[str],
    *,
    platform: str | None = None,
    labels: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> Ran:
    """Run a command in a container of `image` without a network; `labels` and `timeout` as in `run_checks`."""
    try:
        done = containers.run(image, argv, network="none", platform=platform, labels=labels, timeout=timeout)
    except TimeoutError:
        return TimedOut(timeout)
    return _told(done)


def _told(done: engine.Ran) -> Ran:
    out, err = done.out.decode(errors="replace"), done.err.decode(errors="replace")
    if not done.started or _NO_EMULATOR.search(err):
        return NotStarted(err.strip() or f"the engine ended with {done.code} and said nothing")
    return Ended(done.code, out, err)
