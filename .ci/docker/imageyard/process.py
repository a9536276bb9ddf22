"""The only place that starts a child: argument list, built environment, standard input, signals, redaction."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import IO, Any

from imageyard import signals
from imageyard.errors import ConfigurationError, EnvironmentLacks

__all__ = ["Completed", "attach", "detach", "environment", "find", "redact", "run", "stream"]

PASSED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LC_ALL", "TZ", "TMPDIR",
    "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "SSH_AUTH_SOCK",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE",
    "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION",
    "SYSTEMROOT",
)  # fmt: skip
"""What a child inherits, and nothing else: a stray BUILDX_BUILDER, DEPOT_BUILD_ID, DOCKER_DEFAULT_PLATFORM,
SOURCE_DATE_EPOCH or GIT_DIR would change what is built without a word."""

ESCALATION = ((signal.SIGINT, 30.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 60.0))
"""How a child is ended, with the seconds each signal is given; BuildKit uses the first ones to stop its steps."""

_LINGER = 0.2
"""Seconds without output after which a child that ended is not waited for because a grandchild holds its pipe."""


@dataclass(frozen=True)
class Completed:
    """A child that ended: its exit code (negative: the signal) and what it wrote."""

    argv: tuple[str, ...]
    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Standard output as text, without the white space around it."""
        return self.out.decode(errors="replace").strip()

    @property
    def complaint(self) -> str:
        """Standard error as text, without the white space around it."""
        return self.err.decode(errors="replace").strip()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: the pass-list from ours, then `extra`, which wins."""
    return {name: os.environ[name] for name in PASSED if name in os.environ} | dict(extra or {})


def find(program: str, *folders: str | Path, hint: str = "") -> str:
    """The path of a program: in `folders` first, then on PATH.

    Raises EnvironmentLacks with `hint` where it is in neither.
    """
    for folder in folders:
        candidate = Path(folder) / program
        if os.access(candidate, os.X_OK) and candidate.is_file():
            return str(candidate)
    if found := which(program):
        return found
    raise EnvironmentLacks(f"{program} is not installed", hint=hint)


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret value of four or more characters replaced by `***`, and every such line of one.

    A log shows a key of many lines line by line.
    """
    values = {part for secret in secrets for part in (secret, *map(str.strip, secret.splitlines()))}
    for value in sorted((v for v in values if len(v) >= 4), key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes | IO[bytes] | None = None,
    cwd: str | Path | None = None,
    timeout: float | None = None,
    stop: Callable[[], None] | None = None,
    on_out: Callable[[bytes], None] | None = None,
) -> Completed:
    """Run a child to its end and keep what it writes; the exit code is the caller's to judge.

    `env` is added to the pass-list, `timeout` is in seconds; `stop` ends what an interrupted child would wait for;
    `on_out` is handed the standard output in chunks, which are not kept then.
    Raises EnvironmentLacks where the program cannot be started, TimeoutError past `timeout`, after the child ended.
    """
    parts: dict[str, list[bytes]] = {"out": [], "err": []}

    def keep(name: str, chunk: bytes) -> None:
        (on_out if on_out and name == "out" else parts[name].append)(chunk)

    code = _pump(argv, keep, env=env, stdin=stdin, cwd=cwd, timeout=timeout, stop=stop)
    return Completed(tuple(argv), code, b"".join(parts["out"]), b"".join(parts["err"]))


def stream(
    argv: Sequence[str],
    on_output: Callable[[bytes], None],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    timeout: float | None = None,
    overdue: Callable[[], bool] = bool,
) -> int:
    """Run a child and hand over what it writes, standard output and error alike, in chunks as they come.

    Returns its exit code; raises as `run` does, TimeoutError also once `overdue` says so.
    """
    return _pump(argv, lambda _, c: on_output(c), env=env, stdin=None, cwd=cwd, timeout=timeout, overdue=overdue)


def attach(argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | Path | None = None) -> int:
    """Run a child on our own terminal (a shell in a container) and return its exit code.

    It stays in our process group: a terminal speaks only to the group in its foreground.
    """
    with _started(argv, env=env, cwd=cwd, stdin=None, pipes=False, own_group=False) as child:
        return child.wait()


