"""Children: what they inherit, what they write, how they end. All of them are small Python programs."""

from __future__ import annotations

import gc
import io
import os
import select
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from imageyard import process, signals
from imageyard.errors import ConfigurationError, EnvironmentLacks

PATIENCE = 60.0
"""Seconds after which a test gives up on a program; never waited for when all is well."""


def python(code: str, *args: object) -> list[str]:
    return [sys.executable, "-S", "-E", "-c", textwrap.dedent(code), *map(str, args)]


class Life:
    """A FIFO that a program holds open for writing: readable when the program is ready, at its end when it is dead.

    It says so of grandchildren too, whoever they were given to, and of programs that nobody reaps.
    """

    HOLD = "import os, sys; os.write(os.open(sys.argv[1], os.O_WRONLY), b'!')"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "life"
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def _read(self, seconds: float = PATIENCE) -> bytes | None:
        ready, _, _ = select.select([self._fd], [], [], seconds)
        return os.read(self._fd, 1) if ready else None

    def began(self) -> bool:
        return self._read() == b"!"

    def ended(self) -> bool:
        return self._read() == b""

    def goes_on(self) -> bool:
        return self._read(0) is None

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    life = Life(tmp_path)
    yield life
    life.close()


# What a child is given


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("HTTPS_PROXY", True),
        ("SSL_CERT_FILE", True),
        ("DOCKER_HOST", True),
        ("DOCKER_CONTEXT", True),
        ("SSH_AUTH_SOCK", True),
        ("DEPOT_BUILD_ID", False),
        ("BUILDX_BUILDER", False),
        ("DOCKER_DEFAULT_PLATFORM", False),
        ("SOURCE_DATE_EPOCH", False),
        ("GIT_DIR", False),
        ("TRITON", False),
        ("AWS_SECRET_ACCESS_KEY", False),
        ("IMAGEYARD_RUN", False),
    ],
)
def test_environment_is_a_pass_list(name: str, passes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "set")
    done = process.run(python("import os, sys; print(os.environ.get(sys.argv[1]))", name))
    assert done.text == ("set" if passes else "None")


def test_extra_environment_is_added_and_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///theirs")
    extra = {"DOCKER_HOST": "unix:///ours", "BUILDX_CONFIG": "/private"}
    done = process.run(python("import os; print(os.environ['DOCKER_HOST'], os.environ['BUILDX_CONFIG'])"), env=extra)
    assert done.text == "unix:///ours /private"


def test_no_shell_reads_the_arguments() -> None:
    odd = "a b; $(exit 3) `x` 'q' \"d\" *"
    assert process.run(python("import sys; print(sys.argv[1])", odd)).text == odd


def test_standard_input_is_empty_unless_given() -> None:
    assert process.run(python("import sys; print(len(sys.stdin.read()))")).text == "0"


COUNT = "import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"


def test_large_bytes_on_standard_input() -> None:
    import hashlib

    data = os.urandom(1 << 20) * 8
    assert process.run(python(COUNT), stdin=data).text == hashlib.sha256(data).hexdigest()


def test_input_that_is_never_read() -> None:
    assert process.run(python("print('done')"), stdin=b"x" * (1 << 20)).text == "done"


