"""`test_dockerfile`: which images use a file, the first of them built and checked, and a shell where it helps."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.yard.scratch import ARCH, Yard

pytestmark = [pytest.mark.engine, pytest.mark.mirror]

PATIENCE = 60.0
PROMPT = "/ # "
SESSION = (sys.executable, "-m", "nox", "-s", "test_dockerfile", "--")


class Terminal:
    """What is typed on a terminal and what is shown there."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.shown = ""

    def until(self, text: str) -> str:
        """Read until a text is shown; returns what was shown since the last time."""
        deadline = time.monotonic() + PATIENCE
        start = len(self.shown)
        while text not in self.shown[start:]:
            ready, _, _ = select.select([self.descriptor], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} is not in {self.shown!r}"
            self.shown += self._read()
        return self.shown[start:]

    def _read(self) -> str:
        try:
            chunk = os.read(self.descriptor, 65536)
        except OSError:  # EIO: nobody has the other end any more
            chunk = b""
        assert chunk, f"the terminal was closed: {self.shown!r}"
        return chunk.decode(errors="replace")

    def type(self, line: str) -> None:
        os.write(self.descriptor, f"{line}\r".encode())

    def drain(self) -> None:
        """Read to the end."""
        try:
            while chunk := os.read(self.descriptor, 65536):
                self.shown += chunk.decode(errors="replace")
        except OSError:
            pass


@contextmanager
def terminal(yard: Yard, *argv: str) -> Iterator[tuple[Terminal, list[int]]]:
    """A session on a terminal of its own; the list has its exit code after the block."""
    ours, theirs = pty.openpty()
    code: list[int] = []
    with yard.start((*SESSION, *argv), stdin=theirs, stdout=theirs, stderr=theirs, env={"TERM": "xterm"}) as child:
        os.close(theirs)
        shown = Terminal(ours)
        try:
            yield shown, code
            shown.drain()
            code.append(child.wait(PATIENCE))
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
            os.close(ours)
    assert "Traceback (most recent call last)" not in shown.shown


@pytest.mark.parametrize(
    ("file", "users", "built"),
    [
        (".ci/docker/gcc/Dockerfile", ["linux-bookworm-gcc11", "linux-bookworm-gcc12"], "linux-bookworm-gcc11"),
        (".ci/docker/gcc/install.sh", ["linux-bookworm-gcc11", "linux-bookworm-gcc12"], "linux-bookworm-gcc11"),
        (".ci/docker/base/setup.sh", ["linux-bookworm-base"], "linux-bookworm-base"),
    ],
)
def test_it_says_who_uses_a_file_and_builds_the_first(yard: Yard, file: str, users: list[str], built: str) -> None:
    done = yard.run((*SESSION, file))
    assert done.code == 0, done.err
    images = "1 image" if len(users) == 1 else f"{len(users)} images"
    assert f"{file} is used by {images}: {', '.join(users)}\n" in done.err
    outcomes = yard.outcomes()
    assert outcomes.pop("linux-bookworm-base") == "built"
    assert outcomes == ({} if built == "linux-bookworm-base" else {built: "built"})
    assert yard.leftovers() == []

    again = yard.run((*SESSION, file))
    assert (again.code, yard.outcomes()[built]) == (0, "skipped")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ((".ci/docker/gcc/Dockerfil",), "[2] there is no file .ci/docker/gcc/Dockerfil"),
        (("noxfile.py",), "[2] no image uses noxfile.py"),
        (("/etc/passwd",), "[2] /etc/passwd is not in this repository"),
        ((), "[2] the following arguments are required: file"),
        (("a", "--shel"), "[2] "),
    ],
)
def test_what_is_not_a_file_of_an_image(yard: Yard, argv: tuple[str, ...], words: str) -> None:
    done = yard.run((*SESSION, *argv))
    assert done.code == 1
    assert words in done.err
    assert (yard.result["code"], yard.result["rows"]) == (2, [])


def test_a_broken_dockerfile_is_its_own_user(yard: Yard) -> None:
    yard.write("plain/Dockerfile", "FORM scratch\n")
    done = yard.run((*SESSION, ".ci/docker/plain/Dockerfile"))
    assert done.code == 1
    assert "used by 1 image: linux-plain" in done.err
    assert "[2] " in done.err
    assert ".ci/docker/plain/Dockerfile:1" in done.err


def test_a_shell_in_the_image_that_passed(yard: Yard) -> None:
    with terminal(yard, ".ci/docker/base/setup.sh", "--shell") as (shown, code):
        assert f"a shell in linux-bookworm-base {ARCH}; leave it with exit" in shown.until(PROMPT)
        shown.type("cat /etc/release; echo a$((40 + 2))b")
        assert "12\r\na42b" in shown.until("a42b")
        shown.type("exit 3")
    assert code == [0]
    assert yard.outcomes() == {"linux-bookworm-base": "built"}
    assert yard.leftovers() == []


def test_a_shell_in_what_a_failed_step_found(yard: Yard) -> None:
    yard.dockerfile(
        "plain/Dockerfile",
        "ARG WHO=me",
        "RUN echo $WHO > /before",
        "WORKDIR /work",
        "RUN echo one && \\",
        "    touch /during && \\",
        "    exit 7",
        "RUN touch /after",
        "FROM scratch",
        "COPY --from=0 /after /",
    )
    before = yard.tags()
    with terminal(yard, ".ci/docker/plain/Dockerfile", "--shell") as (shown, code):
        assert "what the steps before line 6 built" in shown.until("/work # ")
        shown.type("cat /before; ls /; echo a$((40 + 2))b")
        listed = shown.until("a42b").split()
        assert "me" in listed
        assert "before" in listed
        assert not {"during", "after"} & set(listed)
        shown.type("exit")
    assert code == [1]
    assert shown.shown.count("while: building linux-plain") == 1
    assert ".ci/docker/plain/Dockerfile:6" in shown.shown
    assert "[5] RUN echo one" in shown.shown
    assert yard.outcomes() == {"linux-plain": "failed"}
    assert yard.result["code"] == 5
    assert (yard.tags(), yard.leftovers()) == (before, [])


def test_a_shell_in_the_image_that_failed_its_check(yard: Yard) -> None:
    yard.edit("gcc/install.sh", '"$1" >', "13 >")
    with terminal(yard, ".ci/docker/gcc/install.sh", "--shell") as (shown, code):
        shown.until(PROMPT)
        shown.type("gcc --version; echo a$((40 + 2))b")
        assert "gcc (Yard) 13.2.0" in shown.until("a42b")
        shown.type("exit")
    assert code == [1]
    assert "[6] gcc: expected 11, found 13.2.0" in shown.shown
    assert yard.outcomes() == {"linux-bookworm-base": "built", "linux-bookworm-gcc11": "check failed"}
    assert len(yard.tags()) == 1
    assert yard.leftovers() == []


@pytest.mark.parametrize(("old", "new", "code"), [("mkdir", "exit 7; mkdir", 5), ('"$1"', "11", 6)], ids=["5", "6"])
def test_no_shell_where_it_is_the_parent_that_fails(yard: Yard, old: str, new: str, code: int) -> None:
    yard.edit("base/setup.sh", old, new)
    done = yard.run((*SESSION, ".ci/docker/gcc/install.sh", "--shell"))
    assert done.code == 1
    assert f"[{code}] its parent linux-bookworm-base failed" in done.err
    assert "a shell in" not in done.err
    assert "test_dockerfile -- .ci/docker/base/Dockerfile --shell" in done.err
    assert yard.leftovers() == []
