"""Files that are there whole or not at all, and locks that end with their process."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from imageyard.errors import EnvironmentLacks, Transient

__all__ = ["atomic_write", "keep_out_of_git", "locked", "make_folder", "try_lock", "user_cache"]

PATIENCE = 1.0
"""Seconds that a lock is waited for in silence."""
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Seconds between two tries; the last is repeated."""


def atomic_write(path: Path, data: bytes | str, mode: int = 0o644) -> None:
    """Write a file so that whoever reads it finds the old content or the new, also after a crash; text is UTF-8.

    `mode` is what it gets, whatever the umask; until then only its owner can read it.
    Raises EnvironmentLacks where the folder is missing, full or not writable; the old file is then as it was.
    """
    raw = data.encode() if isinstance(data, str) else data
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".imageyard-", suffix=".tmp")
        with open(handle, "wb") as file:  # noqa: PTH123  (a descriptor, not a path)
            file.write(raw)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise EnvironmentLacks(f"cannot write {path}: {error.strerror}") from None
    finally:
        if temporary is not None:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there. Raises EnvironmentLacks where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentLacks(f"cannot make the folder {path}: {error.strerror}") from None


def user_cache(environ: Mapping[str, str]) -> Path:
    """The folder of ours in the user's cache folder (XDG Base Directory Specification 0.8, XDG_CACHE_HOME)."""
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "imageyard")


def keep_out_of_git(folder: Path) -> None:
    """Make a folder of state whose files git ignores, by a `.gitignore` of its own in it. Raises as `make_folder`."""
    make_folder(folder)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        atomic_write(ignore, b"*\n")


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] | None = None, timeout: float | None = None) -> Iterator[None]:
    """Hold the lock file `path`, made where it is missing, waiting for whoever holds it.

    The kernel lets go of the lock when its holder ends, however it ends, so a lock file that is left over means
    nothing. `on_wait` is called once, after a second of waiting. `timeout` is in seconds, None without end.
    Raises Transient past `timeout`, EnvironmentLacks where the file cannot be made or locked.
    """
    handle = _acquire(path, on_wait, timeout)
    try:
        yield
    finally:
        os.close(handle)


def _acquire(path: Path, on_wait: Callable[[], None] | None, timeout: float | None) -> int:
    began = time.monotonic()
    tries = 0
    while True:
        try:
            handle = try_lock(path)
        except OSError as error:
            raise EnvironmentLacks(f"cannot lock {path}: {error.strerror}") from None
        if handle is not None:
            return handle
        waited = time.monotonic() - began
        if timeout is not None and waited >= timeout:
            raise Transient(
                f"another run holds {path}",
                doing=f"waiting for it for {timeout:g} s",
                hint="run again when it has ended",
            )
        if on_wait is not None and waited >= PATIENCE:
            on_wait()
            on_wait = None
        time.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
        tries += 1


def try_lock(path: Path, *, shared: bool = False, wait: bool = False) -> int | None:
    """Take the lock file `path`, made where it is missing, and return a descriptor: closing it lets go of the lock.

    `shared` is for any number of holders at once. Returns None while another process holds the lock, unless `wait`
    says to stop until it lets go, and where the file was deleted between opening and locking it: that lock would
    exclude nobody. Raises OSError where the file cannot be made or locked.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        if _same(handle, path):
            kept, handle = handle, -1
            return kept
    except BlockingIOError:
        return None
    finally:
        if handle >= 0:
            os.close(handle)
    return None


def _same(handle: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _sync_folder(folder: Path) -> None:
    """Make the new name last; a file system that cannot sync folders is left to its ways."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
