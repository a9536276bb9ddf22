"""What a build at Depot came to, by what the CLI wrote and how it ended; a program says here what the real one did."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from imageyard.builders.depot import Refused, build
from imageyard.builders.request import (
    BuildInterrupted,
    BuildRequest,
    Built,
    Failed,
    Lost,
    Outcome,
    RegistryFailed,
    Unreachable,
)
from imageyard.errors import ConfigurationError, Transient
from imageyard.names import parse_reference

BEGUN = "#1 [depot] build: https://depot.test/b1\n#1 DONE 0.0s\n\n"
READY = f"{BEGUN}#3 [depot] connecting to amd64 machine\n#3 DONE 0.1s\n\n"
END = "\nBuild Summary: https://depot.test/b1\n"


class Quiet:
    def step_started(self, name: str) -> None: ...
    def step_cached(self, name: str) -> None: ...
    def step_done(self, name: str, seconds: float) -> None: ...
    def log(self, line: str) -> None: ...


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Something that answers at the address of the API."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("DEPOT_API_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.delenv("DEPOT_TOKEN", raising=False)
        yield


@pytest.fixture
def came_of(api: None, tmp_path: Path) -> Callable[[str, int], Outcome]:
    """Run a program that writes a text and ends with a code."""

    def run(text: str, code: int) -> Outcome:
        (tmp_path / "text").write_text(text)
        program = tmp_path / "depot"
        program.write_text(f"#!/bin/sh\ncat '{tmp_path}/text' >&2\nexit {code}\n")
        program.chmod(0o755)
        tags = (parse_reference("registry.test/ci"),)
        request = BuildRequest(Path("context"), Path("Dockerfile"), "linux/amd64", tags=tags)
        return build(request, program=str(program), project="p1", board=Quiet(), raw=tmp_path / "raw")

    return run


def step(name: str, error: str) -> str:
    return f"{READY}#9 {name}\n#9 ERROR: {error}\n------\n > {name}:\n------\n{END}failed to solve: {error}\n"


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [
        # no build was created
        ("missing API token, please run `depot login`\n", 1, Refused),
        ("unauthenticated: Invalid token\n", 1, Refused),
        ("permission_denied: no access to this project\n", 1, Refused),
        ("unavailable: dial tcp 10.0.0.1:443: connect: connection refused\n", 1, Unreachable),
        ("unavailable: dial tcp: lookup api.depot.dev: no such host\n", 1, Unreachable),
        ("unavailable: tls: failed to verify certificate: x509: certificate has expired\n", 1, Unreachable),
        ("canceled: context canceled\n", 1, BuildInterrupted),
        ("", 130, BuildInterrupted),
        # one was
        (f"{READY}{END}failed to receive status: rpc error: code = Unavailable desc = error reading: EOF\n", 1, Lost),
        (f"{READY}{END}failed to get status: dial tcp 10.0.0.1:443: connect: connection refused\n", 1, Lost),
        (
            f"{BEGUN}#2 [depot] launching amd64 machine\n#2 ERROR: unauthenticated: x\n{END}unauthenticated: x\n",
            1,
            Lost,
        ),
        (
            f"{BEGUN}#2 [depot] connecting to arm64 machine\n#2 ERROR: timed out connecting to machine: EOF\n"
            f"{END}timed out connecting to machine: EOF\n",
            1,
            Lost,
        ),
        (f"{READY}{END}build canceled\n", 1, BuildInterrupted),
        (f"{READY}{END}failed to solve: rpc error: code = Canceled desc = context canceled\n", 1, BuildInterrupted),
        (step("[2/2] RUN x", 'process "x" did not complete successfully: exit code: 7'), 1, Failed),
        (step("[2/2] RUN x", "unauthenticated: dial tcp: connection refused: unexpected EOF"), 1, Failed),
        (f"{READY}{END}failed to solve: dockerfile parse error on line 2: unknown instruction: RUNN\n", 1, Failed),
        (
            step("exporting to image", "failed to push r/x: unexpected status: 503 Service Unavailable"),
            1,
            RegistryFailed,
        ),
        (step("merging manifest list r/x", "unexpected status: 401 Unauthorized"), 1, RegistryFailed),
        (READY, 0, Built),
    ],
)
def test_outcomes(came_of: Callable[[str, int], Outcome], text: str, code: int, kind: type[object]) -> None:
    assert type(came_of(text, code)) is kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("unavailable: unexpected EOF\n", Transient),
        ("unavailable: read tcp 10.0.0.1:443: read: connection reset by peer\n", Transient),
        ("resource_exhausted: the plan has no minutes left\n", Transient),
        ("internal: unauthenticated: words of somebody else\n", Transient),
        ("deadline_exceeded: context deadline exceeded\n", Transient),
        ("not_found: project not found\n", ConfigurationError),
        ("missing project ID; please run `depot init` or `depot build --project <id>`\n", ConfigurationError),
    ],
)
def test_what_depot_answered_is_nobody_elses_to_build(
    came_of: Callable[[str, int], Outcome], text: str, kind: type[Exception]
) -> None:
    """It may have created a build, or it knew us and would not: no other builder takes over."""
    with pytest.raises(kind):
        came_of(text, 1)


def test_a_build_that_does_not_say_what_it_pushed(came_of: Callable[[str, int], Outcome]) -> None:
    built = came_of(READY, 0)
    assert isinstance(built, Built)
    assert built.digest is None
