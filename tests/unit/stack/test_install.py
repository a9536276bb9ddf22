"""The flow of install_stack: first the lines, then the doing, and never a half truth at the end."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from imageyard.console import Story
from imageyard.errors import EnvironmentLacks, exit_code
from imageyard.stack import install
from imageyard.stack.packages import Need, Plan
from support.tools import install_test_tools

EMPTY = Plan({}, ())


@pytest.fixture
def told() -> io.StringIO:
    return io.StringIO()


def plans(monkeypatch: pytest.MonkeyPatch, *found: Plan) -> None:
    """Let the machine be planned for as given, once before and once after the installation."""
    answers: Iterator[Plan] = iter(found)
    monkeypatch.setattr(install, "_plan", lambda needs: next(answers))


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_nothing_is_missing(monkeypatch: pytest.MonkeyPatch, told: io.StringIO) -> None:
    plans(monkeypatch, EMPTY)
    install.install_stack(Story(stream=told))
    assert told.getvalue() == "the local stack: everything is installed\n"


def test_who_is_not_root_gets_lines_to_paste_and_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, told: io.StringIO, tmp_path: Path
) -> None:
    file = tmp_path / "imageyard.sources"
    plans(monkeypatch, Plan({str(file): "Types: deb\n"}, (("apt-get", "update"),)))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EnvironmentLacks, match="takes root") as caught:
        install.install_stack(Story(stream=told))
    assert exit_code(caught.value) == 4
    assert [line.strip() for line in told.getvalue().splitlines()[1:]] == [
        f"sudo tee {file} >/dev/null <<'EOF'",
        "Types: deb",
        "EOF",
        "sudo apt-get update",
    ]
    assert not file.exists()


def test_the_lines_come_before_the_doing(monkeypatch: pytest.MonkeyPatch, told: io.StringIO, tmp_path: Path) -> None:
    file = tmp_path / "imageyard.sources"
    done = tmp_path / "done"
    command = python(f"open({str(done)!r}, 'w').write(open({str(file)!r}).read())")
    plans(monkeypatch, Plan({str(file): "Types: deb\n"}, (command,)), EMPTY)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    install_test_tools(Story(stream=told))
    assert done.read_text() == "Types: deb\n"
    assert told.getvalue().splitlines()[0].endswith("what has to be done as root")
    assert told.getvalue().splitlines()[-1] == "the tools of the tests: installed"


def test_apt_fails(monkeypatch: pytest.MonkeyPatch, told: io.StringIO) -> None:
    plans(monkeypatch, Plan({}, (python("print('E: Unable to locate'); raise SystemExit(100)"),)))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(EnvironmentLacks, match="ended with 100") as caught:
        install.install_stack(Story(stream=told))
    assert caught.value.detail == ("E: Unable to locate",)


def test_apt_succeeds_and_something_is_missing_all_the_same(monkeypatch: pytest.MonkeyPatch, told: io.StringIO) -> None:
    wanted = Plan({}, (python("pass"),))
    plans(monkeypatch, wanted, wanted)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(EnvironmentLacks, match="not installed after all"):
        install.install_stack(Story(stream=told))


def test_programs_are_asked_for_a_version_only_where_one_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, text in (("tool", "tool version 1.2.3, build x"), ("broken", "")):
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\necho '{text}'\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    needs = [
        Need("p", "tool", (1,)),
        Need("q", "broken", (1,)),
        Need("r", "tool-that-is-not-there"),
    ]
    assert install.found_programs(needs) == {"tool": (1, 2, 3), "broken": ()}
    assert install.found_programs([Need("p", "tool")]) == {"tool": ()}
