"""Reading along while a builder works: its events to a board, its stream to a file, secrets to nobody."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from imageyard import process
from imageyard.board import Board
from imageyard.builders.progress import Cached, Done, Event, Log, Started, Warned
from imageyard.builders.rawjson import Status
from imageyard.builders.request import BuildRequest
from imageyard.errors import assert_never

__all__ = ["keeper", "scrubber", "secret_values", "show"]


def show(events: list[Event], board: Board) -> None:
    """Tell a board of events."""
    for event in events:
        match event:
            case Started(name):
                board.step_started(name)
            case Cached(name):
                board.step_cached(name)
            case Done(name, seconds):
                board.step_done(name, seconds)
            case Log(_, line):
                board.log(line)
            case Warned():
                pass  # told once, with the outcome
            case _:
                assert_never(event)


def keeper(file: IO[str]) -> Callable[[Status | str], None]:
    """What writes a stream to a file, an object a line."""

    def keep(part: Status | str) -> None:
        file.write(part if isinstance(part, str) else json.dumps(part, separators=(",", ":"), ensure_ascii=False))
        file.write("\n")

    return keep


def secret_values(request: BuildRequest) -> tuple[dict[str, str], list[str]]:
    """The variables that buildx is to read secrets from, and the values of all secrets."""
    given: dict[str, str] = {}
    values = []
    for _, kind, source in request.secrets:
        if kind == "env" and source in os.environ:
            given[source] = os.environ[source]
            values.append(given[source])
        elif kind == "file" and Path(source).is_file():
            values.append(Path(source).read_text(errors="replace"))
    return given, values


def scrubber(secrets: list[str]) -> Callable[[str], str]:
    """What takes secrets out of a line. Of a long file (a CA bundle) only whole lines: thousands cost too much each."""
    long = {line.strip() for secret in secrets if secret.count("\n") > 100 for line in secret.splitlines()}
    parts = {line.strip() for secret in secrets if secret.count("\n") <= 100 for line in secret.splitlines()}

    def scrub(text: str) -> str:
        return "***" if text and text.strip() in long else process.redact(text, parts)

    return scrub
