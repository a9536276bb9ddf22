"""Builds on a remote BuildKit worker: one look at it, a builder of our own for buildx, and patience while it starts."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from imageyard import process
from imageyard.builders import buildx, preflight
from imageyard.builders.request import BuildRequest, Outcome, Unreachable, csv_line
from imageyard.builders.worker import Worker
from imageyard.errors import EnvironmentLacks
from imageyard.layout import duration
from imageyard.registry.backoff import Clock

if TYPE_CHECKING:
    from imageyard.board import Board
    from imageyard.console import Story

__all__ = ["Worker", "build"]

_BUILDER = "imageyard"
_OPTIONS = {"ca": "cacert", "cert": "cert", "key": "key", "servername": "servername"}
"""buildx 0.29 `docs/reference/buildx_create.md`, the options of the remote driver."""

_PAUSE = 1.0
"""Seconds between two attempts; each of buildx's own takes up to 20 s."""

_EVERY = 60.0
"""Seconds between two lines that say what is waited for."""


def build(
    request: BuildRequest,
    context: IO[bytes],
    worker: Worker,
    *,
    program: str,
    board: Board,
    raw: Path,
    story: Story,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    clock: Clock | None = None,
) -> Outcome:
    """Build what is asked on `worker`; `context` is a tar that can be read again, `timeout` the build's own seconds.

    A worker that cannot be reached yet is waited for, for as long as it may take to start. buildx gets a state
    directory of its own beside `raw`, with this one builder in it.
    Raises ConfigurationError and EnvironmentLacks, before buildx is started, for what waiting cannot mend.
    """
    waiting = _Waiting(worker, request.platform, story, clock or Clock())
    start = context.tell()
    if why := preflight.check(worker):
        waiting.tell(why)
    with tempfile.TemporaryDirectory(prefix="imageyard-buildx-", dir=raw.parent) as own:
        env = {**(env or {}), "BUILDX_CONFIG": own}
        _create(worker, program, env)
        request = replace(request, builder=_BUILDER)
        while True:
            context.seek(start)
            outcome = buildx.build(request, context, program=program, board=board, raw=raw, env=env, timeout=timeout)
            if not isinstance(outcome, Unreachable):
                return outcome
            if not waiting.goes_on(outcome.cause):
                return Unreachable(waiting.in_vain(preflight.check(worker) or outcome.cause))


def _create(worker: Worker, program: str, env: Mapping[str, str]) -> None:
    """Note the builder in buildx's state; nothing is connected to yet."""
    options = [f"{option}={worker.tls[name]}" for name, option in _OPTIONS.items() if worker.tls.get(name)]
    given = [part for option in options for part in ("--driver-opt", csv_line([option]))]
    made = process.run(
        [program, "create", "--name", _BUILDER, "--driver", "remote", *given, worker.address], env=env, timeout=60.0
    )
    if made.code:
        raise EnvironmentLacks(
            f"buildx takes no builder at {worker.address}",
            doing="preparing a remote builder",
            detail=made.complaint.splitlines()[-5:],
        )


class _Waiting:
    """The time that a worker is given to start, and what is told meanwhile."""

    def __init__(self, worker: Worker, platform: str, story: Story, clock: Clock) -> None:
        self._worker = worker
        self._title = f"{worker.address} ({platform})"
        self._story = story
        self._clock = clock
        self._began = clock.monotonic()
        self._told: float | None = None

    @property
    def _spent(self) -> float:
        return self._clock.monotonic() - self._began

    def tell(self, why: str) -> None:
        """Say what is waited for: at first, and then now and then."""
        now = self._clock.monotonic()
        if self._told is None or now - self._told >= _EVERY:
            self._told = now
            budget = duration(self._worker.connect_timeout)
            self._story.step(f"waiting for {self._title}, {duration(self._spent)} of {budget}: {why}")

    def goes_on(self, why: str) -> bool:
        """Whether there is time for another attempt; if so, wait a little."""
        if self._spent + _PAUSE >= self._worker.connect_timeout:
            return False
        self.tell(why)
        self._clock.sleep(_PAUSE)
        return True

    def in_vain(self, why: str) -> str:
        """What to say when the time is over."""
        return f"no worker answered at {self._title} within {duration(self._worker.connect_timeout)}: {why}"
