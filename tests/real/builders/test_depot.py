"""The real Depot CLI through a control plane on this machine, its builders being private engines."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from imageyard.builders import depot as builder
from imageyard.builders.request import BuildRequest, Built, Failed, Lost, Outcome, Unreachable
from imageyard.errors import ConfigurationError, EnvironmentLacks, NotFound, Transient
from imageyard.oci.manifests import Index, Manifest
from imageyard.registry.states import inspect
from imageyard.treebase import Link
from support.depot.plane import TOKEN, Plane
from support.engine.socket_relay import Relay
from support.registry.served import PASSWORD, USER, Served
from support.sealed.folders import sealed

pytestmark = [pytest.mark.engine, pytest.mark.mirror]

BOTH = "linux/amd64,linux/arm64"
APART = "FROM scratch\nARG TARGETARCH\nCOPY word /word-$TARGETARCH\n"
"""Depot has a builder for each platform; here one engine is both, and two builds that make one layer at one moment
disturb each other (`failed to commit ... snapshot does not exist`, moby 28): layers of platforms are different ones."""


class Board:
    """What a build told while it ran; `on_log` is called with each line that a step writes."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.on_log: Callable[[str], None] = lambda line: None

    def step_started(self, name: str) -> None:
        self.told.append(f"started {name}")

    def step_cached(self, name: str) -> None:
        self.told.append(f"cached {name}")

    def step_done(self, name: str, seconds: float) -> None:
        self.told.append(f"done {name}")

    def log(self, line: str) -> None:
        self.told.append(f"| {line}")
        self.on_log(line)


class Bench:
    """A control plane, a registry, and what a test builds there."""

    def __init__(self, program: str, plane: Plane, registry: Served, root: bytes, folder: Path) -> None:
        self.program, self.plane, self.registry, self.root = program, plane, registry, root
        self.raw, self.board = folder / "raw.jsonl", Board()
        self.repository = registry.reference(f"depot-{uuid4().hex[:12]}")

    def build(self, dockerfile: str, files: Mapping[str, str] | None = None, **options: object) -> Outcome:
        """Build with changes to the request; `timeout` is passed on."""
        timeout, links = options.pop("timeout", None), dict(options.pop("links", {}))  # type: ignore[call-overload]
        root = {"root.tar": self.root} if "root.tar" in dockerfile else {}
        files = {**root, **(files or {}), **{name: Link(text) for name, text in links.items()}}
        context = sealed(dockerfile, files, self.raw.parent / uuid4().hex)
        request = BuildRequest(context.folder, context.dockerfile, "linux/amd64", tags=(self.repository,))
        return builder.build(
            replace(request, **options),  # type: ignore[arg-type]
            program=self.program,
            project="p1",
            board=self.board,
            raw=self.raw,
            timeout=timeout,  # type: ignore[arg-type]
        )

    def read(self, built: Outcome) -> Index | Manifest:
        """What the registry has of a build, all of it."""
        assert isinstance(built, Built), built
        assert built.digest
        seen = inspect(self.registry.client(), self.repository.with_digest(built.digest), thorough=True)
        return seen.root

    def tags(self) -> list[str]:
        """Debian's registry does not know a repository that has manifests and no tag."""
        try:
            return list(self.registry.client().tags(self.repository))
        except NotFound:
            return []


