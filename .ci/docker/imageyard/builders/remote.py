"""Builds on a remote BuildKit worker: one look at it, a builder of our own for buildx, and patience while it starts."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard import process
from imageyard.builders import buildx, preflight
from imageyard.builders.patience import Connecting, Guard, Retries, WouldRunAgain
from imageyard.builders.request import BuildRequest, Failed, Outcome, RegistryFailed, Unreachable, csv_line
from imageyard.builders.worker import Worker
from imageyard.errors import EnvironmentLacks
from imageyard.http.backoff import Clock

if TYPE_CHECKING:
    from imageyard.board import Board
    from imageyard.console import Story

__all__ = ["Worker", "build"]

_BUILDER = "imageyard"
_OPTIONS = {"ca": "cacert", "cert": "cert", "key": "key", "servername": "servername"}
"""buildx 0.29 `docs/reference/buildx_create.md`, the options of the remote driver."""

_NO_EXPORTER = 'exporter "image" could not be found'
"""What dockerd 26.1 and 28.5 say of `--output type=image` where their image store is the classic one (tried)."""


def build(
    request: BuildRequest,
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
    """Build what is asked on `worker`; `timeout` are the build's own seconds.

    A worker that cannot be reached yet is waited for, for as long as it may take to start. What a registry did not
    answer is tried again, unless a RUN step would be run twice. buildx gets a state directory of its own beside `raw`,
    with this one builder in it.
    Raises ConfigurationError and EnvironmentLacks, before buildx is started, for what waiting cannot mend.
    """
    clock = clock or Clock()
    connecting, retries = Connecting(worker, request.platform, story, clock), Retries(request, story, clock)
    unseen = preflight.check(worker)
    if unseen:
        connecting.tell(unseen)
    with tempfile.TemporaryDirectory(prefix="imageyard-buildx-", dir=raw.parent) as own:
        env = {**(env or {}), "BUILDX_CONFIG": own}
        _create(worker, program, env)
        asked = replace(request, builder=_BUILDER)
        failed: RegistryFailed | None = None
        for attempt in itertools.count():
            guard = Guard(board, retries.ran)
            run = partial(buildx.build, program=program, board=guard, raw=raw, env=env, timeout=timeout)
            try:
                outcome = run(asked, connect_within=connecting.left, again=attempt > 0)
            except WouldRunAgain as step:
                story.warn(f"no further attempt: {worker.address} does not have what was built before: {step}")
                break
            if isinstance(outcome, Unreachable):
                if not connecting.goes_on(outcome.cause):
                    return Unreachable(connecting.in_vain(preflight.check(worker) or outcome.cause))
                if unseen:  # until it was seen once, its TLS may be what waiting cannot mend
                    unseen = preflight.check(worker)
            elif isinstance(outcome, RegistryFailed) and retries.goes_on(outcome):
                failed = outcome
                connecting.restart()
            else:
                return _refused(outcome, worker)
    assert failed  # only what was tried again can be stopped from running again
    return failed


def _refused(outcome: Outcome, worker: Worker) -> Outcome:
    """The outcome, unless this worker can never push an image: of that an engine knows before any step."""
    if isinstance(outcome, Failed) and outcome.exit_code is None and _NO_EXPORTER in outcome.message:
        raise EnvironmentLacks(
            f"{worker.address} is an engine with the classic image store: it cannot push by digest",
            doing="building on a remote worker",
            detail=(outcome.message,),
            hint='there: "features": {"containerd-snapshotter": true} in daemon.json',
        )
    return outcome


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
