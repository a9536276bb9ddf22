"""Time whole commands side by side: peers take turns, so that a busy machine hurts both alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MB", "Ratio", "Run", "compare", "render", "run", "seconds"]

MB = 1_000_000


@dataclass(frozen=True)
class Run:
    """Wall-clock seconds of a command, and the most memory, in bytes, that it or a child of it had at a time."""

    seconds: float
    peak: int


@dataclass(frozen=True)
class Ratio:
    """Seconds of ours and of a peer's, or what `unit` says: medians of as many runs, and the mark that was set.

    `peak` is the most memory that a run of ours had, in bytes, and `peer_peak` one of the peer's, where they were
    measured; `peak_mark` is what ours may have.
    """

    name: str
    ours: float
    peer: float
    mark: float
    runs: int
    peak: int | None = None
    peer_peak: int | None = None
    peak_mark: int | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """Ours over the peer's."""
        return self.ours / self.peer

    @property
    def met(self) -> bool:
        """Whether the mark is met."""
        return self.ratio <= self.mark and (self.peak or 0) <= (self.peak_mark or self.peak or 0)


def run(argv: Sequence[str], cwd: Path, env: dict[str, str]) -> Run:
    """One run; a command that fails ends the bench."""
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        child = subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)  # the usage of this child, and not of all that there were
        took = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            words = said.read()[-4000:].decode(errors="replace")
            raise SystemExit(f"{' '.join(argv)} ended with {child.returncode}:\n{words}")
    return Run(took, usage.ru_maxrss * 1024)


def seconds(argv: Sequence[str], cwd: Path, env: dict[str, str]) -> float:
    """Wall-clock seconds of one run."""
    return run(argv, cwd, env).seconds


def compare(
    name: str,
    ours: tuple[Sequence[str], Path],
    peer: tuple[Sequence[str], Path],
    *,
    mark: float,
    runs: int = 9,
    env: dict[str, str] | None = None,
    before: Callable[[], None] = lambda: None,
    before_peer: Callable[[], None] = lambda: None,
    peak_mark: int | None = None,
) -> Ratio:
    """Run both commands in turns and compare the medians; one run of each first, to warm caches.

    `before` each run of ours, and `before_peer` each of the peer's, it may be made cold.
    """
    environment = {**os.environ, **(env or {})}
    found: tuple[list[Run], list[Run]] = ([], [])
    for turn in range(runs + 1):
        for taken, (argv, cwd) in zip(found, (ours, peer), strict=True):
            (before if taken is found[0] else before_peer)()
            took = run(argv, cwd, environment)
            if turn:
                taken.append(took)
    times = [statistics.median(each.seconds for each in taken) for taken in found]
    peaks = [max(each.peak for each in taken) for taken in found]
    return Ratio(name, times[0], times[1], mark, runs, peaks[0], peaks[1], peak_mark)


def render(ratios: Sequence[Ratio]) -> str:
    """The table of a bench."""
    lines = [f"{'what':48} {'ours':>8} {'peer':>8} {'ratio':>6} {'mark':>5} {'memory':>7} {'peer':>7} {'mark':>7}"]
    for r in ratios:
        memory = " ".join(
            f"{'' if each is None else f'{each // MB} MB':>7}" for each in (r.peak, r.peer_peak, r.peak_mark)
        )
        verdict = "" if r.met else "  missed"
        lines.append(
            f"{r.name:48} {r.ours:7.3f}{r.unit} {r.peer:7.3f}{r.unit} {r.ratio:6.2f} {r.mark:5.2f} {memory}{verdict}"
        )
    return "\n".join(lines)
