"""Builds on real workers: pools that start late or never, workers that die, registries that are busy."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from imageyard.builders import buildx, remote
from imageyard.builders.request import (
    BuildRequest,
    Built,
    Failed,
    Lost,
    Outcome,
    RegistryFailed,
    Steps,
    Unreachable,
)
from imageyard.builders.worker import Worker
from imageyard.console import Story
from imageyard.errors import EnvironmentLacks
from imageyard.http.backoff import Clock
from imageyard.names import parse_reference
from support.engine.buildkit_remote import remote_buildkit
from support.engine.haproxy import haproxy, late_port
from support.engine.private import PrivateEngine, private_engine
from support.engine.socket_relay import Relay
from support.registry.faults import Fault, Proxy, running
from support.registry.served import Served, tool
from support.registry.tls import Authority
from support.sealed.folders import sealed

pytestmark = pytest.mark.engine

CALLS_HOME = "wget -q -O /dev/null http://$(ip route | awk '/^default/{{print $3}}'):{port}/{name}"


class Board:
    """Hears what steps write; `on_log` is called with each line."""

    def __init__(self, on_log: Callable[[str], None] = lambda line: None) -> None:
        self.log = on_log

    def step_started(self, name: str) -> None: ...
    def step_cached(self, name: str) -> None: ...
    def step_done(self, name: str, seconds: float) -> None: ...


@dataclass
class Desk:
    """What an orchestrator has: a registry, a base in it, and a folder."""

    folder: Path
    registry: str
    base: str
    program: str = field(default_factory=buildx.find)
    told: io.StringIO = field(default_factory=io.StringIO)

    def request(self, repository: str = "out", **changes: object) -> BuildRequest:
        asked = BuildRequest(
            Path(), Path(), "linux/amd64", contexts={"base": f"docker-image://{self.base}"},
            tags=(parse_reference(f"{self.registry}/{repository}"),), output="push-by-digest",
        )  # fmt: skip
        return replace(asked, **changes)  # type: ignore[arg-type]

    def build(
        self, dockerfile: str, worker: Worker, asked: BuildRequest | None = None, *, name: str = "row",
        board: Board | None = None, clock: Clock | None = None,
    ) -> Outcome:  # fmt: skip
        context = sealed(dockerfile, {}, self.folder / f"{name}-{uuid4().hex}")
        request = replace(asked or self.request(), context=context.folder, dockerfile=context.dockerfile)
        return remote.build(
            request, worker, program=self.program, board=board or Board(), raw=self.raw(name),
            story=Story(stream=self.told), clock=clock,
        )  # fmt: skip

    def raw(self, name: str = "row") -> Path:
        return self.folder / f"{name}.jsonl"

    def commands_run(self, name: str = "row") -> int:
        """How often a RUN was started without the cache, in all attempts, from the streams that were kept."""
        started: set[tuple[int, str]] = set()
        attempt = 0
        for line in self.raw(name).read_text().splitlines():
            if not line.startswith("{"):
                attempt += line.startswith("ERROR")
                continue
            for vertex in json.loads(line).get("vertexes", ()):
                if " RUN " in vertex["name"] and vertex.get("started") and not vertex.get("cached"):
                    started.add((attempt, vertex["digest"]))
        return len(started)


@pytest.fixture(scope="session")
def pushed_base(docker_engine: PrivateEngine, busybox_base: str, registry: Served) -> str:
    """The base at the registry: `base@sha256:...`."""
    name = f"{registry.host}/base:1"
    docker_engine.docker("tag", busybox_base, name)
    docker_engine.docker("push", "--quiet", name)
    return f"base@{docker_engine.docker('image', 'inspect', '-f', '{{.Id}}', name)}"


@pytest.fixture
def desk(registry: Served, pushed_base: str, tmp_path: Path) -> Desk:
    return Desk(tmp_path, registry.host, f"{registry.host}/{pushed_base}")


@pytest.fixture
def worker(docker_engine: PrivateEngine) -> Iterator[Worker]:
    with remote_buildkit(docker_engine.host.removeprefix("unix://")) as address:
        yield Worker(address, insecure=True, connect_timeout=60.0)


class Called(ThreadingHTTPServer):
    """Counts who calls: a command that was run twice calls twice."""

    daemon_threads = True

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        super().__init__(("0.0.0.0", 0), _Count)

    def command(self, name: str) -> str:
        return CALLS_HOME.format(port=self.server_address[1], name=name)


class _Count(BaseHTTPRequestHandler):
    server: Called

    def do_GET(self) -> None:
        self.server.calls[self.path.lstrip("/")] += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def home() -> Iterator[Called]:
    with Called() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_cold_pool(
    desk: Desk, home: Called, docker_engine: PrivateEngine, shared_tmp: Path, tmp_path: Path, soak: bool
) -> None:
    """Four rows at once, two workers that take one connection each and start late: each is built once.

    They start after half a minute; with `--soak` after a minute.
    """
    key, late = uuid4().hex[:8], 60.0 if soak else 30.0
    with ExitStack() as stack:
        second = stack.enter_context(private_engine(shared_tmp, "containerd", "second"))
        ports = [stack.enter_context(late_port()) for _ in range(2)]
        pool = stack.enter_context(
            haproxy(tmp_path, ["{}:{}".format(*port.getsockname()) for port in ports], maxconn=1)
        )
        rows = [f"row{number}-{key}" for number in range(4)]
        threads = stack.enter_context(ThreadPoolExecutor(4))
        began = time.monotonic()
        results = [
            threads.submit(
                desk.build, f"FROM base\nRUN {home.command(row)}\nRUN sleep 2; echo {row} >/row\n",
                Worker(pool, insecure=True, connect_timeout=600.0), name=row,
            )
            for row in rows
        ]  # fmt: skip
        while time.monotonic() - began < late:
            assert not [r for r in results if r.done()], [r.result() for r in results if r.done()]
            time.sleep(1)
        for port, engine in zip(ports, (docker_engine, second), strict=True):
            stack.enter_context(remote_buildkit(engine.host.removeprefix("unix://"), port))
        outcomes = [result.result() for result in results]
    assert [type(outcome) for outcome in outcomes] == [Built] * 4, outcomes
    assert home.calls == dict.fromkeys(rows, 1)
    assert [desk.commands_run(row) for row in rows] == [2] * 4
    assert desk.told.getvalue().count("waiting for tcp://") >= 4


def test_an_empty_pool(desk: Desk, tmp_path: Path) -> None:
    """It is given up when its time is over, with its address and what was last seen of it."""
    with late_port() as nobody, haproxy(tmp_path, ["{}:{}".format(*nobody.getsockname())]) as pool:
        for address, cause in ((pool, ""), ("tcp://{}:{}".format(*nobody.getsockname()), "connection refused")):
            began = time.monotonic()
            found = desk.build("FROM base\nRUN true\n", Worker(address, insecure=True, connect_timeout=3.0))
            assert isinstance(found, Unreachable), found
            assert found.cause.startswith(f"no worker answered at {address} (linux/amd64) within 3.0 s: {cause}")
            assert 2.0 <= time.monotonic() - began < 15.0
    assert f"waiting for {address} (linux/amd64)" in desk.told.getvalue()
    assert not list(tmp_path.glob("imageyard-buildx-*"))


def test_what_a_command_writes_decides_nothing(desk: Desk, home: Called, worker: Worker) -> None:
    name = uuid4().hex
    words = ("unexpected EOF", "read: connection reset by peer", "429 Too Many Requests", "context deadline exceeded")
    script = "; ".join((home.command(name), *(f"echo '{word}'" for word in words), "exit 3"))
    found = desk.build(f"FROM base\nRUN {script}\n", worker)
    assert isinstance(found, Failed), found
    assert (found.exit_code, found.line, found.lines) == (3, 2, words)
    assert home.calls == {name: 1}
    assert desk.commands_run() == 1


def test_a_worker_that_dies(desk: Desk, home: Called, docker_engine: PrivateEngine, worker: Worker) -> None:
    """Nothing is run again by itself: the next attempt does it, or the next run."""
    name, socket_path = uuid4().hex, desk.folder / "relay.sock"
    relay = Relay(socket_path, docker_engine.host.removeprefix("unix://"))
    board = Board(lambda line: relay.cut() if line == "here" else None)
    dockerfile = f"FROM base\nRUN {home.command(name)}; echo here; sleep 3\n"
    with remote_buildkit(str(socket_path)) as address:
        found = desk.build(dockerfile, Worker(address, insecure=True, connect_timeout=60.0), board=board)
    assert isinstance(found, Lost), found
    assert home.calls == {name: 1}
    assert isinstance(desk.build(dockerfile, worker), Built)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_worker_whose_engine_ends(desk: Desk, home: Called, tmp_path: Path, how: int) -> None:
    """A spot machine that is taken away: asked to stop it ends what it runs, and that is no failure of a step."""
    name, shared = uuid4().hex, tmp_path / "shared"
    shared.mkdir()
    with private_engine(shared, "containerd", "spot") as spot:
        board = Board(lambda line: os.kill(spot.pid, how) if line == "here" else None)
        dockerfile = f"FROM base\nRUN {home.command(name)}; echo here; sleep 600\n"
        with remote_buildkit(spot.host.removeprefix("unix://")) as address:
            found = desk.build(dockerfile, Worker(address, insecure=True, connect_timeout=60.0), board=board)
    assert isinstance(found, Lost), found
    assert home.calls == {name: 1}


def test_mutual_tls(desk: Desk, worker: Worker) -> None:
    folder = desk.folder / "its,files"
    folder.mkdir()
    ours = Authority(folder, "ours")
    client = ours.issue("orchestrator.test")
    tls = {"ca": str(ours.ca), "cert": str(client.cert), "key": str(client.key)}
    target = [worker.address.removeprefix("tcp://")]
    for name, more in (("127.0.0.1", {}), ("pool.test", {"servername": "pool.test"})):
        with haproxy(folder, target, server=ours.issue(name), clients=ours.ca) as pool:
            found = desk.build("FROM base\nRUN true\n", Worker(pool, tls={**tls, **more}, connect_timeout=25.0))
        assert isinstance(found, Built), found


def test_a_pool_that_starts_late_with_a_wrong_certificate(desk: Desk, worker: Worker) -> None:
    """It was not there when it was first looked at; waiting for hours would not make its certificate right."""
    ours, others = Authority(desk.folder, "ours"), Authority(desk.folder, "others")
    target, port = [worker.address.removeprefix("tcp://")], late_port()
    address = "tcp://{}:{}".format(*port.getsockname())
    with ExitStack() as stack:

        def wait(seconds: float) -> None:
            if port.fileno() != -1:  # the first time
                stack.enter_context(haproxy(desk.folder, target, server=others.issue("127.0.0.1"), late=port))
            time.sleep(seconds)

        late = Worker(address, tls={"ca": str(ours.ca)}, connect_timeout=60.0)
        with pytest.raises(EnvironmentLacks, match="its certificate is from an unknown CA"):
            desk.build("FROM base\nRUN true\n", late, clock=Clock(sleep=wait))
    assert f"waiting for {address} (linux/amd64)" in desk.told.getvalue()


@pytest.mark.parametrize("provenance", ["off", "min", "max"])
def test_what_is_pushed(desk: Desk, worker: Worker, provenance: str, request: pytest.FixtureRequest) -> None:
    """The digest that is told is the registry's; without provenance it is a manifest, with it an index. No tag."""
    repository = f"out-{uuid4().hex}"
    asked = desk.request(repository, provenance=provenance)
    programs = [desk.program, request.getfixturevalue("old_buildx")] if provenance != "min" else [desk.program]
    for program in programs:
        desk.program = program
        found = desk.build(f"FROM base\nRUN echo {uuid4().hex} >/key\n", worker, asked)
        assert isinstance(found, Built), found
        assert found.steps == Steps(1, 0)
        image = f"{desk.registry}/{repository}@{found.digest}"
        manifest = json.loads(tool("crane", "manifest", "--insecure", image))
        kind = "manifest" if provenance == "off" else "index"
        assert manifest["mediaType"] == f"application/vnd.oci.image.{kind}.v1+json"
        assert tool("crane", "digest", "--insecure", image) == found.digest
    manifests = request.getfixturevalue("registry").storage / f"docker/registry/v2/repositories/{repository}/_manifests"
    assert [path.name for path in manifests.iterdir()] == ["revisions"]  # and no `tags`