@pytest.fixture
def bench(
    depot: str, plane: Plane, registry: Served, busybox_tar: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith(("DEPOT_", "ACTIONS_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name, value in plane.env.items():
        monkeypatch.setenv(name, value)
    return Bench(depot, plane, registry, busybox_tar, tmp_path)


@pytest.mark.parametrize("provenance", ["off", "max"])
@pytest.mark.parametrize("platform", ["linux/amd64", BOTH])
def test_the_registry_has_what_the_metadata_says(bench: Bench, platform: str, provenance: str) -> None:
    key = uuid4().hex
    dockerfile = f"FROM scratch\nARG TARGETARCH\nCOPY word /{key}-$TARGETARCH\nWORKDIR /w\n"
    built = bench.build(dockerfile, {"word": key}, platform=platform, provenance=provenance, labels={"mine": key})
    root = bench.read(built)
    wanted = platform.split(",")
    if platform == BOTH or provenance == "max":
        assert isinstance(root, Index)
        images = [entry for entry in root.manifests if entry.attests is None]
        assert sorted(entry.platform or "" for entry in images) == wanted
        attested = {entry.attests for entry in root.manifests} - {None}
        assert attested == ({entry.digest for entry in images} if provenance == "max" else set())
    else:
        assert isinstance(root, Manifest)
        assert root.is_image
    assert bench.tags() == [], "pushed by digest alone"
    assert isinstance(built, Built)
    assert built.steps.total == 2 * len(wanted)
    assert [(build.project, sorted(build.builders), build.result) for build in bench.plane.builds] == [
        ("p1", [name.removeprefix("linux/") for name in wanted], "success")
    ]
    for line in bench.raw.read_text().splitlines():
        assert json.loads(line)


def test_what_a_file_holds_now_is_built_whatever_was_sent_before(bench: Bench) -> None:
    """Files of the same size and time: BuildKit would take what it has."""
    found = []
    for word in ("one", "two", "one"):
        built = bench.build(APART, {"word": word}, platform=BOTH)
        assert isinstance(built, Built)
        root = bench.read(built)
        assert isinstance(root, Index)
        found.append({entry.digest for entry in root.manifests})
    assert found[0] == found[2]
    assert not found[0] & found[1]


def test_one_platform_and_several_make_the_same_image(bench: Bench) -> None:
    """Whatever an ignore file in the context says: it was heeded when the context was sealed."""
    dockerfile = (
        f"FROM scratch\nARG TARGETARCH\nCOPY . /c-$TARGETARCH-{uuid4().hex}/\nCOPY in/ /d-$TARGETARCH/\nWORKDIR /w\n"
    )
    files = {
        ".dockerignore": "*\n!in\n",
        "in/word": "x",
        "in/deep/er": "y",
        "ä b": "z",
        "sub/Dockerfile.dockerignore": "in\n",
    }
    times = {"reproducible": True, "args": {"SOURCE_DATE_EPOCH": "946684800"}}
    one = bench.read(bench.build(dockerfile, files, links={"in/link": "../ä b"}, **times))
    both = bench.read(bench.build(dockerfile, files, links={"in/link": "../ä b"}, platform=BOTH, **times))
    assert isinstance(both, Index)
    assert {entry.platform: entry.digest for entry in both.manifests}["linux/amd64"] == one.digest


def test_a_step_that_fails_is_run_once(bench: Bench) -> None:
    words = "error reading from server: connection reset by peer: unexpected EOF"
    run = f'echo "{words}"; echo before-{uuid4().hex}; exit 42'
    failed = bench.build(f"FROM scratch\nADD root.tar /\nRUN {run}\n")
    assert isinstance(failed, Failed), failed
    assert (failed.exit_code, failed.step, failed.lines[0]) == (42, f"[2/2] RUN {run}", words)
    assert len(bench.plane.builds) == 1
    assert bench.plane.builds[0].result == "error"
    assert sum("before-" in line for line in bench.board.told if line.startswith("|")) == 1
    refused = bench.build("FROM scratch\nRUNN x\n")
    assert isinstance(refused, Failed), refused
    assert (refused.line, "RUNN" in refused.message) == (2, True)


def test_one_platform_that_fails_fails_the_build(bench: Bench) -> None:
    dockerfile = "FROM scratch\nARG TARGETARCH\nCOPY only-$TARGETARCH /\n"
    failed = bench.build(dockerfile, {"only-amd64": "x"}, platform=BOTH)
    assert isinstance(failed, Failed), failed
    assert failed.step == "[linux/arm64 1/1] COPY only-arm64 /"
    assert (len(bench.plane.builds), bench.tags()) == (1, [])


@pytest.mark.parametrize("token", ["wrong", ""])
def test_a_login_that_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("DEPOT_TOKEN", token)
    refused = bench.build("FROM scratch\nCOPY word /\n", {"word": "x"})
    assert isinstance(refused, builder.Refused), refused
    place = "the token of DEPOT_TOKEN" if token else "DEPOT_TOKEN, then what `depot login` wrote, then GitHub's OIDC"
    assert place in refused.cause
    assert bench.plane.builds == []
    assert "wrong" not in bench.raw.read_text()


def test_what_depot_login_wrote_is_read(bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DEPOT_TOKEN")
    file = tmp_path / ".config" / "depot" / "depot.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(f"api_token: {TOKEN}\n")
    bench.read(bench.build("FROM scratch\nCOPY word /\n", {"word": "x"}))


def test_what_is_in_the_environment_changes_no_build(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DEPOT_PROJECT_ID": "other",
        "DEPOT_BUILD_ID": "other",
        "DEPOT_BUILD_PLATFORM": "linux/arm64",
        "DOCKER_DEFAULT_PLATFORM": "linux/arm64",
        "SOURCE_DATE_EPOCH": "1",
    }.items():
        monkeypatch.setenv(name, value)
    bench.read(bench.build("FROM scratch\nCOPY word /\n", {"word": "x"}))
    (build,) = bench.plane.builds
    assert (build.project, build.builders) == ("p1", ["amd64"])
    assert bench.plane.asked[0] == "CreateBuild"


def test_a_control_plane_that_is_down(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for address, words in (("http://127.0.0.1:1", "connection refused"), ("http://nowhere.invalid", "lookup")):
        monkeypatch.setenv("DEPOT_API_URL", address)
        gone = bench.build("FROM scratch\nCOPY word /\n", {"word": "x"})
        assert isinstance(gone, Unreachable), gone
        assert not isinstance(gone, builder.Refused)
        assert words in gone.cause


def test_a_control_plane_from_which_nothing_comes_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CLI would dial for ever. A queue that is full drops what comes (listen(2), Linux)."""
    monkeypatch.setattr(builder, "PATIENCE", 0.3)
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = opened.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("DEPOT_API_URL", f"http://{host}")
        gone = bench.build("FROM scratch\nCOPY word /\n", {"word": "x"})
    assert gone == Unreachable(f"{host} did not answer within 0 s")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("resource_exhausted", Transient),
        ("unavailable", Transient),
        ("internal", Transient),
        ("not_found", ConfigurationError),
        ("invalid_argument", ConfigurationError),
    ],
)
def test_a_build_that_depot_does_not_create(bench: Bench, code: str, kind: type[Exception]) -> None:
    """Depot answered and knew us: another builder would hide what it said."""
    bench.plane.refusing["CreateBuild"] = code, "the words of Depot"
    with pytest.raises(kind, match=r"Depot does not build|the words of Depot"):
        bench.build("FROM scratch\nCOPY word /\n", {"word": "x"})
    assert bench.plane.asked.count("CreateBuild") == 1


def test_no_machine_after_the_build_was_created(bench: Bench) -> None:
    bench.plane.refusing["GetBuildKitConnection"] = "unavailable", "no machine is free"
    lost = bench.build("FROM scratch\nCOPY word /\n", {"word": "x"})
    assert isinstance(lost, Lost), lost
    assert "launching amd64 machine" in lost.cause
    assert "no machine is free" in lost.cause
    assert bench.plane.asked.count("CreateBuild") == 1


def test_a_machine_that_goes_away_in_mid_build(bench: Bench, machine: Relay) -> None:
    bench.board.on_log = lambda line: machine.cut() if line == "begun" else None
    lost = bench.build(f"FROM scratch\nADD root.tar /\nRUN echo {uuid4().hex}; echo begun; sleep 600\n")
    assert isinstance(lost, Lost), lost
    assert bench.plane.asked.count("CreateBuild") == 1
    assert bench.tags() == []


def test_a_build_that_takes_too_long(bench: Bench) -> None:
    late = bench.build(f"FROM scratch\nADD root.tar /\nRUN echo {uuid4().hex}; sleep 600\n", timeout=4)
    assert isinstance(late, Failed), late
    assert late.message == "the build did not end within 4 s"
    assert [build.result for build in bench.plane.builds] == ["canceled"]


def test_no_secret_and_no_token_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_TOKEN", "open-sesame")
    run = "RUN --mount=type=secret,id=hub cat /run/secrets/hub && wc -c < /run/secrets/hub"
    built = bench.build(f"FROM scratch\nADD root.tar /\n{run}\n", secrets=(("hub", "env", "HUB_TOKEN"),))
    assert isinstance(built, Built), built
    assert "| ***11" in bench.board.told
    assert not {"open-sesame", TOKEN} & set(bench.raw.read_text().split('"'))


@pytest.mark.parametrize("platform", ["linux/amd64", BOTH])
def test_a_registry_with_a_password(
    bench: Bench, locked_registry: Served, platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The builders push an image, and the CLI itself the index: both as our Docker configuration says."""
    bench.registry, bench.repository = locked_registry, locked_registry.reference(bench.repository.repository)
    for name, login in (("none", {}), ("right", {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"auths": {locked_registry.host: login}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    assert not isinstance(bench.build(APART, {"word": "x"}, platform=platform), Built)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "right"))
    bench.read(bench.build(APART, {"word": "x"}, platform=platform))
    assert bench.tags() == []


def test_the_cli_is_found_and_said_how_to_install(depot: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert builder.version(depot).startswith("2.102.")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(EnvironmentLacks, match="the Depot CLI is not installed") as caught:
        builder.find()
    assert any("install-cli.sh" in line for line in caught.value.hint)
    place = tmp_path / ".depot" / "bin" / "depot"
    place.parent.mkdir(parents=True)
    place.symlink_to(depot)
    assert builder.find() == str(place)
