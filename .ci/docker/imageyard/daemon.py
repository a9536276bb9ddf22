"""Which engine answers; and questions to one on a unix socket: milliseconds, where the docker CLI takes fifty."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from imageyard import process
from imageyard.errors import EnvironmentLacks

__all__ = ["INSTALL", "ask", "by_label", "by_reference", "find", "quoted", "socket_of"]

INSTALL = "nox -s install_stack local_stack"
PATIENCE = 20.0
"""Seconds that an engine has for a first answer; over a network, an address that drops packets never gives one."""

_DEFAULT = "/var/run/docker.sock"
_SCHEME = "unix://"


def socket_of(env: Mapping[str, str]) -> str | None:
    """The socket that the docker CLI would ask with `env` added to ours, or None where it would ask elsewhere.

    As docker/cli 28 has it (cli/command/cli.go, resolveContextName): DOCKER_CONTEXT over DOCKER_HOST over the
    configuration's `currentContext`; the context `default` is the platform's socket.
    """
    given = {**os.environ, **env}
    if given.get("DOCKER_TLS_VERIFY") or given.get("DOCKER_CONTEXT", "default") not in ("", "default"):
        return None
    host = given.get("DOCKER_HOST") or ""
    if not host and not given.get("DOCKER_CONTEXT") and _current_context(given) not in ("", "default"):
        return None
    return host.removeprefix(_SCHEME) if host.startswith(_SCHEME) else None if host else _DEFAULT


def find(stack_socket: Path | None) -> tuple[str, str, dict[str, str], str]:
    """The docker CLI, how an engine was found, what a child needs to speak to it, and its version.

    Raises EnvironmentLacks with everything that was tried where none answers.
    """
    program = process.find("docker", hint=INSTALL)
    places: list[tuple[str, dict[str, str]]] = [(_current(), {})]
    if stack_socket is not None and stack_socket.exists():
        # A context, or TLS settings meant for another host, would win over DOCKER_HOST or break it.
        env = {"DOCKER_HOST": f"unix://{stack_socket}", "DOCKER_CONTEXT": "", "DOCKER_TLS_VERIFY": ""}
        places.append((f"the local stack at {stack_socket}", env))
    tried, denied = [], False
    for origin, env in places:
        version, complaint = _ask(program, env)
        if version:
            return program, origin, env, version
        tried.append(f"{origin}: {complaint}")
        denied = denied or "permission denied" in complaint.lower()
    hint = [INSTALL]
    if denied:
        hint = [
            "sudo usermod -aG docker $USER   (then log in again: it makes you a member of the docker group)",
            *hint,
        ]
    raise EnvironmentLacks("no Docker engine answers", doing="looking for an engine", detail=tried, hint=hint)


def ask(path: str | None, question: str, method: str = "GET", patience: float | None = None) -> tuple[int, Any] | None:
    """The status and decoded body that the engine at `path` answers to a request without a body, as for `/version`.

    None where that cannot be had: the docker CLI is to be asked then, which says why. Raises TimeoutError where the
    engine says nothing for `patience` seconds.
    """
    if path is None:
        return None
    answer = bytearray()
    try:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.settimeout(patience)
            engine.connect(path)
            # HTTP/1.0: the answer ends with the connection, and comes in one piece
            engine.sendall(f"{method} {question} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
            while chunk := engine.recv(65536):
                answer += chunk
    except TimeoutError:
        raise
    except OSError:
        return None
    head, end, body = bytes(answer).partition(b"\r\n\r\n")
    words = head.split(maxsplit=2)
    if not end or len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return None
    try:
        return int(words[1]), json.loads(body) if body else None
    except ValueError:
        return None


def quoted(reference: str) -> str:
    """A reference as part of a question's path."""
    return quote(reference, safe="/:@")


def by_label(label: str) -> str:
    """The value of `filters` that selects what carries a label, given as `NAME` or `NAME=VALUE`."""
    return quote(json.dumps({"label": [label]}))


def by_reference(reference: str) -> str:
    """The value of `filters` that selects the images of a repository, or one of its tags."""
    return quote(json.dumps({"reference": [reference]}))


def _current_context(environ: Mapping[str, str]) -> str:
    folder = Path(environ.get("DOCKER_CONFIG") or Path("~/.docker").expanduser())
    try:
        found = json.loads((folder / "config.json").read_text()).get("currentContext") or ""
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, AttributeError):
        return "unreadable"
    return str(found)


def _current() -> str:
    if os.environ.get("DOCKER_CONTEXT"):
        return f"context {os.environ['DOCKER_CONTEXT']}"
    return f"DOCKER_HOST={os.environ['DOCKER_HOST']}" if os.environ.get("DOCKER_HOST") else "the current context"


def _ask(program: str, env: Mapping[str, str]) -> tuple[str, str]:
    """The version of the engine and nothing, or nothing and why it did not say."""
    try:
        known = ask(socket_of(env), "/version", patience=PATIENCE)
        if known and known[0] == 200 and known[1].get("Version"):
            return str(known[1]["Version"]), ""
        answer = process.run([program, "version", "--format", "{{.Server.Version}}"], env=env, timeout=PATIENCE)
    except TimeoutError:
        return "", f"no answer within {PATIENCE:.0f} s"
    if answer.code or not answer.text:
        return "", answer.complaint or "no answer"
    return answer.text, ""
