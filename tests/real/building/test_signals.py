"""Interrupts: whoever sends them, whatever runs, nothing stays behind and the records tell of it.

A terminal sends SIGINT to the whole group in its foreground; a supervisor sends SIGTERM to the process it started,
which leads a session of its own; a service manager sends SIGTERM to every process of the service (systemd.kill(5)).
A terminal that closes sends SIGHUP, to the group in its foreground too, and nothing can be written to it any more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import pytest
from support.yard.scratch import ARCH, Yard

pytestmark = pytest.mark.engine

UMBRELLA = f"build_image(arch={ARCH!r})"
PATIENCE = 120.0
"""Seconds for an event on a busy machine; every test waits for what it needs, and no longer."""

T = TypeVar("T")


@dataclass(frozen=True)
class Face:
    """A way to start the work: what is typed, how it ends by each signal, how many rows are at work at a time."""

    name: str
    argv: tuple[str, ...]
    codes: dict[signal.Signals, int]
    rows: int


FACES = [
    Face("inv", ("invoke", "build", "*"), {signal.SIGINT: 130, signal.SIGTERM: 143}, 1),
    Face("nox", ("nox", "-s", UMBRELLA), {signal.SIGINT: 130, signal.SIGTERM: 130}, 1),
    Face("nox -j 2", ("nox", "-j", "2", "-s", UMBRELLA), {signal.SIGINT: 130, signal.SIGTERM: 130}, 2),
]

Moment = Literal["a step", "a check"]
Sender = Literal["a terminal", "a terminal that closes", "a supervisor", "a service manager"]

CATALOGUE = """\
defaults: {{arches: [ARCH]}}
axes: {{plain: {{one, two}}}}
images:
  all:
    dockerfile: plain/Dockerfile
    checks: {{slow: {{run: "{check}"}}}}
    names:
      one: {{args: {{WHO: one}}}}
      two: {{args: {{WHO: two}}}}
"""


def until(what: Callable[[], T], said: str) -> T:
    """The first true answer; `said` is what is waited for."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE:.0f} s: {said}")


def processes(file: str, wanted: Callable[[bytes], bool]) -> list[int]:
    """The processes, but for those that ended and are not yet waited for, whose `/proc/PID/FILE` is wanted."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            if wanted((folder / file).read_bytes()) and b"\nState:\tZ" not in (folder / "status").read_bytes():
                found.append(int(folder.name))
    return found


def ours(yard: Yard) -> list[int]:
    """What a command in the repository started, however deep: its TMPDIR is in nobody else's environment."""
    mark = f"TMPDIR={yard.tmp}".encode()
    return processes("environ", lambda environment: mark in environment.split(b"\0"))


def at_work(yard: Yard) -> list[int]:
    """The shells that run in containers: of a step of a build, or of a check."""
    mark = f"long of {yard.key}".encode()
    return processes("cmdline", lambda line: line.partition(b"\0")[0].endswith(b"sh") and mark in line)


def prepare(yard: Yard, moment: Moment | Literal["nothing"]) -> None:
    """Two images of which each takes for ever at that moment."""
    command = f"echo long of {yard.key}; sleep 3600; echo never"
    step = command if moment == "a step" else "true"
    check = f"sh -c '{command}'" if moment == "a check" else "true"
    yard.dockerfile("plain/Dockerfile", "ARG WHO", f"RUN {step}")
    yard.catalogue(CATALOGUE.format(check=check))
    yard.commit()


def start(yard: Yard, face: Face, *, terminal: bool) -> subprocess.Popen[str]:
    """Start it as a shell on a terminal does, in a group of its own, or as a supervisor does, in a session."""
    options: dict[str, Any] = {"start_new_session": not terminal}
    if terminal:
        options |= {"process_group": 0} if sys.version_info >= (3, 11) else {"preexec_fn": os.setpgrp}
    return yard.start([sys.executable, "-m", *face.argv], **options)


def finished(child: subprocess.Popen[str]) -> str:
    """Wait for the end; what was told."""
    try:
        out, err = child.communicate(timeout=PATIENCE)
    except BaseException:
        child.kill()
        raise
    return out + err


def send(yard: Yard, child: subprocess.Popen[str], sender: Sender) -> signal.Signals:
    """Interrupt it; the signal that was sent."""
    match sender:
        case "a terminal":
            os.killpg(child.pid, signal.SIGINT)
            return signal.SIGINT
        case "a terminal that closes":
            os.killpg(child.pid, signal.SIGHUP)
        case "a supervisor":
            os.kill(child.pid, signal.SIGTERM)
        case "a service manager":
            for pid in ours(yard):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
    return signal.SIGTERM


def begun(yard: Yard, face: Face, child: subprocess.Popen[str]) -> None:
    """Wait until as many rows are at work as the face has at a time."""
    until(lambda: len(at_work(yard)) == face.rows or child.poll() is not None, f"{face.rows} at work")
    assert child.poll() is None, finished(child)


@contextmanager
def swept(yard: Yard) -> Iterator[list[int]]:
    """What still ran of ours at the end of the block; it does not outlive the test."""
    left: list[int] = []
    try:
        yield left
    finally:
        left += ours(yard)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("sender", get_args(Sender))
@pytest.mark.parametrize("moment", get_args(Moment))
@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_an_interrupt_leaves_nothing_behind(yard: Yard, face: Face, moment: Moment, sender: Sender) -> None:
    prepare(yard, moment)
    with swept(yard) as left, start(yard, face, terminal="terminal" in sender) as child:
        begun(yard, face, child)
        how = send(yard, child, sender)
        told = finished(child)

    assert left == [], "no orphan"
    assert child.returncode == face.codes[how], told
    assert yard.leftovers() == []
    assert yard.tags() == set()
    until(lambda: not at_work(yard), "the engine to end the steps")  # it was told to, and takes its time
    assert yard.outcomes() == dict.fromkeys(["one", "two"][: face.rows], "interrupted")
    assert {record["code"] for record in yard.records().values()} == {130}
    assert (yard.result["code"], yard.result["run"]) == (130, yard.runs[-1].name)
    assert "[130] interrupted" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("moment", get_args(Moment))
@pytest.mark.parametrize("face", [FACES[0], FACES[2]], ids=lambda face: face.name)
def test_what_was_killed_is_swept_by_the_next_run(yard: Yard, face: Face, moment: Moment) -> None:
    prepare(yard, moment)
    with swept(yard), start(yard, face, terminal=True) as child:
        begun(yard, face, child)
        for pid in ours(yard):
            os.kill(pid, signal.SIGKILL)
        finished(child)
    killed = yard.runs[-1]

    assert yard.outcomes(killed) == dict.fromkeys(["one", "two"][: face.rows], "interrupted")
    assert (yard.result["code"], yard.result["headline"]) == (130, "interrupted")

    prepare(yard, "nothing")
    done = yard.inv("build", "*")

    assert done.code == 0, done.all
    assert yard.outcomes() == {"one": "built", "two": "built"}
    assert not any(tag.startswith("unchecked") for tag in yard.tags())
    assert yard.containers() == []
    assert not at_work(yard)
    kept = {path.suffix for path in killed.glob("rows/*")}
    assert kept <= {".json", ".rawjson"}, "its records and logs, no folder of a build"
    assert not list(yard.tmp.glob("imageyard*"))
