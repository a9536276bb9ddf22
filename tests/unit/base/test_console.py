"""The story in its three forms, and the result beside it."""

from __future__ import annotations

import atexit
import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imageyard.board import LineBoard
from imageyard.console import Form, Story, detect, guard_log
from imageyard.errors import BuildFailed, ConfigurationError


@pytest.mark.parametrize(
    ("environ", "isatty", "form"),
    [
        ({}, True, "terminal"),
        ({"TERM": "xterm-256color"}, True, "terminal"),
        ({"NO_COLOR": "1"}, True, "terminal"),
        ({"TERM": "dumb"}, True, "plain"),
        ({}, False, "plain"),
        ({"CI": "true"}, True, "plain"),
        ({"CI": "1"}, True, "plain"),
        ({"CI": "drone"}, True, "plain"),
        *[({"CI": word}, True, "terminal") for word in ("", "0", "false", "False", "no", "off", " ")],
        ({"GITHUB_ACTIONS": "true", "CI": "true"}, False, "github"),
        ({"GITHUB_ACTIONS": "true"}, True, "github"),
        ({"GITHUB_ACTIONS": "false"}, False, "plain"),
    ],
)
def test_detect(environ: Mapping[str, str], isatty: bool, form: Form) -> None:
    assert detect(environ, isatty) == form


def told(form: Form, tell: Callable[[Story], object], *, color: bool = True) -> str:
    stream = io.StringIO()
    tell(Story(form, stream, color=color))
    return stream.getvalue()


def everything(story: Story) -> None:
    story.step("building linux-trixie")
    story.detail("2 files")
    with story.fold("checks"):
        story.detail("gcc: 12.2.0")
        with story.fold("inner"):
            story.step("deeper")
    story.warn("100% unlocked:\n::a, b")
    story.annotate("error", "RUN false: exit code 1", ".ci/docker/a,b:c/Dockerfile", 7)
    story.annotate("notice", "no line", "images.yml")
    story.annotate("notice", "no file", None, 3)
    story.table(["image", "arch"], [["linux-trixie", "amd64"]])


PLAIN = """\
building linux-trixie
  2 files
checks
    gcc: 12.2.0
  inner
    deeper
warning: 100% unlocked:
::a, b
.ci/docker/a,b:c/Dockerfile:7: error: RUN false: exit code 1
images.yml: notice: no line
notice: no file
image         arch
linux-trixie  amd64
"""

GITHUB = """\
building linux-trixie
  2 files
::group::checks
  gcc: 12.2.0
inner
deeper
::endgroup::
::warning::100%25 unlocked:%0A::a, b
::error file=.ci/docker/a%2Cb%3Ac/Dockerfile,line=7::RUN false: exit code 1
::notice file=images.yml::no line
::notice::no file
image         arch
linux-trixie  amd64
"""


@pytest.mark.parametrize(("form", "text"), [("plain", PLAIN), ("github", GITHUB)])
def test_forms(form: Form, text: str) -> None:
    assert told(form, everything) == text


def test_a_terminal_without_colours_reads_like_plain_text() -> None:
    assert told("terminal", everything, color=False) == PLAIN


def test_colours_are_all_that_a_terminal_adds() -> None:
    text = told("terminal", everything)
    assert "\x1b[33mwarning: 100% unlocked:\x1b[0m" in text
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == PLAIN


@pytest.mark.parametrize("form", ["plain", "github"])
def test_no_colour_where_no_terminal_is(form: Form) -> None:
    assert "\x1b" not in told(form, everything)


@pytest.mark.parametrize(("variable", "colored"), [("NO_COLOR", False), ("OTHER", True)])
def test_no_color_is_honoured(variable: str, colored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "CI", "GITHUB_ACTIONS", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "1")
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", screen)
    Story.detect().warn("careful")
    assert ("\x1b" in screen.getvalue()) is colored


# Errors


FAULT = ConfigurationError(
    "unknown word 'gc12'",
    at="images.yml:7:9",
    doing="reading the catalogue",
    detail=["did you mean 'gcc12'?"],
    hint="inv list",
)


