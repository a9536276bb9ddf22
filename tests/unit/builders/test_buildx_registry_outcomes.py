"""What a build came to where a registry was at fault: recordings of real builds, judged by the step that failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from imageyard.builders.outcome import judge
from imageyard.builders.progress import Progress
from imageyard.builders.request import Failed, RegistryFailed
from imageyard.builders.vertex import Vertex

RECORDED = Path(__file__).parents[2] / "golden" / "progress"
BOTH = pytest.mark.parametrize("version", ["0.29", "0.13"])


def read(name: str, version: str) -> Progress:
    progress = Progress()
    progress.feed((RECORDED / f"{name}.buildx-{version}.rawjson").read_bytes())
    progress.end()
    return progress


@BOTH
@pytest.mark.parametrize(
    ("name", "phase", "denied", "ran", "cause"),
    [
        ("base-429", "resolve", False, 0, "429 Too Many Requests"),
        ("layer-503", "resolve", False, 0, "503 Service Unavailable"),  # told by the RUN that would have needed it
        ("push-429", "export", False, 1, "429 Too Many Requests"),
        ("push-denied", "export", True, 1, "401 Unauthorized"),
        ("cache-fatal", "cache", False, 0, "503 Service Unavailable"),
    ],
)
def test_a_registry_at_fault(name: str, phase: str, denied: bool, ran: int, cause: str, version: str) -> None:
    found = judge(read(name, version), 1)
    assert isinstance(found, RegistryFailed), found
    assert (found.phase, found.denied, len(found.ran), found.cut_off) == (phase, denied, ran, False)
    assert found.cause.endswith(cause)


@BOTH
def test_a_step_that_fails_after_a_cache_could_not_be_read(version: str) -> None:
    """The step decides, whatever failed before it and whatever it wrote. A cache that is not there is no problem."""
    progress = read("cache-not-read", version)
    found = judge(progress, 1)
    assert isinstance(found, Failed), found
    assert (found.exit_code, found.line, found.lines) == (7, 2, ("429 Too Many Requests",))
    (problem,) = progress.cache_problems
    assert problem.startswith("importing cache manifest from registry.test:5000/cache:there: ")
    assert problem.endswith("503 Service Unavailable")


@BOTH
def test_a_cache_that_could_not_be_written(version: str) -> None:
    (problem,) = read("cache-not-written", version).cache_problems
    assert problem.startswith("exporting cache to registry: error writing layer blob: ")


@pytest.mark.parametrize("name", ["failing-run", "missing-file", "no-such-base", "disk-full", "syntax"])
def test_what_is_not_the_registry(name: str) -> None:
    assert isinstance(judge(read(name, "0.29"), 1), Failed)


def status(name: str, error: str, *, started: bool = False) -> bytes:
    """A stream in which one step fails."""
    begun = f'{{"vertexes":[{{"digest":"d","name":"{name}","started":"2026-01-01T00:00:00Z"}}]}}\n' if started else ""
    end = f'{{"vertexes":[{{"digest":"d","name":"{name}","started":"x","completed":"y","error":"{error}"}}]}}\n'
    return f"{begun}{end}ERROR: failed to build: failed to solve: {error}\n".encode()


@pytest.mark.parametrize(
    ("name", "error", "outcome"),
    [
        ("[internal] load metadata for r.test/a:1", "failed to do request: Head: dial tcp: no such host", Failed),
        ("[internal] load metadata for r.test/a:1", "r.test/a:1: not found", Failed),
        ("[internal] load metadata for docker.io/library/a:1", "pull access denied, repository does not exist", Failed),
        ("[internal] load metadata for r.test/a:1", "dial tcp: connect: connection refused", RegistryFailed),
        ("[context base] load metadata for r.test/a@sha256:0", "net/http: TLS handshake timeout", RegistryFailed),
        ("[context base] r.test/a@sha256:0", "short read: expected 9 bytes but got 8: unexpected EOF", RegistryFailed),
        ("[linux/arm64 tools 1/2] FROM r.test/a", "unexpected status: 503 Service Unavailable", RegistryFailed),
        ("exporting to image", "failed to push: Put: read tcp: connection reset by peer", RegistryFailed),
        ("exporting to image", "failed to push: write /var/blob: no space left on device: unexpected EOF", Failed),
        ("exporting to image", "failed to push r.test/a: denied: user may not write", RegistryFailed),
        ("exporting to image", "failed to push a: push access denied, there is no such thing", RegistryFailed),
        ("exporting to image", "failed to push: tls: failed to verify certificate", Failed),
        ("[2/2] RUN x", "process x did not complete successfully: exit code: 1", Failed),
        ("[2/2] RUN x", "unexpected status from GET request to http://r: 500 Internal Server Error", RegistryFailed),
    ],
)  # fmt: skip
def test_by_step_and_cause(name: str, error: str, outcome: type[object]) -> None:
    progress = Progress()
    progress.feed(status(name, error))
    assert isinstance(judge(progress, 1), outcome)


def test_a_command_that_began_is_no_registrys_fault() -> None:
    progress = Progress()
    progress.feed(status("[2/2] RUN x", "unexpected status from GET request: 503 Service Unavailable", started=True))
    assert isinstance(judge(progress, 1), Failed)


def test_a_command_that_was_cut_off() -> None:
    progress = Progress()
    progress.feed(b'{"vertexes":[{"digest":"r","name":"[a 2/2] RUN x","started":"2026-01-01T00:00:00Z"}]}\n')
    progress.feed(
        status("[internal] load metadata for r.test/a:1", "HEAD http://r: 429 Too Many Requests, Retry-After: 7")
    )
    found = judge(progress, 1)
    assert isinstance(found, RegistryFailed), found
    assert (found.retry_after, found.ran, found.cut_off) == (7.0, ("[a 2/2] RUN x",), True)


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("[internal] load metadata for debian", "resolve"),
        ("[context base] load metadata for r.test/a@sha256:0", "resolve"),
        ("[context base] r.test/a@sha256:0", "resolve"),
        ("docker-image://docker.io/docker/dockerfile:1", "resolve"),
        ("[1/2] FROM debian", "resolve"),
        ("[tools 2/2] COPY a b", "run"),
        ("[linux/arm64 stage-1 2/2] RUN make", "run"),
        ("exporting to image", "export"),
        ("pushing r.test/a with docker", "export"),
        ("exporting cache to registry", "cache"),
        ("exporting cache", "cache"),
        ("importing cache manifest from r.test/c:1", "cache"),
        ("[internal] load remote build context", "other"),
        ("copy /context /", "other"),
    ],
)
def test_what_a_step_is_for(name: str, phase: str) -> None:
    assert Vertex(name).phase == phase
