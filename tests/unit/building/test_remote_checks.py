"""A check as a step of a build: the Dockerfile that runs it, and what its raw stream says it wrote."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from imageyard.building.remote_checks import dockerfile, written
from imageyard.names import Digest, Reference

IMAGE = Reference("registry.test", "ci", digest=Digest("sha256:" + "0" * 64))


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (("gcc", "--version"), '["gcc","--version"]'),
        (("sh", "-c", 'echo "$HOME" && true'), '["sh","-c","echo \\"$HOME\\" && true"]'),
        (("cat", "<<EOF", "\\"), '["cat","<<EOF","\\\\"]'),
        (("echo", "one\ntwo", "ä"), '["echo","one\\ntwo","\\u00e4"]'),
    ],
)
def test_no_shell_is_between(run: tuple[str, ...], words: str) -> None:
    assert dockerfile(IMAGE, run) == f"FROM {IMAGE}\nRUN --network=none {words}\n"


def line(stream: int, text: bytes) -> str:
    status: dict[str, Any] = {"logs": [{"vertex": "v", "stream": stream, "data": base64.b64encode(text).decode()}]}
    return json.dumps(status)


def test_what_was_written_by_stream_in_order() -> None:
    stream = [
        '{"vertexes": []}',
        line(1, b"on"),
        "warning: no object",
        line(2, b"err\n"),
        line(1, b"e\n\xc3"),
        line(1, b"\xa4"),
        '{"logs": null}',
        line(3, b"of no stream"),
    ]
    assert written(stream) == ("one\nä", "err\n")
    assert written([]) == ("", "")