@pytest.mark.parametrize(("position", "expected"), [(0, "0123456789"), (4, "456789")])
def test_a_file_is_read_from_its_position(position: int, expected: str, tmp_path: Path) -> None:
    """A buffered file's descriptor stands elsewhere: at the end of what was read ahead."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.read(1)
        file.seek(position)
        assert process.run(python("import sys; print(sys.stdin.read())"), stdin=file).text == expected


def test_a_file_just_written() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"just written")
        file.seek(0)
        assert process.run(python("import sys; print(sys.stdin.read())"), stdin=file).text == "just written"


def test_working_folder(tmp_path: Path) -> None:
    assert Path(process.run(python("import os; print(os.getcwd())"), cwd=tmp_path).text).samefile(tmp_path)


# What a child gives back


def test_both_pipes_at_once_without_a_deadlock() -> None:
    done = process.run(
        python("""
        import sys
        for _ in range(64):
            sys.stdout.buffer.write(b"o" * 65536)
            sys.stderr.buffer.write(b"e" * 65536)
        """)
    )
    assert (done.code, done.out, done.err) == (0, b"o" * (64 * 65536), b"e" * (64 * 65536))


def test_stream_hands_over_everything() -> None:
    got = io.BytesIO()
    code = process.stream(python("import os; os.write(1, b'out'); os.write(2, b'err'); raise SystemExit(3)"), got.write)
    assert (code, sorted(got.getvalue())) == (3, sorted(b"outerr"))


def test_stream_hands_over_as_it_comes(tmp_path: Path) -> None:
    """The child waits for an answer to its first line: kept back until the end, it would never come."""
    answer = tmp_path / "answer"
    os.mkfifo(answer)
    seen: list[bytes] = []

    def reply(chunk: bytes) -> None:
        seen.append(chunk)
        if chunk == b"question":
            answer.write_text("42")

    code = "import os, sys; os.write(1, b'question'); os.write(1, open(sys.argv[1], 'rb').read())"
    assert process.stream(python(code, answer), reply, timeout=PATIENCE) == 0
    assert seen == [b"question", b"42"]


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("raise SystemExit(0)", 0),
        ("raise SystemExit(7)", 7),
        ("raise SystemExit(255)", 255),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import os; os.kill(os.getpid(), 15)", -signal.SIGTERM),
    ],
)
def test_exit_codes_and_signals(ending: str, code: int) -> None:
    assert process.run(python(ending)).code == code


def test_output_that_is_not_text() -> None:
    done = process.run(python("import os; os.write(1, b' caf\\xe9 \\n'); os.write(2, b'\\n\\xff')"))
    assert (done.text, done.complaint) == ("caf\ufffd", "\ufffd")


# What cannot be started


def test_a_missing_program() -> None:
    with pytest.raises(EnvironmentLacks, match=r"^error: cannot start no-such-program: No such file"):
        process.run(["no-such-program"])


def test_a_program_that_must_not_be_run(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("text")
    with pytest.raises(EnvironmentLacks, match="Permission denied"):
        process.run([str(plain)])


def test_a_missing_working_folder_is_not_blamed_on_the_program(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match=r"^error: cannot enter the folder .*/gone: No such file"):
        process.run(python("pass"), cwd=tmp_path / "gone")


@pytest.mark.parametrize(("argv", "env"), [(["x", "a\0b"], {}), (["x"], {"NAME": "a\0b"})])
def test_a_nul_character_is_a_fault_of_the_input(argv: list[str], env: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="null byte"):
        process.run([sys.executable, *argv], env=env)


def test_detach_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="cannot start no-such-service"):
        process.detach(["no-such-service"], log=tmp_path / "log")


def test_find_looks_in_folders_first_then_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    for path, mode in (("first/tool", 0o644), ("second/tool", 0o755)):
        (tmp_path / path).write_text("#!/bin/sh\n")
        (tmp_path / path).chmod(mode)
    (tmp_path / "first" / "folder").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "second"))
    assert process.find("tool", tmp_path / "first") == str(tmp_path / "second" / "tool")
    with pytest.raises(EnvironmentLacks, match="folder is not installed") as caught:
        process.find("folder", tmp_path / "first", hint="apt-get install folder")
    assert caught.value.hint == ("apt-get install folder",)


# How a child is ended


STUBBORN = f"""
import signal, sys, time
def note(number, frame):
    with open(sys.argv[2], "a") as file:
        file.write(signal.Signals(number).name + " ")
signal.signal(signal.SIGINT, note)
signal.signal(signal.SIGTERM, note)
{Life.HOLD}
os.write(1, b"ready")
while True:
    time.sleep(0.1)
"""

OBEDIENT = f"""
import signal, sys, time
try:
    {Life.HOLD}
    os.write(1, b"ready")
    while True:
        time.sleep(0.1)
except KeyboardInterrupt:
    os.write(1, b"last words" * 20000)
    with open(sys.argv[2], "a") as file:
        file.write("SIGINT ")
"""

SLEEPER = f"import time; {Life.HOLD}; open(sys.argv[2], 'w').close(); time.sleep(600)"

FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-S", "-E", "-c", *sys.argv[1:]])
while not os.path.exists(sys.argv[3]):
    time.sleep(0.01)
print("parent ends")
"""


class Refused(Exception):
    pass


def refuse(chunk: bytes) -> None:
    raise Refused


def test_escalation_is_int_then_term_then_kill() -> None:
    assert [how for how, _ in process.ESCALATION] == [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]


def test_a_child_that_obeys_is_ended_by_the_first_signal(life: Life, tmp_path: Path) -> None:
    """Its last words are more than a pipe holds: they have to be read, or it could not finish."""
    noted = tmp_path / "noted"
    with pytest.raises(Refused):
        process.stream(python(OBEDIENT, life.path, noted), refuse)
    assert life.began()
    assert life.ended()
    assert noted.read_text() == "SIGINT "


def test_a_child_that_ignores_the_first_two_is_killed(
    life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "ESCALATION", [(how, 1.0) for how, _ in process.ESCALATION])
    noted = tmp_path / "noted"
    with pytest.raises(Refused):
        process.stream(python(STUBBORN, life.path, noted), refuse)
    assert life.began()
    assert life.ended()
    assert noted.read_text() == "SIGINT SIGTERM "


