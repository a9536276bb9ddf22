"""Services: known by pid and start time, waited for with a reason, ended for good."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from imageyard.errors import EnvironmentLacks
from imageyard.stack import service

LONG = "import time; print('ready', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"


def started(code: str, log: Path) -> service.Service:
    return service.start([sys.executable, "-c", code], log)


def ready(log: Path, since: int = 0) -> bool | None:
    return True if b"ready" in log.read_bytes()[since:] else None


def test_a_service_runs_until_it_is_stopped(tmp_path: Path) -> None:
    log = tmp_path / "log"
    it = started(LONG, log)
    assert service.wait_for(it, lambda: ready(log), name="it", log=log)
    assert service.alive(it)
    assert os.getsid(it.pid) == it.pid, "it is in a session of its own: our Ctrl-C is not its"
    service.stop(it)
    assert not service.alive(it)
    service.stop(it)


def test_a_service_that_ignores_term_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    it = started(DEAF, log)
    service.wait_for(it, lambda: ready(log), name="it", log=log)
    service.stop(it, patience=0.2)
    assert not service.alive(it)


def test_a_pid_that_another_process_has_now_is_not_the_service(tmp_path: Path) -> None:
    log = tmp_path / "log"
    it = started(LONG, log)
    other = replace(it, since=it.since - 1)
    try:
        assert not service.alive(other)
        service.stop(other)
        assert service.alive(it), "what is not ours is not stopped"
    finally:
        service.stop(it)


def test_a_service_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of an earlier time\n")
    it = started("import sys; sys.exit('no such luck')", log)
    with pytest.raises(EnvironmentLacks, match="it ended at once") as caught:
        service.wait_for(it, lambda: None, name="it", log=log, since=19)
    assert caught.value.detail == ("no such luck",)
    assert str(log) in caught.value.hint[0]


def test_a_service_that_never_gets_ready_is_stopped(tmp_path: Path) -> None:
    log = tmp_path / "log"
    it = started(LONG, log)
    with pytest.raises(EnvironmentLacks, match="not ready within 0 s"):
        service.wait_for(it, lambda: None, name="it", log=log, seconds=0.0)
    assert not service.alive(it)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="cannot start"):
        service.start([str(tmp_path / "none")], tmp_path / "log")


def test_a_killed_child_is_not_alive_although_nobody_waited_for_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    it = started(LONG, log)
    service.wait_for(it, lambda: ready(log), name="it", log=log)
    os.kill(it.pid, signal.SIGKILL)
    service.stop(it)
    assert not service.alive(it)