def test_an_error_with_its_place() -> None:
    assert told("plain", lambda story: story.error(FAULT)) == (
        "error: images.yml:7:9: unknown word 'gc12'\n"
        "  while: reading the catalogue\n"
        "  | did you mean 'gcc12'?\n"
        "  next: inv list\n"
    )
    assert told("github", lambda story: story.error(FAULT)) == (
        "::error file=images.yml,line=7::unknown word 'gc12'\n"
        "  while: reading the catalogue\n"
        "  | did you mean 'gcc12'?\n"
        "  next: inv list\n"
    )


def test_an_error_without_a_place_or_more_to_say() -> None:
    assert told("plain", lambda story: story.error(BuildFailed("RUN false"))) == "error: RUN false\n"
    assert told("github", lambda story: story.error(BuildFailed("RUN false"))) == "::error::RUN false\n"
    assert told("github", lambda story: story.error("in words")) == "::error::in words\n"


# What children say is no command


def commands(text: str) -> list[str]:
    """What GitHub's runner would act on (actions/runner, ActionCommand.cs: TryParseV2, then TryParse)."""
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        if re.match(r"\s*::[^:\n]*::", line) or re.search(r"##\[[^\]]*\]", line):
            found.append(line)
    return found


HOSTILE = [
    "::error::x",
    "  ::add-mask::a",
    "\t::set-output name=tag::evil",
    "fine\r::stop-commands::x",
    "\x1b[0m::error::x",
    "text ##[error]x",
    "##[add-path]/tmp",
    "\u2003::error::x",
    "\x85::error::x",
    ":\x00:error::x",
    "#\x07#[error]x",
    "##\x1b[0m[error]x",
]


@pytest.mark.parametrize("line", HOSTILE)
def test_lines_that_pose_as_commands(line: str) -> None:
    assert told("plain", lambda story: story.step(line))
    assert commands(told("github", lambda story: story.step(line))) == []
    assert commands(told("github", lambda story: story.detail(line))) == []
    assert commands(told("github", lambda story: story.table([line], [[line]]))) == []
    assert commands(told("github", lambda story: story.error(BuildFailed("x", detail=[line])))) == ["::error::x"]
    assert "##[" not in told("github", lambda story: story.error(line)), "an annotation holds no second command"


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("::##[]ab \t\r\n\x1b\x00%,=")))
def test_no_text_poses_as_a_command(text: str) -> None:
    assert commands(told("github", lambda story: story.detail(text))) == []


