"""Running the checks of a row in its image: every one of them, each in a container without a network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from imageyard.catalogue.model import Check
from imageyard.checks.judge import Ended, NotStarted, Ran, TimedOut, judge
from imageyard.process import Completed
from imageyard.records import Finding

__all__ = ["TIMEOUT", "Containers", "run_checks"]

TIMEOUT = 300.0
"""Seconds for one check; under emulation a compiler that prints its version takes some."""

_NOT_STARTED = 125
_NO_EMULATOR = re.compile(r"^exec \S+: exec format error$", re.MULTILINE)  # Docker 28, runc 1.1: exit code 255


class Containers(Protocol):
    """The part of an engine that checks need."""

    def run(
        self,
        image: str,
        argv: Sequence[str],
        *,
        network: str = "none",
        platform: str | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """Run a command in a container of the image, and remove the container.

        The exit code is the command's, or 125 where the container did not start (docker-run(1), "Exit status").
        Raises TimeoutError past `timeout`, in seconds.
        """


def run_checks(
    engine: Containers,
    image: str,
    checks: Iterable[Check],
    args: Mapping[str, str],
    *,
    platform: str | None = None,
    timeout: float = TIMEOUT,
) -> tuple[Finding, ...]:
    """What every check found in `image`; one that fails does not keep the next from running.

    Raises ConfigurationError for a check that cannot be judged.
    """
    return tuple(judge(check, args, _ran(engine, image, check, platform, timeout)) for check in checks)


def _ran(engine: Containers, image: str, check: Check, platform: str | None, timeout: float) -> Ran:
    try:
        done = engine.run(image, check.run, network="none", platform=platform, timeout=timeout)
    except TimeoutError:
        return TimedOut(timeout)
    err = done.err.decode(errors="replace")
    if done.code == _NOT_STARTED or _NO_EMULATOR.search(err):
        return NotStarted(err.strip() or f"the engine ended with {done.code} and said nothing")
    code = done.code if done.code >= 0 else 128 - done.code
    return Ended(code, done.out.decode(errors="replace"), err)
