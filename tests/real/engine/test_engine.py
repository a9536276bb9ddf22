"""The engine: how it is found, what it holds, and programs that run in its images."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from imageyard.engine import Container, Engine
from imageyard.errors import EnvironmentLacks, NotFound
from support.engine.private import PrivateEngine

pytestmark = [pytest.mark.engine, pytest.mark.mirror]


@pytest.fixture
def engine(docker_engine: PrivateEngine) -> Engine:
    return docker_engine.engine


@pytest.fixture(params=["containerd", "classic"])
def either(request: pytest.FixtureRequest) -> PrivateEngine:
    """Each of the two engines, its base image loaded."""
    classic = request.param == "classic"
    request.getfixturevalue("classic_busybox_base" if classic else "busybox_base")
    found: PrivateEngine = request.getfixturevalue("classic_engine" if classic else "docker_engine")
    return found


@pytest.fixture
def label(docker_engine: PrivateEngine) -> Iterator[str]:
    """A label of this test's own; what carries it is gone afterwards."""
    name = f"imageyard.test={uuid4().hex}"
    yield name
    for container in docker_engine.engine.containers(name):
        docker_engine.engine.remove(container.id)


class TestFinding:
    @pytest.fixture(autouse=True)
    def nowhere(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))

    def test_by_docker_host(self, docker_engine: PrivateEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_HOST", docker_engine.host)
        found = Engine.find()
        assert (found.origin, found.env) == (f"DOCKER_HOST={docker_engine.host}", {})
        assert found.version == docker_engine.docker("version", "--format", "{{.Server.Version}}")
        assert found.host == docker_engine.host

    @pytest.mark.parametrize("how", ["DOCKER_CONTEXT", "use"])
    def test_by_context(self, docker_engine: PrivateEngine, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
        subprocess.run(
            ["docker", "context", "create", "elsewhere", "--docker", f"host={docker_engine.host}"],
            check=True,
            capture_output=True,
        )
        if how == "use":
            subprocess.run(["docker", "context", "use", "elsewhere"], check=True, capture_output=True)
        else:
            monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
        found = Engine.find()
        assert found.origin == ("the current context" if how == "use" else "context elsewhere")
        assert found.image_store == "containerd"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"DOCKER_HOST": "unix:///nowhere.sock"},
            {"DOCKER_CONTEXT": "nonesuch"},
            {"DOCKER_HOST": "tcp://127.0.0.1:1", "DOCKER_TLS_VERIFY": "1"},
        ],
    )
    def test_else_the_local_stack(
        self, docker_engine: PrivateEngine, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
    ) -> None:
        for name, value in wrong.items():
            monkeypatch.setenv(name, value)
        socket = Path(docker_engine.host.removeprefix("unix://"))
        found = Engine.find(socket)
        assert found.origin == f"the local stack at {socket}"
        assert found.host == docker_engine.host
        assert found.info["ServerVersion"] == found.version

    def test_none(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
        with pytest.raises(EnvironmentLacks, match="no Docker engine answers") as caught:
            Engine.find(tmp_path / "stack.sock")
        host = f"unix://{tmp_path}/none.sock"
        assert caught.value.detail == (
            f"DOCKER_HOST={host}: Cannot connect to the Docker daemon at {host}. Is the docker daemon running?",
        )
        assert caught.value.hint == ("nox -s install_stack local_stack",)

    def test_not_installed(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(EnvironmentLacks, match="docker is not installed") as caught:
            Engine.find()
        assert caught.value.hint == ("nox -s install_stack local_stack",)

    def test_not_allowed(self, docker_engine: PrivateEngine, tmp_path: Path) -> None:
        socket = docker_engine.host.removeprefix("unix://")
        said = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", "docker", "version", "--format", "{{.Server.Version}}"],
            env={**os.environ, **docker_engine.env, "HOME": "/nonexistent"}, capture_output=True, check=False,
        ).stderr.decode()  # fmt: skip
        assert "permission denied" in said
        docker = tmp_path / "docker"
        docker.write_text(f"#!/bin/sh\ncat >&2 <<'E'\n{said}E\nexit 1\n")
        docker.chmod(0o755)
        code = (
            "import os\nfrom imageyard.engine import Engine\nfrom imageyard.errors import EnvironmentLacks\n"
            "try: Engine.find()\nexcept EnvironmentLacks as error: print(error)\n"
        )
        nowhere = f"unix://{tmp_path}/docker.sock"  # as root we could open the real one
        env = {**os.environ, "DOCKER_HOST": nowhere, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout.decode()
        assert socket in told
        assert "next: sudo usermod -aG docker $USER" in told


class TestImages:
    def test_inspect(self, either: PrivateEngine) -> None:
        name = "imageyard.local/base/busybox:1"  # other files give the image names of their own
        found = either.engine.inspect(name)
        assert found is not None
        assert found.id.startswith("sha256:")
        assert found.digest == (found.id if either.store == "containerd" else None)
        assert found.platform == "linux/amd64"
        assert name in found.tags
        assert found.size > 100_000
        assert found.created.startswith("20")

    def test_store_and_driver(self, either: PrivateEngine) -> None:
        assert either.engine.image_store == either.store
        assert either.engine.storage in ("overlay2", "overlayfs", "vfs", "native")

    def test_inspect_what_is_not_there(self, either: PrivateEngine) -> None:
        assert either.engine.inspect("imageyard.local/none:1") is None
        assert either.engine.inspect("sha256:" + "0" * 64) is None

    def test_tag_and_untag(self, either: PrivateEngine) -> None:
        name = f"imageyard.local/ci:{uuid4().hex}"
        either.engine.tag("imageyard.local/base/busybox:1", name)
        tagged, base = either.engine.inspect(name), either.engine.inspect("imageyard.local/base/busybox:1")
        assert tagged is not None
        assert base is not None
        assert tagged.id == base.id
        assert either.engine.untag(name) is True
        assert either.engine.inspect(name) is None
        assert either.engine.untag(name) is False
        assert either.engine.inspect("imageyard.local/base/busybox:1") is not None

    def test_tag_what_is_not_there(self, either: PrivateEngine) -> None:
        with pytest.raises(NotFound, match=r"no image imageyard\.local/none:1"):
            either.engine.tag("imageyard.local/none:1", "imageyard.local/ci:x")

    def test_images_by_label(self, either: PrivateEngine) -> None:
        key, names = uuid4().hex, [f"imageyard.local/ci:{uuid4().hex}" for _ in range(2)]
        for name in names:
            either.docker(
                "build",
                "--quiet",
                "--label",
                f"mine={key}",
                "--tag",
                name,
                "-",
                stdin=b"FROM imageyard.local/base/busybox:1\n",
            )
        found = either.engine.images(f"mine={key}")
        assert sorted(tag for image in found for tag in image.tags) == sorted(names)
        assert all(image.labels["mine"] == key for image in found)
        for name in names:
            assert either.engine.untag(name)
        assert either.engine.images(f"mine={key}") == ()

    @pytest.mark.parametrize("provenance", ["--provenance=false", "--provenance=mode=min"])
    def test_an_image_for_another_machine(
        self, docker_engine: PrivateEngine, busybox_base: str, busybox_tar: bytes, provenance: str
    ) -> None:
        name = f"imageyard.local/ci:{uuid4().hex}"
        base = f"imageyard.local/base/busybox:arm64-{uuid4().hex}"
        docker_engine.docker("import", "--platform", "linux/arm64", "-", base, stdin=busybox_tar)
        options = ["--platform", "linux/arm64", provenance, "--tag", name]
        docker_engine.docker("buildx", "build", "--load", *options, "-", stdin=f"FROM {base}\nWORKDIR /w\n".encode())
        found = docker_engine.engine.inspect(name)
        assert found is not None
        assert (found.platform, found.tags) == ("linux/arm64", (name,))
        assert found.digest == found.id
        assert docker_engine.engine.untag(name)

    @pytest.mark.parametrize(
        ("host", "says"),
        [
            ("unix:///nowhere/docker.sock", "Cannot connect to the Docker daemon at unix:///nowhere/docker.sock"),
            ("tcp://engine.invalid:1", "error during connect: .*no such host"),
        ],
    )
    def test_an_engine_that_went_away_is_not_an_image_that_is_not_there(self, host: str, says: str) -> None:
        gone = Engine("docker", "the test", {"DOCKER_HOST": host, "DOCKER_CONTEXT": "", "DOCKER_TLS_VERIFY": ""})
        for ask in (
            lambda: gone.inspect("imageyard.local/base/busybox:1"),
            lambda: gone.untag("imageyard.local/base/busybox:1"),
            lambda: gone.tag("imageyard.local/base/busybox:1", "imageyard.local/ci:x"),
            lambda: gone.images("mine"),
            lambda: gone.containers("mine"),
            lambda: gone.remove("mine"),
            lambda: gone.run("imageyard.local/base/busybox:1", ["true"]),
        ):
            with pytest.raises(EnvironmentLacks, match=says):
                ask()


class TestRunning:
    @pytest.mark.parametrize(
        ("argv", "code", "out", "err"),
        [
            (["true"], 0, b"", b""),
            (["sh", "-c", "echo out; echo err >&2; exit 3"], 3, b"out\n", b"err\n"),
            (["sh", "-c", "exit 125"], 125, b"", b""),
            (["sh", "-c", "exit 126"], 126, b"", b""),
            (["sh", "-c", "exit 127"], 127, b"", b""),
            (["sh", "-c", "kill -9 $$"], 137, b"", b""),
            (["sh", "-c", "echo 'docker: Error response' >&2; exit 125"], 125, b"", b"docker: Error response\n"),
            (["echo", "$HOME", "a b", "*"], 0, b"$HOME a b *\n", b""),
            (["printf", "\\377"], 0, b"\xff", b""),
        ],
    )  # fmt: skip
    def test_what_a_program_did(
        self, engine: Engine, busybox_base: str, argv: list[str], code: int, out: bytes, err: bytes
    ) -> None:
        ran = engine.run(busybox_base, argv)
        assert (ran.started, ran.code, ran.out, ran.err) == (True, code, out, err)

    @pytest.mark.parametrize(("program", "code"), [("nonesuch", 127), ("/bin/nonesuch", 127), ("/etc/passwd", 126)])
    def test_a_program_that_the_image_lacks_is_a_failed_command(
        self, engine: Engine, busybox_base: str, program: str, code: int
    ) -> None:
        ran = engine.run(busybox_base, [program, "--version"])
        assert (ran.started, ran.code) == (True, code)
        assert program in ran.err.decode()

    def test_an_image_that_is_not_there_is_not_pulled(self, engine: Engine) -> None:
        ran = engine.run("imageyard.local/none:1", ["true"])
        assert not ran.started
        assert b"No such image: imageyard.local/none:1" in ran.err

    def test_another_platform_than_the_images(self, engine: Engine, busybox_base: str) -> None:
        ran = engine.run(busybox_base, ["true"], platform="linux/s390x")
        assert not ran.started
        assert b"does not provide the specified platform" in ran.err

    def test_past_the_entry_point(self, docker_engine: PrivateEngine, busybox_base: str) -> None:
        name = f"imageyard.local/ci:{uuid4().hex}"
        dockerfile = f'FROM {busybox_base}\nENTRYPOINT ["false"]\nCMD ["x"]\n'
        docker_engine.docker("build", "--quiet", "--tag", name, "-", stdin=dockerfile.encode())
        assert docker_engine.engine.run(name, ["echo", "y"]).out == b"y\n"

    def test_without_a_network(self, engine: Engine, busybox_base: str) -> None:
        assert engine.run(busybox_base, ["ls", "/sys/class/net"]).out.split() == [b"lo"]
        assert engine.run(busybox_base, ["ls", "/sys/class/net"], network="bridge").out.split() == [b"eth0", b"lo"]

    def test_environment_and_labels(self, engine: Engine, busybox_base: str) -> None:
        ran = engine.run(busybox_base, ["sh", "-c", 'echo "$WORD"'], env={"WORD": "a $b"}, labels={"imageyard.x": "y"})
        assert ran.out == b"a $b\n"

    def test_nothing_stays(self, engine: Engine, busybox_base: str, label: str) -> None:
        key, value = label.split("=")
        engine.run(busybox_base, ["false"], labels={key: value})
        assert engine.containers(label) == ()

    def test_out_of_time(self, engine: Engine, busybox_base: str, label: str) -> None:
        key, value = label.split("=")
        stubborn = ["sh", "-c", "trap '' INT TERM; while :; do sleep 1; done"]
        with pytest.raises(TimeoutError):
            engine.run(busybox_base, stubborn, labels={key: value}, timeout=2.0)
        assert engine.containers(label) == ()

    @pytest.mark.parametrize("leader", [False, True], ids=["in a terminal", "as nox -j starts it"])
    def test_interrupted(
        self, docker_engine: PrivateEngine, busybox_base: str, label: str, tmp_path: Path, leader: bool
    ) -> None:
        """The container is gone when the interrupt has been dealt with, even one that ignores signals."""
        engine = docker_engine.engine
        key, value = label.split("=")
        script = tmp_path / "script.py"
        script.write_text(
            "from imageyard.engine import Engine\n"
            f"engine = Engine('docker', 'the test', {docker_engine.env!r})\n"
            "try:\n"
            f"    engine.run({busybox_base!r}, ['sh', '-c', \"trap '' INT TERM; while :; do sleep 1; done\"],"
            f" labels={{{key!r}: {value!r}}})\n"
            "except KeyboardInterrupt:\n"
            f"    print('left:', engine.containers({label!r}))\n"
        )
        child = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, start_new_session=leader)
        events = ["events", "--since", "0", "--filter", f"label={label}", "--filter", "event=start"]
        with subprocess.Popen(
            ["docker", *events], env={**os.environ, **docker_engine.env}, stdout=subprocess.PIPE
        ) as watch:
            assert watch.stdout is not None
            watch.stdout.readline()
            watch.kill()
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate()
        assert out.decode() == "left: ()\n"
        assert engine.containers(label) == ()

    def test_containers_by_label(self, docker_engine: PrivateEngine, busybox_base: str, label: str) -> None:
        name = f"imageyard-{uuid4().hex[:12]}"
        docker_engine.docker(
            "run", "--detach", "--name", name, "--label", label, "--network", "none", busybox_base, "sleep", "100"
        )
        (found,) = docker_engine.engine.containers(label)
        assert (found.name, found.image, found.state) == (name, busybox_base, "running")
        docker_engine.engine.remove(found.id)
        docker_engine.engine.remove(found.id)
        assert docker_engine.engine.containers(label) == ()

    def test_a_container_that_others_remove(self, docker_engine: PrivateEngine, busybox_base: str, label: str) -> None:
        """The engine refuses a second removal while the first goes on; whoever returns finds the container gone."""
        options = ["run", "--detach", "--label", label, "--network", "none"]
        for _ in range(3):
            name = docker_engine.docker(*options, busybox_base, "sleep", "100").strip()

            def removed(_: int, name: str = name) -> tuple[Container, ...]:
                docker_engine.engine.remove(name)
                return docker_engine.engine.containers(label)

            with ThreadPoolExecutor(6) as pool:
                assert list(pool.map(removed, range(6))) == [()] * 6

    def test_a_shell_without_a_terminal(self, docker_engine: PrivateEngine, busybox_base: str, tmp_path: Path) -> None:
        code = (
            "from imageyard.engine import Engine\n"
            f"engine = Engine('docker', 'the test', {docker_engine.env!r})\n"
            f"raise SystemExit(engine.shell({busybox_base!r}))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], input=b"echo in; exit 7\n", capture_output=True, check=False
        )
        assert (done.returncode, done.stdout) == (7, b"in\n")
