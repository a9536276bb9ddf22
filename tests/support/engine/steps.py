"""The steps that an engine of this machine is running, as processes that a test can look for and end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ["children_of", "running_steps", "wait_for"]


def running_steps(words: str) -> list[int]:
    """The processes on this machine, in a container or not, that have these words on their command line."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if words.encode() in file.read_bytes():
                found.append(int(file.parent.name))
    return found


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(found: Callable[[], list[int]], child: subprocess.Popen[str]) -> int:
    """The process that is looked for, as soon as it is there; `child` has to live so long."""
    while not (pids := found()):
        assert child.poll() is None, child.communicate()
        time.sleep(0.05)
    return pids[0]
