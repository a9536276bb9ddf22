"""Time whole commands side by side: peers take turns, so that a busy machine hurts both alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ratio", "compare", "render"]


@dataclass(frozen=True)
class Ratio:
    """Seconds of ours and of a peer's, medians of the same number of runs, and the mark that was set."""

    name: str
    ours: float
    peer: float
    mark: float
    runs: int

    @property
    def ratio(self) -> float:
        """Ours over the peer's."""
        return self.ours / self.peer

    @property
    def met(self) -> bool:
        """Whether the mark is met."""
        return self.ratio <= self.mark


def seconds(argv: Sequence[str], cwd: Path, env: dict[str, str]) -> float:
    """Wall-clock seconds of one run; a command that fails ends the bench."""
    start = time.perf_counter()
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True)
    took = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return took


def compare(
    name: str,
    ours: tuple[Sequence[str], Path],
    peer: tuple[Sequence[str], Path],
    *,
    mark: float,
    runs: int = 9,
    env: dict[str, str] | None = None,
) -> Ratio:
    """Run both commands in turns and compare the medians; one run of each first, to warm caches."""
    environment = {**os.environ, **(env or {})}
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(runs + 1):
        for taken, (argv, cwd) in zip(times, (ours, peer), strict=True):
            took = seconds(argv, cwd, environment)
            if turn:
                taken.append(took)
    return Ratio(name, statistics.median(times[0]), statistics.median(times[1]), mark, runs)


def render(ratios: Sequence[Ratio]) -> str:
    """The table of a bench."""
    lines = [f"{'what':44} {'ours':>8} {'peer':>8} {'ratio':>6} {'mark':>5}"]
    for r in ratios:
        verdict = "" if r.met else "  missed"
        lines.append(f"{r.name:44} {r.ours:7.3f}s {r.peer:7.3f}s {r.ratio:6.2f} {r.mark:5.2f}{verdict}")
    return "\n".join(lines)
