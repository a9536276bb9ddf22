"""Builds by the real buildx on real engines, one with each image store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from imageyard.builders import buildx
from imageyard.builders.request import BuildRequest, Built, Failed, Lost, Outcome, Steps, Unreachable
from imageyard.names import parse_reference
from support.engine.private import PrivateEngine
from support.engine.socket_relay import Relay
from support.sealed.folders import sealed

pytestmark = [pytest.mark.engine, pytest.mark.mirror]

BASE = "imageyard.local/base/busybox:1"


class Board:
    """What a build told while it ran; `on_log` is called with each line that a step writes."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.on_log = lambda line: None

    def step_started(self, name: str) -> None:
        self.told.append(f"started {name}")

    def step_cached(self, name: str) -> None:
        self.told.append(f"cached {name}")

    def step_done(self, name: str, seconds: float) -> None:
        assert seconds >= 0
        self.told.append(f"done {name}")

    def log(self, line: str) -> None:
        self.told.append(f"| {line}")
        self.on_log(line)


class Bench:
    """One engine, and what a test builds there."""

    def __init__(self, private: PrivateEngine, folder: Path) -> None:
        self.private, self.raw, self.board = private, folder / "raw.jsonl", Board()
        self.program = buildx.find()
        self.tag = parse_reference(f"imageyard.local/ci:{uuid4().hex}")
        self.request = BuildRequest(
            Path(), Path(), "linux/amd64", contexts={"base": f"docker-image://{BASE}"}, tags=(self.tag,)
        )

    def build(self, text: str, files: Mapping[str, str] | None = None, **options: object) -> Outcome:
        """Build with changes to the request; `env` and `timeout` are passed on."""
        passed = {key: options.pop(key) for key in ("env", "timeout") if key in options}
        context = sealed(text, files or {}, self.raw.parent / uuid4().hex)
        asked = replace(self.request, context=context.folder, dockerfile=context.dockerfile)
        return buildx.build(
            replace(asked, **options),  # type: ignore[arg-type]
            program=self.program,
            board=self.board,
            raw=self.raw,
            **{"env": self.private.env, **passed},  # type: ignore[arg-type]
        )


