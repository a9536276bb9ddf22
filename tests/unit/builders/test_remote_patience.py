"""When a worker is waited for, when a registry is asked again, and what is never run twice."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from imageyard.builders.patience import Connecting, Guard, Retries, WouldRunAgain
from imageyard.builders.request import BuildRequest, RegistryFailed
from imageyard.builders.worker import Worker
from imageyard.console import Story
from support.registry.served import moving_clock

FAILED = RegistryFailed("export", "429 Too Many Requests", ran=("[2/2] RUN x",))
REQUEST = BuildRequest(Path("context"), Path("Dockerfile"), "linux/amd64")


def test_a_worker_is_waited_for_and_told_of_now_and_then() -> None:
    clock, slept = moving_clock()
    told = io.StringIO()
    waiting = Connecting(Worker("tcp://pool.test:1", connect_timeout=7200.0), "linux/amd64", Story(stream=told), clock)
    while waiting.goes_on("connection refused"):
        assert len(slept) < 10_000
    assert sum(slept) == pytest.approx(7200, abs=2)
    lines = told.getvalue().splitlines()
    assert lines[0] == "waiting for tcp://pool.test:1 (linux/amd64), 0.0 s of 2 h 00 min: connection refused"
    assert lines[1].startswith("waiting for tcp://pool.test:1 (linux/amd64), 1 min 00 s of 2 h 00 min")
    assert len(lines) == 120
    assert waiting.in_vain("no answer") == (
        "no worker answered at tcp://pool.test:1 (linux/amd64) within 2 h 00 min: no answer"
    )
    waiting.restart()
    assert waiting.left == 7200.0


@pytest.mark.parametrize(
    ("failed", "waits"),
    [
        (FAILED, [2.0, 10.0, 30.0]),
        (replace(FAILED, phase="resolve", ran=()), [2.0, 10.0, 30.0]),
        (replace(FAILED, retry_after=12.0), [12.0, 12.0, 30.0]),
        (replace(FAILED, retry_after=86400.0), [300.0, 300.0, 300.0]),
        (replace(FAILED, denied=True), []),
        (replace(FAILED, cut_off=True), []),
    ],
)
def test_how_often_a_registry_is_asked_again(failed: RegistryFailed, waits: list[float]) -> None:
    clock, slept = moving_clock()
    retries = Retries(REQUEST, Story(stream=io.StringIO()), clock)
    while retries.goes_on(failed):
        assert len(slept) < 10
    assert slept == waits
    assert retries.ran == (frozenset(failed.ran) if waits else frozenset())


def test_a_build_without_cache_is_run_again_only_before_its_first_command() -> None:
    clock, _ = moving_clock()
    retries = Retries(replace(REQUEST, no_cache=True), Story(stream=io.StringIO()), clock)
    assert retries.goes_on(replace(FAILED, phase="resolve", ran=()))
    assert not retries.goes_on(FAILED)


class Board:
    """Hears which steps start."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def step_started(self, name: str) -> None:
        self.started.append(name)

    def step_cached(self, name: str) -> None: ...
    def step_done(self, name: str, seconds: float) -> None: ...
    def log(self, line: str) -> None: ...


def test_a_command_is_stopped_before_it_is_run_twice() -> None:
    board = Board()
    guard = Guard(board, frozenset(FAILED.ran))
    guard.step_started("[1/2] COPY a b")
    with pytest.raises(WouldRunAgain, match="RUN x"):
        guard.step_started("[2/2] RUN x")
    assert board.started == ["[1/2] COPY a b"]