def detach(argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> int:
    """Start a service that outlives us, in a session of its own, its output appended to `log`; returns its pid.

    Raises EnvironmentLacks where the program cannot be started.
    """
    with log.open("ab") as output, signals.held():
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        child = _popen(argv, env=environment(env), start_new_session=True, **pipes)
        child.returncode = 0  # it is not ours to wait for; without this, Popen warns when it is collected
    return child.pid


def _pump(
    argv: Sequence[str],
    on_chunk: Callable[[str, bytes], None],
    *,
    env: Mapping[str, str] | None,
    stdin: bytes | IO[bytes] | None,
    cwd: str | Path | None,
    timeout: float | None,
    stop: Callable[[], None] | None = None,
    overdue: Callable[[], bool] = bool,
) -> int:
    deadline = None if timeout is None else time.monotonic() + timeout
    with _as_file(stdin) as source, _started(argv, env=env, cwd=cwd, stdin=source, pipes=True, stop=stop) as child:
        with selectors.DefaultSelector() as ready:
            for name, pipe in (("out", child.stdout), ("err", child.stderr)):
                assert pipe is not None
                ready.register(pipe, selectors.EVENT_READ, name)
            while ready.get_map():
                ended = child.poll() is not None  # asked first: all that it wrote is then there to be selected
                left = _left(argv, 0.0 if overdue() else deadline)
                events = ready.select(min(_LINGER, left or _LINGER))
                for key, _ in events:
                    if chunk := os.read(key.fd, 65536):
                        on_chunk(key.data, chunk)
                    else:
                        ready.unregister(key.fileobj)
                if ended and not events:
                    break
        try:
            return child.wait(_left(argv, deadline))
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{Path(argv[0]).name} did not end in time") from None


def _left(argv: Sequence[str], deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError(f"{Path(argv[0]).name} did not end in time")
    return left


@contextmanager
def _as_file(stdin: bytes | IO[bytes] | None) -> Iterator[IO[bytes] | None]:
    """A file for standard input: an unnamed one for bytes, so that no thread has to feed a pipe.

    A child reads on from where the descriptor stands, which a buffered file may have read ahead of.
    """
    if not isinstance(stdin, bytes):
        if stdin is not None and stdin.seekable():
            os.lseek(stdin.fileno(), stdin.tell(), os.SEEK_SET)
        yield stdin
        return
    with tempfile.TemporaryFile() as spool:
        spool.write(stdin)
        spool.seek(0)
        yield spool


@contextmanager
def _started(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None,
    cwd: str | Path | None,
    stdin: IO[bytes] | None,
    pipes: bool,
    own_group: bool = True,
    stop: Callable[[], None] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a child, and on the way out for any reason but its own end, end it first.

    `nox -j` starts its workers as session leaders and kills their process group 2 s after an interrupt: a child in a
    group of its own would outlive that, so there it stays in ours.
    """
    apart = own_group and os.getsid(0) != os.getpid()
    output = subprocess.PIPE if pipes else None
    with signals.held() as let_go:
        child = _popen(
            argv,
            env=environment(env),
            cwd=cwd,
            stdin=(subprocess.DEVNULL if pipes else None) if stdin is None else stdin,
            stdout=output,
            stderr=output,
            start_new_session=apart,
        )
        try:
            with child:
                try:
                    let_go()
                    yield child
                except BaseException:
                    _end(child, apart, stop)
                    raise
        finally:
            if apart:
                with suppress(ProcessLookupError, PermissionError):  # what it left behind in its own group
                    os.killpg(child.pid, signal.SIGKILL)


def _popen(argv: Sequence[str], *, cwd: str | Path | None = None, **options: Any) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(list(argv), cwd=cwd, **options)
    except OSError as error:
        what = f"enter the folder {cwd}" if cwd and not Path(cwd).is_dir() else f"start {argv[0]}"
        raise EnvironmentLacks(f"cannot {what}: {error.strerror}") from None
    except ValueError as error:  # a NUL character in an argument or in the environment
        raise ConfigurationError(f"cannot start {argv[0]}: {error}") from None


def _end(child: subprocess.Popen[bytes], apart: bool, stop: Callable[[], None] | None) -> None:
    """End a child, politely first; a second interrupt meanwhile kills it."""
    try:
        if stop:
            with suppress(Exception):  # that it could not be stopped must not hide why it was to be
                stop()
        for how, patience in ESCALATION:
            _signal(child, how, apart)
            if _ends_within(child, patience):
                return
    except BaseException:
        _signal(child, signal.SIGKILL, apart)
        child.wait()
        raise


def _signal(child: subprocess.Popen[bytes], how: signal.Signals, apart: bool) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, how) if apart else child.send_signal(how)


def _ends_within(child: subprocess.Popen[bytes], patience: float) -> bool:
    """Wait for the end, dropping what the child still says: a full or closed pipe would stop its clean-up."""
    deadline = time.monotonic() + patience
    with selectors.DefaultSelector() as ready:
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                ready.register(pipe, selectors.EVENT_READ)
        while ready.get_map() and child.poll() is None and (left := deadline - time.monotonic()) > 0:
            for key, _ in ready.select(min(left, _LINGER)):
                if not os.read(key.fd, 65536):
                    ready.unregister(key.fileobj)
    with suppress(subprocess.TimeoutExpired):
        child.wait(max(0.0, deadline - time.monotonic()))
    return child.returncode is not None