class Waits:
    """A clock that notes what is slept, and sleeps not."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.slept: list[float] = []
        self._meanwhile = meanwhile
        self.clock = Clock(sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._meanwhile()


@pytest.fixture
def busy(registry: Served) -> Iterator[Proxy]:
    """A proxy before the registry, which answers as it is told."""
    with running(Proxy(registry.host)) as proxy:
        yield proxy


@pytest.mark.parametrize(
    ("where", "status", "times", "waits"),
    [
        ("POST /v2/out/blobs", 429, None, 1),
        ("(HEAD|PUT) /v2/out/manifests", 503, None, 1),
        ("POST /v2/out/blobs", 503, 2, 0),  # within BuildKit's own patience
    ],
)
def test_a_registry_that_is_busy_for_a_while(
    desk: Desk, worker: Worker, home: Called, busy: Proxy, where: str, status: int, times: int | None, waits: int
) -> None:
    name, pauses = uuid4().hex, Waits(busy.faults.clear)
    busy.faults.append(Fault(where, status=status, times=times))
    asked = desk.request(tags=(parse_reference(f"{busy.host}/out"),))
    found = desk.build(f"FROM base\nRUN {home.command(name)}; echo {name} >/key\n", worker, asked, clock=pauses.clock)
    assert isinstance(found, Built), found
    assert home.calls == {name: 1}
    assert len(pauses.slept) == waits
    assert tool("crane", "digest", "--insecure", f"{desk.registry}/out@{found.digest}") == found.digest
    assert desk.told.getvalue().count("the image could not be pushed, trying again in") == waits


@pytest.mark.parametrize(
    ("where", "status", "waits", "phase", "denied"),
    [
        ("POST /v2/out/blobs", 429, 3, "export", False),
        ("POST /v2/out/blobs", 403, 0, "export", True),
        ("/v2/base/", 429, 3, "resolve", False),
        ("/v2/base/", 401, 0, "resolve", True),
    ],
)
def test_a_registry_that_stays_so(
    desk: Desk, worker: Worker, home: Called, busy: Proxy, where: str, status: int, waits: int, phase: str, denied: bool
) -> None:
    name, clock = uuid4().hex, Waits()
    busy.faults.append(Fault(where, status=status))
    tag = desk.base.partition("@")[0].replace(desk.registry, busy.host)
    asked = desk.request(tags=(parse_reference(f"{busy.host}/out"),))
    dockerfile = f"FROM {tag + ':1' if phase == 'resolve' else 'base'}\nRUN {home.command(name)}; echo {name} >/key\n"
    found = desk.build(dockerfile, worker, asked, clock=clock.clock)
    assert isinstance(found, RegistryFailed), found
    assert (found.phase, found.denied, len(clock.slept)) == (phase, denied, waits)
    assert str(status) in found.cause
    assert home.calls == ({name: 1} if phase == "export" else {})


def test_no_command_is_run_twice_where_its_result_is_gone(
    desk: Desk, worker: Worker, home: Called, busy: Proxy, docker_engine: PrivateEngine
) -> None:
    """Another worker of a pool, or one that made room: the build is stopped before it runs the command again."""
    name = uuid4().hex
    waits = Waits(lambda: docker_engine.docker("builder", "prune", "--all", "--force"))
    busy.faults.append(Fault("POST /v2/out/blobs", status=429))
    asked = desk.request(tags=(parse_reference(f"{busy.host}/out"),))
    dockerfile = f"FROM base\nRUN {home.command(name)}; sleep 1; echo {name} >/key\n"
    found = desk.build(dockerfile, worker, asked, clock=waits.clock)
    assert isinstance(found, RegistryFailed), found
    assert len(waits.slept) == 1
    assert desk.commands_run() <= 2
    assert "no further attempt" in desk.told.getvalue()


def test_the_layer_cache_of_a_worker(
    desk: Desk, worker: Worker, home: Called, busy: Proxy, docker_engine: PrivateEngine
) -> None:
    """One that cannot be written is a remark to a good push; one that is there makes the next build run nothing."""
    name, cache = uuid4().hex, f"cache-{uuid4().hex}"
    dockerfile = f"FROM base\nRUN {home.command(name)}; echo {name} >/key\n"
    options = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
    there, gone = (f"type=registry,ref={host}/{cache}:c" for host in (busy.host, desk.registry))
    busy.faults.append(Fault(f"PUT /v2/{cache}/manifests", status=503))
    found = desk.build(dockerfile, worker, desk.request(cache_to=(f"{there},{options}",), cache_from=(gone,)))
    assert isinstance(found, Built), found
    (problem,) = found.cache_problems  # that there was none to read is no problem
    assert re.fullmatch("exporting cache to registry: .*503 Service Unavailable", problem), problem
    busy.faults.clear()

    assert isinstance(desk.build(dockerfile, worker, desk.request(cache_to=(f"{there},{options}",))), Built)
    docker_engine.docker("builder", "prune", "--all", "--force")
    again = desk.build(dockerfile, worker, desk.request(cache_from=(there, gone)))
    assert isinstance(again, Built)
    assert (again.steps, again.cache_problems) == (Steps(1, 1), ())
    assert home.calls == {name: 1}


SCRIPT = """
import sys
from pathlib import Path
from imageyard.builders import buildx, remote
from imageyard.builders.request import BuildRequest
from imageyard.console import Story

request, story = BuildRequest(Path(), Path("Dockerfile"), "linux/amd64"), Story()
try:
    with story.board("row") as board:
        remote.build(
            request, remote.Worker(sys.argv[1], insecure=True), program=buildx.find(), board=board,
            raw=Path(sys.argv[2], "raw"), story=story,
        )
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_interrupted_while_it_waits(tmp_path: Path) -> None:
    """At once, and nothing of buildx is left: neither a process nor a folder."""
    with late_port() as nobody:
        address = "tcp://{}:{}".format(*nobody.getsockname())
        argv = [sys.executable, "-c", SCRIPT, address, str(tmp_path)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as child:
            assert child.stdout
            assert child.stderr
            assert b"waiting for tcp://" in child.stderr.readline()
            while not _commands("build", str(tmp_path)):
                assert child.poll() is None
                time.sleep(0.05)
            child.send_signal(signal.SIGINT)
            assert child.stdout.read() == b"interrupted\n"
    assert child.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    assert _commands(str(tmp_path)) == []


def _commands(*words: str) -> list[str]:
    """The command lines of this machine's processes that hold these arguments, or parts of them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if "docker-buildx" in line and all(word in line for word in words):
                found.append(line)
    return found