@pytest.mark.parametrize("before", ["", "import os; os.close(1); os.close(2)"], ids=["open pipes", "closed pipes"])
def test_timeout(before: str) -> None:
    with pytest.raises(TimeoutError, match="did not end in time"):
        process.run(python(f"{before}\nimport time; time.sleep(600)"), timeout=0.3)


@pytest.mark.parametrize("fault", [None, EnvironmentLacks("no engine"), OSError()], ids=["stops", "lacks", "fails"])
def test_what_the_child_stands_for_is_stopped_first(fault: Exception | None) -> None:
    """That it cannot be stopped does not hide why it was to be."""
    called = []

    def stop() -> None:
        called.append("stop")
        if fault:
            raise fault

    with pytest.raises(TimeoutError):
        process.run(python("import time; time.sleep(600)"), timeout=0.3, stop=stop)
    assert called == ["stop"]


def test_a_grandchild_that_holds_the_pipes_is_swept(life: Life, tmp_path: Path) -> None:
    """The child ended; waiting for the end of its pipes would last as long as what it left behind."""
    done = process.run(python(FAMILY, SLEEPER, life.path, tmp_path / "started"), timeout=PATIENCE)
    assert (done.code, done.text) == (0, "parent ends")
    assert life.began()
    assert life.ended()


# Interrupts from outside: a program that runs a child by `process`, and is sent signals as a terminal or Nox would


DRIVER = """
import os, signal, sys
from imageyard import process, signals
from imageyard.errors import Terminated
process.ESCALATION = tuple((how, float(sys.argv[4])) for how, _ in process.ESCALATION)
def terminate(*_):
    raise Terminated
signal.signal(signal.SIGTERM, terminate)
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    process.stream([sys.executable, "-S", "-E", "-c", sys.argv[1], *sys.argv[2:4]], lambda chunk: os.write(1, chunk))
except (KeyboardInterrupt, Terminated) as ended:
    os.write(2, type(ended).__name__.encode())
"""