@pytest.mark.parametrize("line", HOSTILE)
def test_a_result_poses_as_no_command(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    Story.result(f"{line}\n{line}")
    assert commands(capsys.readouterr().out) == []
    Story.result({line: [line]})
    told = capsys.readouterr().out
    assert commands(told) == []
    assert json.loads(told) == {line: [line]}, "a program reads what was meant"


@settings(deadline=None)
@given(st.lists(st.text(alphabet=st.sampled_from("::##[]ab \t\r\n%,="))))
def test_what_others_write_poses_as_no_command_in_whatever_pieces(pieces: list[str]) -> None:
    at_exit: list[Callable[[], object]] = []
    with runner_reads() as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(atexit, "register", at_exit.append)
        guard_log()
        for piece in pieces:
            print(piece, end="", file=sys.stderr)
        for function in at_exit:
            function()
    assert commands(stream.getvalue()) == []
    told = "".join(pieces)
    assert re.sub(r"[\s|]", "", stream.getvalue()) == re.sub(r"\s", "", told), "nothing else is changed"


@contextmanager
def runner_reads() -> Iterator[io.StringIO]:
    """GitHub's runner reads standard error, which is this stream, and standard output."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_ACTIONS", "true")
        patch.setattr(sys, "stderr", stream := io.StringIO())
        yield stream


def test_a_story_writes_its_commands_all_the_same() -> None:
    with runner_reads() as stream:
        guard_log()
        print("::error::x", file=sys.stderr)
        Story.detect().warn("careful")
    assert stream.getvalue() == "| ::error::x\n::warning::careful\n"


def test_a_logger_that_was_there_before_is_guarded() -> None:
    """Nox begins its log before it reads a noxfile."""
    with runner_reads() as stream:
        root, handler = logging.getLogger(), logging.StreamHandler()
        root.addHandler(handler)
        try:
            guard_log()
            guard_log()  # a second noxfile or task file changes nothing
            root.error("reason:\n##[error]x")
        finally:
            root.removeHandler(handler)
    assert stream.getvalue() == "reason:\n# #[error]x\n"


def test_without_a_runner_nothing_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    before = sys.stderr
    guard_log()
    assert sys.stderr is before


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("::##[]ab \t\r\n\x1b\x00%,=")), st.text(alphabet="a:,%\r\n=", min_size=1))
def test_an_annotation_is_one_command(message: str, file: str) -> None:
    text = told("github", lambda story: story.annotate("error", message, file, 3))
    assert re.fullmatch(r"::error file=[^:,\r\n]*,line=3::[^\r\n]*\n", text)


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        ("github", "p%25ss", "::add-mask::p%2525ss\n"),
        ("github", "two\n\nlines\n", "::add-mask::two\n::add-mask::lines\n"),
        ("github", "", ""),
        ("github", "##[x]", "::add-mask::##[x]\n"),
        ("plain", "password", ""),
        ("terminal", "password", ""),
    ],
)
def test_a_secret_is_named_to_github_only(form: Form, value: str, text: str) -> None:
    assert told(form, lambda story: story.mask(value), color=False) == text


def test_a_fold_that_fails_is_closed() -> None:
    def fail(story: Story) -> None:
        with pytest.raises(BuildFailed), story.fold("50%\nof it"):
            raise BuildFailed("x")

    assert told("github", fail) == "::group::50%25 of it\n::endgroup::\n"


# Boards


def build(story: Story) -> None:
    with story.board("linux-trixie amd64") as board:
        board.step_started("[1/3] FROM debian")
        board.step_cached("[1/3] FROM debian")
        board.step_started("[2/3] RUN <<EOF\n  make\nEOF")
        board.log("10%\r20%\r")
        board.log("::error::x\n")
        story.warn("meanwhile")
        board.step_done("[2/3] RUN <<EOF\n  make\nEOF", 65.0)


def test_a_plain_board_is_a_line_a_step() -> None:
    assert told("plain", build) == (
        "[linux-trixie amd64] [1/3] FROM debian  cached\n"
        "warning: meanwhile\n"
        "[linux-trixie amd64] [2/3] RUN <<EOF make EOF  1 min 05 s\n"
    )


def test_a_board_on_github_folds_the_log_too() -> None:
    text = told("github", build)
    assert text == (
        "::group::linux-trixie amd64\n"
        "[linux-trixie amd64] [1/3] FROM debian  cached\n"
        "[linux-trixie amd64]   20%\n"
        "[linux-trixie amd64]   ::error::x\n"
        "::warning::meanwhile\n"
        "[linux-trixie amd64] [2/3] RUN <<EOF make EOF  1 min 05 s\n"
        "::endgroup::\n"
    )


def test_a_live_board_leaves_its_finished_steps_and_the_cursor() -> None:
    text = told("terminal", build)
    assert "  [2/3] RUN <<EOF make EOF  1 min 05 s" in text
    assert "linux-trixie amd64  0 done, 1 cached" in text
    assert "| ::error::x" in text
    assert text.index("\x1b[?25l") < text.rindex("\x1b[?25h")


def test_a_live_board_that_fails_shows_the_cursor_again() -> None:
    def fail(story: Story) -> None:
        with pytest.raises(KeyboardInterrupt), story.board("row"):
            raise KeyboardInterrupt
        story.step("after")

    text = told("terminal", fail)
    assert "\x1b[?25h" in text
    assert text.endswith("\x1b[1mafter\x1b[0m\n")


def test_a_board_in_a_board_is_plain() -> None:
    """A parent that a row builds on its way: rich has one live display a terminal."""

    def nest(story: Story) -> None:
        with story.board("child"), story.board("parent") as parent:
            parent.step_done("[1/1] RUN x", 1.0)

    assert "[parent] [1/1] RUN x  1.0 s" in told("terminal", nest)


def test_a_silent_step_is_spoken_of() -> None:
    said: list[str] = []
    clock = iter([0.0, 1.0, 50.0, 61.0, 61.0, 62.0])
    board = LineBoard("row", said.append, clock=lambda: next(clock))
    board.step_started("[1/2] RUN sleep")
    board.silent_for(60.0)
    assert said == []
    board.silent_for(60.0)
    assert said == ["[row] [1/2] RUN sleep  still running after 1 min 00 s"]
    board.silent_for(60.0)
    assert len(said) == 1


def test_the_heartbeat_beats_by_itself() -> None:
    heard = threading.Event()
    with LineBoard("row", lambda text: heard.set(), heartbeat=0.01) as board:
        board.step_started("[1/2] RUN sleep")
        assert heard.wait(30.0)


# Streams


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("linux-trixie-0", "linux-trixie-0\n"),
        ("two\nlines\n", "two\nlines\n"),
        ("", ""),
        ([{"image": "x"}], '[\n  {\n    "image": "x"\n  }\n]\n'),
        ({}, "{}\n"),
    ],
)
def test_result(value: object, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Story.result(value)
    assert capsys.readouterr() == (text, "")


def python(code: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(argv, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_left_is_no_error(stream: str) -> None:
    """`inv list | head -1`: no traceback, no exit code of Python's own, and the work goes on."""
    code = """
from imageyard.console import Story
for _ in range(3):
    Story.result("result")
    Story("plain").step("story")
raise SystemExit(7)
"""
    read, write = os.pipe()
    os.close(read)
    other = "stderr" if stream == "stdout" else "stdout"
    done = python(code, **{stream: write, other: subprocess.PIPE})
    os.close(write)
    assert (done.returncode, getattr(done, other)) == (7, b"story\n" * 3 if other == "stderr" else b"result\n" * 3)


def test_a_terminal_that_knows_no_unicode() -> None:
    code = "from imageyard.console import Story; Story('plain').step('✓ \\udcff'); Story.result('✓')"
    done = python(code, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\\u2713\n", b"\\u2713 \\udcff\n")


def test_messages_of_threads_do_not_mix_within_a_line() -> None:
    stream = io.StringIO()
    story = Story("plain", stream)
    threads = [threading.Thread(target=lambda c=c: [story.step(c * 50) for _ in range(200)]) for c in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stream.getvalue().splitlines()) == sorted(c * 50 for c in "abcd" for _ in range(200))


def test_rich_is_loaded_for_a_live_board_only() -> None:
    code = """
import io, sys
from imageyard.console import Story
for form in ("plain", "github"):
    with Story(form, io.StringIO()).board("row") as board:
        board.step_done("step", 1.0)
Story("terminal", io.StringIO()).table(["a"], [["b"]])
print("rich" in sys.modules)
"""
    done = python(code, capture_output=True)
    assert (done.stdout, done.stderr) == (b"False\n", b"")


def test_on_a_real_terminal() -> None:
    """A pseudo-terminal of 40 columns: names are whole, the board is drawn."""
    code = """
import fcntl, struct, termios
from imageyard.console import Story
fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
story = Story.detect()
story.table(["image", "why"], [["linux-bookworm-py3.11-gcc12", "built: not in the engine"]])
with story.board("linux-bookworm-py3.11-gcc12 amd64") as board:
    board.step_started("[1/2] RUN a rather long command that has to be cut")
"""
    ours, theirs = pty.openpty()
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "GITHUB_ACTIONS", "NO_COLOR", "COLUMNS", "LINES")}
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env={**kept, "TERM": "xterm"}) as child:
        os.close(theirs)
        shown = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # Linux's answer where the other side has closed
                chunk = b""
            if not chunk:
                break
            shown += chunk
    os.close(ours)
    text = shown.decode()
    assert child.returncode == 0
    assert "linux-bookworm-py3.11-gcc12\r\n  why    built: not in the engine\r\n" in text
    assert "linux-bookworm-py3.11-gcc12 amd64  0 do…" in text


def test_a_result_sends_no_control_character_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Story.result("one\nfile\x1b]0;title\x07name")
    assert capsys.readouterr().out == "one\nfile\\x1b]0;title\\x07name\n"
