"""A file is the old one or the new one, and a lock ends with its process."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from imageyard import files
from imageyard.errors import EnvironmentLacks, Transient

HOLDER = """
import sys, time
from pathlib import Path
from imageyard.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize(("data", "expected"), [(b"\x00\xff", b"\x00\xff"), ("grün\n", "grün\n".encode()), ("", b"")])
def test_write(tmp_path: Path, data: bytes | str, expected: bytes) -> None:
    target = tmp_path / "file"
    files.atomic_write(target, data)
    assert target.read_bytes() == expected
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755])
def test_mode_is_what_was_asked_for(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        files.atomic_write(tmp_path / "file", b"x", mode)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o7777 == mode


def test_replaces_an_old_file_whatever_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    target.chmod(0o400)
    with target.open() as reader:
        files.atomic_write(target, "new")
        assert reader.read() == "old"
    assert target.read_text() == "new"


def test_a_name_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    files.atomic_write(target, "x")
    assert target.read_text() == "x"


def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentLacks, match=r"cannot write .*/file: No space left on device"):
        files.atomic_write(target, "new")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.atomic_write(tmp_path / "file", "new")
    assert list(tmp_path.iterdir()) == []


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="No such file or directory"):
        files.atomic_write(tmp_path / "no" / "file", b"")


def test_target_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file" / "x").mkdir(parents=True)
    with pytest.raises(EnvironmentLacks, match="cannot write"):
        files.atomic_write(tmp_path / "file", b"")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_lock_excludes_and_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with files.locked(path), pytest.raises(Transient, match="another run holds"), files.locked(path, timeout=0):
        pass
    with files.locked(path, timeout=0):
        assert path.exists()


def test_lock_is_let_go_on_error(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), files.locked(path):
        _ = 1 / 0
    with files.locked(path, timeout=0):
        assert path.exists()


def test_waiting_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    monkeypatch.setattr(files, "PATIENCE", 0.0)
    said: list[str] = []
    first = files.locked(path)
    first.__enter__()

    def waits() -> None:
        said.append("waiting")
        first.__exit__(None, None, None)

    with files.locked(path, on_wait=waits):
        assert said == ["waiting"]


def test_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Transient), files.locked(path, timeout=0):
            pass
        holder.send_signal(signal.SIGKILL)
    with files.locked(path, timeout=30):
        assert path.exists()


def test_lock_file_deleted_while_it_is_being_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    real, calls = fcntl.flock, []

    def flock(handle: int, how: int) -> None:
        calls.append(how)
        if len(calls) == 1:
            path.unlink()
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with files.locked(path), pytest.raises(Transient), files.locked(path, timeout=0):
        pass
    assert len(calls) == 3


def test_a_lock_that_is_shared(tmp_path: Path) -> None:
    """Any number of holders, or one alone: each descriptor is a holder of its own (flock(2))."""
    path = tmp_path / "lock"
    first, second = files.try_lock(path, shared=True), files.try_lock(path, shared=True, wait=True)
    assert first is not None
    assert second is not None
    assert files.try_lock(path) is None
    os.close(first)
    assert files.try_lock(path) is None
    os.close(second)
    alone = files.try_lock(path)
    assert alone is not None
    assert files.try_lock(path, shared=True) is None
    os.close(alone)


def test_a_lock_that_cannot_be_taken_leaves_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with files.locked(path):
        before = len(os.listdir("/proc/self/fd"))
        assert files.try_lock(path) is None
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("environ", "folder"), [({"XDG_CACHE_HOME": "/c"}, "/c/imageyard"), ({}, "~/.cache/imageyard")]
)
def test_the_cache_folder_of_the_user(environ: dict[str, str], folder: str) -> None:
    assert files.user_cache(environ) == Path(folder).expanduser()


def test_lock_in_no_folder(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="cannot lock"), files.locked(tmp_path / "no" / "lock"):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    files.make_folder(tmp_path / "a" / "b")
    files.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()

    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(EnvironmentLacks, match="cannot make the folder"):
            files.make_folder(path)