@pytest.fixture
def drive(life: Life, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the driver with a child, and returns when the child is ready."""
    drivers: list[subprocess.Popen[bytes]] = []

    def start(child: str, patience: float = 60.0, *, leader: bool = False) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", DRIVER, child, str(life.path), str(tmp_path / "noted"), str(patience)]
        driver = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=leader)
        drivers.append(driver)
        assert driver.stdout is not None
        assert os.read(driver.stdout.fileno(), 5) == b"ready"
        assert life.began()
        return driver

    yield start
    for driver in drivers:
        driver.kill()
        driver.communicate()


@pytest.mark.parametrize(
    ("how", "name"), [(signal.SIGINT, b"KeyboardInterrupt"), (signal.SIGTERM, b"Terminated")], ids=["INT", "TERM"]
)
@pytest.mark.parametrize("leader", [False, True], ids=["own group", "session leader"])
def test_an_interrupt_ends_the_child_before_us(
    how: signal.Signals,
    name: bytes,
    leader: bool,
    drive: Callable[..., subprocess.Popen[bytes]],
    life: Life,
    tmp_path: Path,
) -> None:
    driver = drive(OBEDIENT, leader=leader)
    driver.send_signal(how)
    _, err = driver.communicate(timeout=PATIENCE)
    assert (driver.returncode, err) == (0, name)
    assert life.ended()
    assert (tmp_path / "noted").read_text() == "SIGINT "


def test_a_second_interrupt_kills_at_once(
    drive: Callable[..., subprocess.Popen[bytes]], life: Life, tmp_path: Path
) -> None:
    """The patience is an hour: only the second interrupt can end this."""
    driver = drive(STUBBORN, patience=3600)
    driver.send_signal(signal.SIGINT)
    while not (tmp_path / "noted").exists():
        assert life.goes_on()
    driver.send_signal(signal.SIGINT)
    _, err = driver.communicate(timeout=PATIENCE)
    assert (driver.returncode, err) == (0, b"KeyboardInterrupt")
    assert life.ended()


GROUP = f"""
import os, sys, time
{Life.HOLD}
os.write(1, b"ready")
os.write(1, str(os.getpgid(0)).encode())
while True:
    time.sleep(0.1)
"""


@pytest.mark.parametrize("leader", [False, True])
def test_a_session_leader_keeps_its_children_in_its_group(
    leader: bool, drive: Callable[..., subprocess.Popen[bytes]], life: Life
) -> None:
    """`nox -j` starts its workers as session leaders, and kills that group: nothing may be outside it."""
    driver = drive(GROUP, leader=leader)
    assert driver.stdout is not None
    group = int(os.read(driver.stdout.fileno(), 20))
    assert (group == driver.pid) is leader
    os.killpg(group, signal.SIGKILL)
    assert life.ended()


# Services and secrets


DETACHING = """
import sys
from pathlib import Path
from imageyard import process, signals
argv = [sys.executable, "-S", "-E", "-c", sys.argv[1], sys.argv[2]]
print(process.detach(argv, log=Path(sys.argv[3]), env={"EXTRA": "told"}))
"""

SERVICE = f"""
import os, sys, time
print(os.environ["EXTRA"], os.getsid(0) == os.getpid(), flush=True)
{Life.HOLD}
time.sleep(600)
"""


def test_a_service_outlives_us_without_a_warning(life: Life, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("earlier\n")
    argv = [sys.executable, "-W", "error", "-X", "dev", "-c", DETACHING, SERVICE, str(life.path), str(log)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert life.began()
    assert life.goes_on()
    assert log.read_text() == "earlier\ntold True\n"
    os.kill(int(done.stdout), signal.SIGKILL)
    assert life.ended()


def test_attach_shares_our_streams_and_group() -> None:
    code = "import sys; from imageyard import process; raise SystemExit(process.attach(sys.argv[1:]))"
    child = python(
        "import os, sys; print(sys.stdin.read(), os.getpgid(0) == os.getpgid(os.getppid())); raise SystemExit(5)"
    )
    argv = [sys.executable, "-c", code, *child]
    done = subprocess.run(argv, input=b"typed", capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (5, b"typed True\n")


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        ("password=hunter2 again hunter2", ["hunter2"], "password=*** again ***"),
        ("abcdef abcd", ["abcd", "abcdef"], "*** ***"),
        ("a cat", ["cat", ""], "a cat"),
        ("key:\n  MIIEow\n  IBAAKC\n", ["MIIEow\nIBAAKC\n"], "key:\n  ***\n  ***\n"),
        ("nothing to hide", [], "nothing to hide"),
    ],
    ids=["every place", "longest first", "too short to be one", "line by line", "none"],
)
def test_redact(text: str, secrets: list[str], expected: str) -> None:
    assert process.redact(text, secrets) == expected


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_child_starts_comes_when_somebody_can_end_it(
    monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    """Between fork and the return of Popen nobody knows of the child yet."""
    children: list[int] = []
    start = subprocess.Popen._execute_child  # type: ignore[attr-defined]

    def interrupted_start(self: Any, *args: Any, **options: Any) -> None:
        start(self, *args, **options)
        children.append(self.pid)
        os.kill(os.getpid(), how)
        assert not arrived, "it is held back"

    def handler(number: int, frame: object) -> None:
        arrived.append(number)
        raise KeyboardInterrupt

    arrived: list[int] = []
    before = signal.signal(how, handler)
    monkeypatch.setattr(subprocess.Popen, "_execute_child", interrupted_start)
    try:
        with pytest.raises(KeyboardInterrupt):
            process.run(["sleep", "60"])
        assert signal.getsignal(how) is handler, "the handlers are as before"
        gc.collect()  # an unclosed pipe, or a child that nobody waited for, would be told now
    finally:
        signal.signal(how, before)
    (child,) = children
    assert arrived == [how]
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.parametrize("call", range(1, 7))
def test_a_signal_while_signals_are_held_back_or_let_go_leaves_everything_as_it_was(
    monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """Python runs the handlers of what arrived before a change of the mask after it, inside the call that makes it."""
    mask = signal.pthread_sigmask
    calls: list[int] = []

    def interrupted(how: int, signals: Any) -> Any:
        before = mask(how, signals)
        calls.append(how)
        if len(calls) == call:
            raise KeyboardInterrupt
        return before

    handlers = [signal.signal(how, signal.default_int_handler) for how in signals.ENDING]
    masked = mask(signal.SIG_BLOCK, [])
    try:
        monkeypatch.setattr(signal, "pthread_sigmask", interrupted)
        with pytest.raises(KeyboardInterrupt), signals.held():
            pass
        monkeypatch.undo()
        assert mask(signal.SIG_BLOCK, []) == masked
        assert {signal.getsignal(how) for how in signals.ENDING} == {signal.default_int_handler}
    finally:
        mask(signal.SIG_SETMASK, masked)
        for how, handler in zip(signals.ENDING, handlers, strict=True):
            signal.signal(how, handler)


def test_a_program_that_cannot_start_leaves_the_handlers_as_they_were() -> None:
    before = [signal.getsignal(how) for how in signals.ENDING]
    with pytest.raises(EnvironmentLacks):
        process.run(["/nowhere/program"])
    assert [signal.getsignal(how) for how in signals.ENDING] == before


def test_a_child_starts_with_no_signal_masked() -> None:
    status = process.run(["sh", "-c", "grep -E '^SigBlk' /proc/self/status"]).text
    assert status == "SigBlk:\t0000000000000000"


def test_children_start_in_other_threads_too() -> None:
    with ThreadPoolExecutor(4) as pool:
        assert [done.text for done in pool.map(lambda n: process.run(["echo", str(n)]), range(8))] == list("01234567")
