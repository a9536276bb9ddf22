"""A private engine for a test run, shared by its workers: own data, own socket, own bridge, gone at the end."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import pytest
from imageyard.engine import Engine

KEEPER = Path(__file__).with_name("keeper.py")


@dataclass(frozen=True)
class Programs:
    """Another engine's programs than this machine's, unpacked in a folder: `root` is like `/`."""

    root: Path

    @property
    def plugin(self) -> Path:
        return self.root / "usr/libexec/docker/cli-plugins/docker-buildx"

    @property
    def env(self) -> dict[str, str]:
        """What makes a child find them: they come first on PATH, and the plugin is among the user's own."""
        folders = [self.root / "usr/sbin", self.root / "usr/bin", Path(sys.executable).parent, os.environ["PATH"]]
        return {
            "PATH": os.pathsep.join(map(str, folders)),
            "DOCKER_CONFIG": str(self.plugin.parent.parent),
        }


@dataclass(frozen=True)
class PrivateEngine:
    """An engine that only this test run knows. `env` is what a child needs to speak to it, with its own `programs`."""

    host: str
    store: Literal["containerd", "classic"]
    programs: Programs | None = None

    @property
    def env(self) -> dict[str, str]:
        own = self.programs.env if self.programs else {}
        return {"DOCKER_HOST": self.host, "DOCKER_CONTEXT": "", "DOCKER_TLS_VERIFY": "", **own}

    @property
    def engine(self) -> Engine:
        """The product's view of it."""
        return Engine(shutil.which("docker", path=self.env.get("PATH")) or "docker", "the tests", self.env)

    @property
    def pid(self) -> int:
        """The process of its dockerd."""
        config = Path(self.host.removeprefix("unix://")).parents[1] / "state" / "dockerd.json"
        argv = ["dockerd", "--config-file", str(config)]
        running = (file for file in Path("/proc").glob("[0-9]*/cmdline") if _argv(file) == argv)
        return int(next(running).parent.name)

    def docker(self, *argv: str, stdin: bytes = b"", check: bool = True) -> str:
        """What the docker CLI answers."""
        done = subprocess.run(
            ["docker", *argv], env={**os.environ, **self.env}, input=stdin, capture_output=True, check=False
        )
        assert not check or done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()


def _argv(file: Path) -> list[str]:
    try:
        return file.read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:  # it ended meanwhile
        return []


def lacking() -> str | None:
    """Why no engine can be started here, or None."""
    missing = [
        program for program in ("dockerd", "containerd", "docker", "ip", "iptables") if not shutil.which(program)
    ]
    if missing:
        return f"{', '.join(missing)} not installed (nox -s install_stack)"
    return None if os.geteuid() == 0 else "starting an engine takes root"


@contextmanager
def private_engine(
    shared: Path, store: Literal["containerd", "classic"], name: str = "engine", programs: Programs | None = None
) -> Iterator[PrivateEngine]:
    """The engine of this run with that image store, started by whoever comes first; `shared` is the run's folder.

    Another `name` is another engine, with data of its own: a second worker. `programs` are those it is started from,
    where they are not this machine's.
    """
    if why := lacking():
        if os.environ.get("CI") == "true":
            pytest.fail(f"no engine for the tests: {why}", pytrace=False)
        pytest.skip(why)
    with (shared / f"{name}-{store}").open("a+") as note:
        fcntl.flock(note, fcntl.LOCK_EX)
        note.seek(0)
        found = _join(Path(note.read().strip() or os.devnull)) or _start(note, store, programs)
        fcntl.flock(note, fcntl.LOCK_UN)
    users, socket = found
    with users:
        yield PrivateEngine(f"unix://{socket}", store, programs)


def _join(folder: Path) -> tuple[IO[str], str] | None:
    """Be counted as a user of an engine that runs; None where it does not, or is being stopped."""
    try:
        users = (folder / "users").open()
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return users, (folder / "socket").read_text()
    except (OSError, BlockingIOError):
        return None


def _start(note: IO[str], store: str, programs: Programs | None) -> tuple[IO[str], str]:
    folder = Path(tempfile.mkdtemp(prefix="imageyard-engine-"))  # sockets have short paths: unix(7)
    users = (folder / "users").open("w")
    fcntl.flock(users, fcntl.LOCK_SH)
    log = folder.with_suffix(".log")
    with log.open("w") as output:
        keeper = subprocess.Popen(
            [sys.executable, str(KEEPER), str(folder), store],
            env={**os.environ, **(programs.env if programs else {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    while not (folder / "socket").exists():
        if keeper.poll() is not None:
            users.close()
            pytest.fail(f"the engine for the tests did not start:\n{log.read_text()}", pytrace=False)
        time.sleep(0.05)
    keeper.returncode = 0  # it outlives us for as long as another worker uses the engine
    log.unlink()
    note.truncate(0)
    note.write(str(folder))
    note.flush()
    return users, (folder / "socket").read_text()
