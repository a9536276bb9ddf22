"""What ends a task with which exit code: errors of ours, and what the operating system refuses."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from imageyard.cli import namespace
from imageyard.cli.entry import task
from imageyard.console import Story
from imageyard.errors import CheckFailed, Terminated
from imageyard.nox_call import NoxCall
from imageyard.project.checkout import Checkout
from imageyard.runs import VARIABLE, Run
from imageyard.sessions import _told_to_nox
from invoke.context import Context
from invoke.exceptions import Exit


class Refused(Exception):
    """What `session.error` raises in Nox."""


class Session:
    _runner = SimpleNamespace(global_config=SimpleNamespace(install_only=False))

    def error(self, reason: str) -> None:
        raise Refused(reason)


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/file")
CASES = [
    (CheckFailed("gcc: expected 12, found 13"), 6, "gcc: expected 12, found 13"),
    (FULL, 4, "/some/file: No space left on device"),
    (OSError("it does not go"), 4, "it does not go"),
]


@pytest.mark.parametrize(
    ("raised", "code", "words"), [*CASES, (KeyboardInterrupt(), 130, "interrupted"), (Terminated(), 143, "terminated")]
)
def test_a_task_ends_with_a_code(monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, words: str) -> None:
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)

    @task(changes=False)
    def failing(context: Context) -> None:
        raise raised

    with pytest.raises(Exit) as caught:
        failing(Context())
    assert caught.value.code == code
    assert words in caught.value.message


@pytest.mark.parametrize(("raised", "code", "words"), CASES)
def test_a_session_carries_the_code_in_its_reason_and_in_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, words: str
) -> None:
    monkeypatch.setenv(VARIABLE, "")  # which run it is, is put there
    call = NoxCall(Checkout(tmp_path / "images.yml", tmp_path), Run.begin(tmp_path))
    with pytest.raises(Refused) as caught, _told_to_nox(call, Session()):  # type: ignore[arg-type]
        raise raised
    assert str(caught.value) == f"[{code}] {words}"

    call.run.close(Story())
    result = json.loads((call.checkout.state / "result.json").read_bytes())
    assert (result["code"], result["headline"]) == (code, words)


def test_a_result_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise FULL

    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr("sys.stdout", Full())

    @task(changes=False)
    def telling(context: Context) -> str:
        return "result"

    with pytest.raises(Exit) as caught:
        telling(Context())
    assert caught.value.code == 4


@pytest.mark.parametrize("name", sorted(namespace().task_names))
def test_an_option_that_may_be_given_more_than_once_takes_words(name: str) -> None:
    """With a default of another type Invoke takes that type, and makes a tuple of the letters of a word."""
    found = namespace()[name]
    kinds = {argument.attr_name or argument.name: argument.kind for argument in found.get_arguments()}
    assert {kinds[each] for each in found.iterable} <= {list}
