"""A look at a remote worker against a bare connection to it, and a build there against plain `docker buildx build`."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from imageyard import process
from imageyard.builders import buildx, preflight
from imageyard.builders import remote as builder
from imageyard.builders.request import BuildRequest, Built
from imageyard.builders.worker import Worker
from imageyard.console import Story
from imageyard.errors import EnvironmentLacks
from imageyard.names import parse_reference
from measure import Ratio
from running import installed, running_engine
from support.engine.buildkit_remote import remote_buildkit
from support.registry.served import serve

__all__ = ["remote_building"]

_DOCKERFILE = b"FROM scratch\nCOPY Dockerfile /\nWORKDIR /srv\n"


class _Silent:
    def step_started(self, name: str) -> None: ...
    def step_cached(self, name: str) -> None: ...
    def step_done(self, name: str, seconds: float) -> None: ...
    def log(self, line: str) -> None: ...


def remote_building(folder: Path) -> list[Ratio]:
    """Both, with the engine that answers, or one of its own, as the worker; `folder` is an empty one to work in.

    Raises EnvironmentLacks where the machine lacks what it takes.
    """
    installed("docker-registry")
    with ExitStack() as stack:
        env = {**os.environ, **stack.enter_context(running_engine()).env}
        host = env.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        if not host.startswith("unix://"):
            raise EnvironmentLacks("the engine is not at a socket of this machine", hint="unset DOCKER_HOST")
        address = stack.enter_context(remote_buildkit(host.removeprefix("unix://")))
        registry = stack.enter_context(_served(folder / "registry"))
        worker = Worker(address, insecure=True)
        return [_preflight(worker), _build(worker, registry, folder)]


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The `HOST:PORT` of a registry."""
    running = serve(folder)
    try:
        yield next(running).host
    finally:
        running.close()


def _preflight(worker: Worker) -> Ratio:
    """The look, and its peer: a TCP connection on which the worker's first byte is waited for."""

    def bare() -> None:
        with socket.create_connection(worker.endpoint) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            connection.recv(1)

    return _in_turns("preflight, against a bare connection", lambda: preflight.check(worker), bare, mark=2.0, runs=25)


def _build(worker: Worker, registry: str, folder: Path) -> Ratio:
    """A fully cached build that is pushed by digest, its connection and its look included."""
    (folder / "context").mkdir()
    (folder / "context" / "Dockerfile").write_bytes(_DOCKERFILE)
    config, program = folder / "buildx", buildx.find()
    env = process.environment({"BUILDX_CONFIG": str(config)})
    plain = [program, "build", "--builder", "bench", "--provenance=false", "--platform", "linux/amd64"]
    plain += ["--output", f"type=image,name={registry}/peer,push=true,push-by-digest=true", str(folder / "context")]
    made = [program, "create", "--name", "bench", "--driver", "remote", worker.address]
    subprocess.run(made, env=env, check=True, capture_output=True)
    apart = folder / "dockerfile"
    apart.mkdir()
    (apart / "Dockerfile").write_bytes(_DOCKERFILE)
    tags = (parse_reference(f"{registry}/ours"),)
    request = BuildRequest(folder / "context", apart / "Dockerfile", "linux/amd64", tags=tags, output="push-by-digest")

    def ours() -> None:
        found = builder.build(request, worker, program=program, board=_Silent(), raw=folder / "raw", story=Story())
        if not isinstance(found, Built):
            raise SystemExit(f"the remote build of the bench came to {found}")

    def peer() -> None:
        subprocess.run(plain, env=env, check=True, capture_output=True)

    return _in_turns("remote build, cached", ours, peer, mark=1.3, runs=9)


def _in_turns(name: str, ours: Callable[[], object], peer: Callable[[], object], *, mark: float, runs: int) -> Ratio:
    """Run both in turns, one of each first to warm caches, and compare the medians."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(runs + 1):
        for taken, run in zip(times, (ours, peer), strict=True):
            start = time.perf_counter()
            run()
            if turn:
                taken.append(time.perf_counter() - start)
    return Ratio(name, statistics.median(times[0]), statistics.median(times[1]), mark, runs)