@pytest.fixture(params=["containerd", "classic"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    classic = request.param == "classic"
    request.getfixturevalue("classic_busybox_base" if classic else "busybox_base")
    made = Bench(request.getfixturevalue("classic_engine" if classic else "docker_engine"), tmp_path)
    yield made
    made.private.engine.untag(str(made.tag))


@pytest.fixture
def containerd(docker_engine: PrivateEngine, busybox_base: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(docker_engine, tmp_path)
    yield made
    made.private.engine.untag(str(made.tag))


def test_build_load_and_build_again(bench: Bench) -> None:
    key = uuid4().hex
    dockerfile = f"FROM base AS tools\nRUN echo {key} | tee /key\nFROM tools\nCOPY data.txt /data.txt\nWORKDIR /w\n"
    files = {"data.txt": "data"}
    built = bench.build(dockerfile, files, labels={"mine": key})
    assert isinstance(built, Built), built
    assert built.steps.total == 3
    assert f"| {key}" in bench.board.told
    assert f"done [tools 1/2] RUN echo {key} | tee /key" in bench.board.told
    loaded = bench.private.engine.inspect(str(bench.tag))
    assert loaded is not None
    assert (loaded.id, loaded.digest, loaded.labels["mine"]) == (built.image_id, built.digest, key)
    assert (built.digest is None) == (bench.private.store == "classic")
    assert bench.private.engine.run(str(bench.tag), ["cat", "/data.txt", "/key"]).out.decode() == f"data{key}\n"

    again = bench.build(dockerfile, files, labels={"mine": key})
    assert isinstance(again, Built)
    assert (again.steps, again.image_id) == (Steps(3, 3), built.image_id)
    for line in bench.raw.read_text().splitlines():
        assert json.loads(line)


def test_the_oldest_buildx(bench: Bench, old_buildx: str) -> None:
    bench.program = old_buildx
    assert buildx.version(old_buildx).startswith("0.13.")
    key = uuid4().hex
    dockerfile = f"FROM base\nRUN echo {key}\nWORKDIR /w\n"
    for cached in (0, 2):
        built = bench.build(dockerfile)
        assert isinstance(built, Built), built
        assert built.steps == Steps(2, cached)
        loaded = bench.private.engine.inspect(str(bench.tag))
        assert loaded is not None
        assert (loaded.id, loaded.digest) == (built.image_id, built.digest)
    assert f"| {key}" in bench.board.told

    failed = bench.build(f"FROM base\nRUN echo {key}\nRUN echo last; exit 9\n")
    assert isinstance(failed, Failed), failed
    assert (failed.line, failed.exit_code, failed.lines) == (3, 9, ("last",))
    refused = bench.build("FROM base\nRUNN x\n")
    assert isinstance(refused, Failed), refused
    assert (refused.line, refused.step) == (2, "RUNN x")
    gone = bench.build(dockerfile, env={"DOCKER_HOST": "unix:///nowhere.sock"})
    assert isinstance(gone, Unreachable), gone


def test_every_build_of_no_cache_runs(containerd: Bench) -> None:
    for _ in range(2):
        built = containerd.build("FROM base\nRUN echo same\n", no_cache=True)
        assert isinstance(built, Built)
        assert built.steps == Steps(1, 0)


def test_another_epoch_runs_commands_again_and_the_same_one_does_not(bench: Bench) -> None:
    """What a step downloads is outside its cache key; the epoch is in it, and leaves no trace in the image."""
    dockerfile = (
        f"FROM base\nRUN echo {uuid4().hex} > /key; cat /proc/sys/kernel/random/uuid > /drawn; cat /etc/hosts\n"
    )
    built: dict[str, list[str]] = {}
    for epoch in ("2026-11-21", "2026-11-28", "2026-11-21", ""):
        made = bench.build(dockerfile, epoch=epoch)
        assert isinstance(made, Built), made
        assert made.steps == Steps(1, 1 if epoch in built else 0)
        drawn = bench.private.engine.run(str(bench.tag), ["cat", "/drawn"]).out.decode()
        built.setdefault(epoch, []).append(drawn)
    assert len({tuple(set(drawn)) for drawn in built.values()}) == len(built) == 3
    assert built["2026-11-21"][0] == built["2026-11-21"][1]
    assert b".invalid" not in bench.private.engine.run(str(bench.tag), ["cat", "/etc/hosts"]).out


def test_a_step_that_fails(bench: Bench) -> None:
    """What its program writes about connections is not our connection."""
    key = uuid4().hex
    found = bench.build(
        f"FROM base\nRUN echo {key}\nRUN echo one; \\\n    echo 'read: connection reset by peer'; \\\n"
        "    echo 'rpc error: code = Unavailable desc = unexpected EOF' >&2; echo 'context canceled'; exit 42\n"
    )
    assert isinstance(found, Failed), found
    assert found.step.startswith("[2/3] RUN echo one;")
    assert (found.dockerfile, found.line, found.exit_code) == ("Dockerfile", 3, 42)
    assert sorted(found.lines) == [
        "context canceled", "one", "read: connection reset by peer",
        "rpc error: code = Unavailable desc = unexpected EOF",
    ]  # fmt: skip
    assert found.message == "exit code 42"
    assert found.steps == Steps(2, 0)
    assert bench.private.engine.inspect(str(bench.tag)) is None


@pytest.mark.parametrize(
    ("dockerfile", "line", "message"),
    [
        ("FROM base\nRUNN x\n", 2, "unknown instruction: RUNN"),
        ("FROM base\nRUN true\nCOPY nowhere.txt /x\n", 3, '"/nowhere.txt": not found'),
        ("FROM base\nCOPY --from=nowhere /a /b\n", 2, "nowhere"),
        ("FROM base\nFROM\n", 2, "FROM requires either one or three arguments"),
        ("RUN true\n", 1, "no build stage in current context"),
        ("FROM base\nUSER nobody-there\nRUN true\n", 3, "nobody-there"),
    ],
)
def test_what_buildkit_refuses(containerd: Bench, dockerfile: str, line: int, message: str) -> None:
    found = containerd.build(dockerfile)
    assert isinstance(found, Failed), found
    assert (found.dockerfile, found.line) == ("Dockerfile", line)
    assert message in found.message
    assert found.step


def test_a_dockerfile_that_is_not_there(containerd: Bench, tmp_path: Path) -> None:
    found = containerd.build("FROM base\n", dockerfile=tmp_path / "other" / "Dockerfile")
    assert isinstance(found, Failed), found
    assert "other: no such file or directory" in found.message


def test_what_a_name_may_be_bound_to(bench: Bench, tmp_path: Path) -> None:
    """An image of the engine's own: by tag and digest with containerd's store, by tag alone on the classic one.

    By digest without its tag, neither store finds an image that was not asked for in that repository before: BuildKit
    turns to the registry.
    """
    base = bench.private.engine.inspect(BASE)
    assert base is not None
    repository = f"imageyard.local/{uuid4().hex}"
    bench.private.engine.tag(BASE, f"{repository}:1")
    for form, works in [
        (f"{repository}@{base.id}", False),
        (f"{repository}:1@sha256:{'0' * 64}", False),
        (f"{repository}:1", True),
        (f"{repository}:1@{base.id}", bench.private.store == "containerd"),
    ]:
        found = bench.build("FROM base\nRUN true\n", contexts={"base": f"docker-image://{form}"})
        assert isinstance(found, Built if works else Failed), (form, found)
    assert bench.private.engine.untag(f"{repository}:1")


def test_other_things_a_name_may_be_bound_to(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "word.txt").write_text("from a directory")
    contexts = {"debian:bookworm-slim": f"docker-image://{BASE}", "files": str(tmp_path / "files")}
    dockerfile = "ARG RELEASE\nFROM debian:$RELEASE\nCOPY --from=files word.txt /word.txt\n"
    built = bench.build(dockerfile, contexts=contexts, args={"RELEASE": "bookworm-slim"})
    assert isinstance(built, Built), built
    assert bench.private.engine.run(str(bench.tag), ["cat", "/word.txt"]).out == b"from a directory"


def test_secrets_are_used_and_not_shown(
    containerd: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUB_TOKEN", "hunter2-value")
    (tmp_path / "a,b.txt").write_text("from-a-file-3\nsecond-line-4\n")
    secrets = (("token", "env", "HUB_TOKEN"), ("file", "file", str(tmp_path / "a,b.txt")))
    mounts = "--mount=type=secret,id=token --mount=type=secret,id=file"
    dockerfile = (
        f"FROM base\nRUN {mounts} cat /run/secrets/token /run/secrets/file | md5sum >/sum\n"
        f"RUN {mounts} echo got $(cat /run/secrets/token); cat /run/secrets/file; exit 3\n"
    )
    found = containerd.build(dockerfile, secrets=secrets, no_cache=True)
    assert isinstance(found, Failed), found
    assert found.lines == ("got ***", "***", "***")
    assert "| got ***" in containerd.board.told
    shown = [containerd.raw.read_text(), str(found), *containerd.board.told, *capfd.readouterr()]
    for secret in ("hunter2", "from-a-file", "second-line"):
        assert not [text for text in shown if secret in text]
    built = containerd.build(dockerfile.rpartition("RUN")[0], secrets=secrets)
    assert isinstance(built, Built), built
    wanted = subprocess.run(
        ["md5sum"], input=b"hunter2-valuefrom-a-file-3\nsecond-line-4\n", capture_output=True, check=True
    )
    assert containerd.private.engine.run(str(containerd.tag), ["cat", "/sum"]).out == wanted.stdout


@pytest.mark.parametrize("provenance", ["off", "min", "max"])
def test_provenance(bench: Bench, provenance: str) -> None:
    found = bench.build("FROM base\nRUN true\n", provenance=provenance)
    if bench.private.store == "classic" and provenance != "off":
        assert isinstance(found, Failed), found
        assert found.message.startswith("Attestation is not supported for the docker driver.")
    else:
        assert isinstance(found, Built), found
        loaded = bench.private.engine.inspect(str(bench.tag))
        assert loaded is not None
        assert loaded.digest == found.digest
        assert bench.private.engine.run(str(bench.tag), ["true"], platform="linux/amd64").started


def test_no_engine(containerd: Bench, tmp_path: Path) -> None:
    for host in (f"unix://{tmp_path}/none.sock", "tcp://127.0.0.1:1"):
        found = containerd.build("FROM base\n", env={"DOCKER_HOST": host})
        assert isinstance(found, Unreachable), found
        assert host in found.cause


def test_an_engine_that_goes_away(containerd: Bench, tmp_path: Path) -> None:
    socket = tmp_path / "relay.sock"
    relay = Relay(socket, containerd.private.host.removeprefix("unix://"))
    containerd.board.on_log = lambda line: relay.cut() if line == "here" else None
    found = containerd.build(
        "FROM base\nRUN echo here; sleep 60\n", no_cache=True, env={"DOCKER_HOST": f"unix://{socket}"}
    )
    assert isinstance(found, Lost), found
    assert "error reading from server" in found.cause


def test_out_of_time(containerd: Bench) -> None:
    found = containerd.build("FROM base\nRUN echo here; sleep 600\n", no_cache=True, timeout=3.0)
    assert isinstance(found, Failed), found
    assert found.message == "the build did not end within 3 s"
    assert containerd.private.engine.inspect(str(containerd.tag)) is None


def test_a_users_own_builder_does_not_count(containerd: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "buildx"
    monkeypatch.setenv("BUILDX_CONFIG", str(config))
    subprocess.run(
        [buildx.find(), "create", "--name", "mine", "--driver", "remote", "tcp://127.0.0.1:1", "--use"],
        env={**os.environ, **containerd.private.env}, check=True, capture_output=True,
    )  # fmt: skip
    assert isinstance(containerd.build("FROM base\n"), Built)


SCRIPT = """
import sys
from pathlib import Path
from imageyard.builders import buildx
from imageyard.builders.request import BuildRequest
from imageyard.console import Story
from imageyard.names import parse_reference

class Board:
    def step_started(self, name): pass
    def step_cached(self, name): pass
    def step_done(self, name, seconds): pass
    def log(self, line): print(line, flush=True)

tags = (parse_reference({tag!r}),)
context, dockerfile, raw = Path({context!r}), Path({dockerfile!r}), Path({raw!r})
request = BuildRequest(context, dockerfile, "linux/amd64", contexts={contexts!r}, tags=tags, no_cache=True)
try:
    buildx.build(request, program=buildx.find(), board=Board(), raw=raw, env={env!r})
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("leader", [False, True], ids=["in a terminal", "as nox -j starts it"])
def test_interrupted(containerd: Bench, tmp_path: Path, leader: bool) -> None:
    """No child is left, no image, and the step that ran is stopped."""
    key = uuid4().hex
    dockerfile = f"FROM base\nRUN echo {key}; while : {key}; do sleep 1; done\n"
    context = sealed(dockerfile, {}, tmp_path / "sealed")
    script = SCRIPT.format(
        contexts=dict(containerd.request.contexts), tag=str(containerd.tag), context=str(context.folder),
        dockerfile=str(context.dockerfile), raw=str(containerd.raw), env=containerd.private.env,
    )  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        start_new_session=leader,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert child.stdout is not None
    assert child.stdout.readline().decode().strip() == key
    assert [line for line in _commands_with(f"--tag {containerd.tag}") if "docker-buildx build" in line]
    assert _commands_with(f"while : {key}")
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate()
    assert out.decode() == "interrupted\n"
    assert _commands_with(f"--tag {containerd.tag}") == []
    assert _commands_with(f"while : {key}") == []
    assert not list(tmp_path.glob("imageyard-buildx-*"))
    assert containerd.private.engine.inspect(str(containerd.tag)) is None


def _commands_with(words: str) -> list[str]:
    """The command lines of this machine's processes that hold these words, those in containers among them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in line:
            found.append(line)
    return found
