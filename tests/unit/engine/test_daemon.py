"""Which engine the docker CLI would ask, and what becomes of an answer that is none."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from imageyard import daemon

DEFAULT = "/var/run/docker.sock"


@pytest.mark.parametrize(
    ("env", "context", "expected"),
    [
        ({}, "", DEFAULT),
        ({}, '{"currentContext": "default"}', DEFAULT),
        ({}, '{"currentContext": "elsewhere"}', None),
        ({}, "{}", DEFAULT),
        ({}, "no json", None),
        ({"DOCKER_HOST": "unix:///run/one.sock"}, "", "/run/one.sock"),
        ({"DOCKER_HOST": "unix:///run/one.sock"}, '{"currentContext": "elsewhere"}', "/run/one.sock"),
        ({"DOCKER_HOST": "tcp://127.0.0.1:2375"}, "", None),
        ({"DOCKER_HOST": "ssh://machine"}, "", None),
        ({"DOCKER_HOST": "unix:///run/one.sock", "DOCKER_CONTEXT": "elsewhere"}, "", None),
        ({"DOCKER_CONTEXT": "default"}, '{"currentContext": "elsewhere"}', DEFAULT),
        ({"DOCKER_HOST": "unix:///run/one.sock", "DOCKER_TLS_VERIFY": "1"}, "", None),
    ],
)
def test_the_socket_that_the_cli_would_ask(
    env: dict[str, str], context: str, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if context:
        (tmp_path / "config.json").write_text(context)

    assert daemon.socket_of(env) == expected


@contextmanager
def engine_that_says(answer: bytes) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = f"{folder}/engine.sock"
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=_answer, args=(listener, answer))
        thread.start()
        yield path
        thread.join(timeout=10)


def _answer(listener: socket.socket, answer: bytes) -> None:
    near, _ = listener.accept()
    with near:
        near.recv(65536)
        near.sendall(answer)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'HTTP/1.0 200 OK\r\nServer: Docker\r\n\r\n{"Version": "28.5.2"}', (200, {"Version": "28.5.2"})),
        (b'HTTP/1.0 404 Not Found\r\n\r\n{"message": "No such image: a"}', (404, {"message": "No such image: a"})),
        (b'HTTP/1.0 200 OK\r\n\r\n{"Version": "28.', None),
        (b"HTTP/1.0 201 Created\r\n\r\n", (201, None)),
        (b"HTTP/1.0 200 OK\r\n", None),
        (b"HTTP/1.0 200 OK\r\n\r\n<html>", None),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n{}", None),
        (b"", None),
    ],
)
def test_what_is_no_answer_is_left_to_the_cli(answer: bytes, expected: object) -> None:
    with engine_that_says(answer) as path:
        assert daemon.ask(path, "/version") == expected


def test_no_socket_is_left_to_the_cli(tmp_path: Path) -> None:
    assert daemon.ask(None, "/version") is None
    assert daemon.ask(str(tmp_path / "nowhere.sock"), "/version") is None


def test_an_engine_that_says_nothing_is_not_waited_for() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/engine.sock")
        listener.listen()
        with pytest.raises(TimeoutError):
            daemon.ask(f"{folder}/engine.sock", "/version", patience=0.05)
