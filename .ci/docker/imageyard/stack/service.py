"""Services that outlive us: start one, know it again, wait for it, stop it. Linux only."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from imageyard import process
from imageyard.errors import EnvironmentLacks

__all__ = ["Service", "alive", "start", "stop", "wait_for"]

T = TypeVar("T")

_POLL = 0.05
_LAST_LINES = 15


@dataclass(frozen=True)
class Service:
    """A process that we started. `since` is its start time in clock ticks: with it, a pid that was reused is told."""

    pid: int
    since: int


def start(argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Service:
    """Start a service, its output appended to `log`. Raises EnvironmentLacks where it cannot be started."""
    pid = process.detach(argv, log=log, env=env)
    return Service(pid, _since(pid) or 0)


def _since(pid: int) -> int | None:
    """The start time of a process that runs, or None: proc(5), `/proc/pid/stat`, fields 3 (state) and 22."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # our own child would stay a zombie while we live
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def alive(service: Service) -> bool:
    """Whether that very process still runs."""
    return _since(service.pid) == service.since


def wait_for(
    service: Service, ready: Callable[[], T | None], *, name: str, log: Path, since: int = 0, seconds: float = 60.0
) -> T:
    """Ask `ready` until it has an answer. `log` was `since` bytes long before the service started.

    Raises EnvironmentLacks with the last lines of the log where the service ended or did not get ready in time; it
    is stopped then.
    """
    deadline = time.monotonic() + seconds
    while True:
        if (answer := ready()) is not None:
            return answer
        ended = not alive(service)
        if ended or time.monotonic() > deadline:
            stop(service)
            what = "ended at once" if ended else f"was not ready within {seconds:.0f} s"
            raise EnvironmentLacks(
                f"{name} {what}", doing=f"starting {name}", detail=_tail(log, since), hint=f"its log: {log}"
            )
        time.sleep(_POLL)


def _tail(log: Path, since: int) -> list[str]:
    with log.open("rb") as file:
        file.seek(since)
        return file.read().decode(errors="replace").splitlines()[-_LAST_LINES:]


def stop(service: Service, patience: float = 30.0) -> None:
    """Ask the service to end, wait `patience` seconds, then kill it and what is left of its process group."""
    for how, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        if not alive(service):
            return
        with suppress(ProcessLookupError):
            if how is signal.SIGKILL:
                os.killpg(service.pid, how)
            else:
                os.kill(service.pid, how)
        deadline = time.monotonic() + seconds
        while alive(service) and time.monotonic() < deadline:
            time.sleep(_POLL)
