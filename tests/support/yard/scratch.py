"""A scratch repository with a small catalogue on busybox, and `nox` and `inv` run in it on a private engine."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from imageyard.project.checkout import this_arch
from support.engine.private import PrivateEngine

ARCH = this_arch()
BASE = "imageyard.local/base/busybox:1"
SCRIPTS = Path(sys.executable).parent
CONTEXT = ".ci/docker"

NOXFILE = '''\
"""The images of this repository."""
from imageyard import sessions

sessions.register()
'''

TASKS = '''\
"""Single steps."""
from imageyard.cli import namespace

ns = namespace()
'''

CATALOGUE = """\
registry: {repository}
defaults:
  arches: [{arch}]
  checks:
    release: {{run: cat /etc/release, version: "{{RELEASE}}"}}
    gcc: {{run: gcc --version, version: "{{GCC_VERSION}}"}}
    no-gcc: {{run: which gcc, present: [GCC_VERSION]}}
axes:
  os: {{bookworm: {{RELEASE: 12}}}}
  compiler: {{"gcc{{11,12}}": {{GCC_VERSION: "{{}}"}}}}
  plain: {{linux, base, plain}}
images:
  base:
    dockerfile: base/Dockerfile
    names:
      linux-{{os}}-base:
  gcc:
    dockerfile: gcc/Dockerfile
    args: {{BASE: "image:linux-{{os}}-base"}}
    names:
      linux-{{os}}-gcc{{11,12}}:
  plain:
    dockerfile: plain/Dockerfile
    names:
      linux-plain:
"""

BASE_DOCKERFILE = """\
FROM {base}
ARG RELEASE
RUN echo base of {key}
COPY base/setup.sh /tmp/
RUN sh /tmp/setup.sh "$RELEASE"
"""
SETUP = 'mkdir -p /etc && echo "$1" > /etc/release\n'

GCC_DOCKERFILE = """\
ARG BASE={base}
FROM ${{BASE}}
ARG GCC_VERSION
RUN echo compiler of {key}
COPY gcc/install.sh /tmp/
RUN sh /tmp/install.sh "$GCC_VERSION"
"""
INSTALL = 'printf \'#!/bin/sh\\necho "gcc (Yard) %s.2.0"\\n\' "$1" > /bin/gcc && chmod +x /bin/gcc\n'
"""Installs a script that says it is the compiler of the version that it is given."""

PLAIN_DOCKERFILE = """\
FROM {base}
RUN echo plain of {key}
"""


@dataclass(frozen=True)
class Done:
    """A command that ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


@dataclass
class Yard:
    """The scratch repository. `repository` is where its images are in the engine; `key` is in each of its builds."""

    top: Path
    home: Path
    engine: PrivateEngine
    key: str
    env: dict[str, str] = field(default_factory=dict)

    @property
    def repository(self) -> str:
        return f"yard.test/{self.key}"

    # What is in the repository

    def write(self, path: str, text: str | bytes, *, executable: bool = False) -> Path:
        """Write a file, named relative to the context."""
        file = self.top / CONTEXT / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        file.chmod(0o755 if executable else 0o644)
        return file

    def dockerfile(self, path: str, *lines: str) -> Path:
        """Write a Dockerfile on the base; each test's builds are its own, so nothing comes from another's cache."""
        return self.write(path, "\n".join([f"FROM {BASE}", f"RUN echo {path} of {self.key}", *lines, ""]))

    def catalogue(self, text: str) -> Path:
        """Write another catalogue; `registry` and `arches` are put before it."""
        return self.write("images.yml", f"registry: {self.repository}\n{text.replace('ARCH', ARCH)}")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text in a file, named relative to the context; it must be there."""
        file = self.top / CONTEXT / path
        text = file.read_text()
        assert old in text, f"{old!r} is not in {path}"
        file.write_text(text.replace(old, new))

    def commit(self) -> str:
        """Commit everything; returns the commit."""
        self.git("add", "--all")
        self.git("-c", "user.name=Yard", "-c", "user.email=yard@example.org", "commit", "--quiet", "--message=State")
        return self.git("rev-parse", "HEAD")

    def git(self, *argv: str) -> str:
        done = subprocess.run(
            ["git", *argv], cwd=self.top, env=self.environment(), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    # Commands in it

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a command: nothing of this process's but the way to programs and proxies."""
        passed = {name: os.environ[name] for name in os.environ if name.lower().endswith("_proxy")}
        return {
            **passed,
            "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "PYTHONWARNINGS": "error",
            **self.engine.env,
            **self.env,
            **(extra or {}),
        }

    @property
    def tmp(self) -> Path:
        """The TMPDIR of every command: what it leaves on disk is seen here."""
        return self.home / "tmp"

    def inv(self, *argv: str, env: Mapping[str, str] | None = None, timeout: float = 300) -> Done:
        """`inv` in the repository, run to its end."""
        return self.run([sys.executable, "-m", "invoke", *argv], env=env, timeout=timeout)

    def nox(self, *argv: str, env: Mapping[str, str] | None = None, timeout: float = 300) -> Done:
        """`nox` in the repository, run to its end."""
        return self.run([sys.executable, "-m", "nox", *argv], env=env, timeout=timeout)

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, timeout: float = 300) -> Done:
        """A command in the repository, run to its end; that it never shows a traceback holds for all of them."""
        with self.start(argv, env=env) as child:
            try:
                out, err = child.communicate(timeout=timeout)
            except BaseException:
                os.killpg(child.pid, signal.SIGKILL)
                raise
        assert "Traceback (most recent call last)" not in err + out, err + out
        return Done(child.returncode, out, err)

    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command in the repository, in a session of its own, to be signalled by the test."""
        return subprocess.Popen(
            list(argv),
            cwd=self.top,
            env=self.environment(env),
            text=True,
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "start_new_session": True,
                **options,
            },
        )

    # What came of them

    @property
    def state(self) -> Path:
        return self.top / ".imageyard"

    @property
    def result(self) -> dict[str, Any]:
        """`result.json` of the last run."""
        found: dict[str, Any] = json.loads((self.state / "result.json").read_bytes())
        return found

    @property
    def runs(self) -> list[Path]:
        """The folders of the runs, oldest first."""
        return sorted((self.state / "runs").iterdir()) if (self.state / "runs").exists() else []

    def records(self, run: Path | None = None) -> dict[str, dict[str, Any]]:
        """The records of a run, the last one unless told, by image."""
        folder = (run or self.runs[-1]) / "rows"
        found = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
        return {record["image"]: record for record in found}

    def outcomes(self, run: Path | None = None) -> dict[str, str]:
        """Image to outcome, of a run."""
        return {image: record["outcome"] for image, record in self.records(run).items()}

    def said(self, image: str, run: Path | None = None) -> str:
        """What the steps of a row wrote, by the builder's raw stream."""
        objects = [json.loads(line) for line in self.raw(image, run).splitlines() if line.startswith("{")]
        logs = [log["data"] for one in objects for log in one.get("logs") or ()]
        return b"".join(map(base64.b64decode, logs)).decode()

    def raw(self, image: str, run: Path | None = None) -> str:
        """The builder's raw stream of a row; empty where it was not built in that run."""
        file = (run or self.runs[-1]) / "rows" / f"{image}.{ARCH}.rawjson"
        return file.read_text() if file.exists() else ""

    @contextmanager
    def loads(self) -> Iterator[list[str]]:
        """The images of this repository that were loaded to be checked while the block ran, once for each load.

        Read from the engine's events, which tell of candidates that are gone too.
        """
        found: list[str] = []
        form = '{{index .Actor.Attributes "io.imageyard.image"}} {{.Actor.Attributes.name}}'
        argv = ["docker", "events", "--since", f"{time.time():.9f}", "--filter", "type=image"]
        argv += ["--filter", "event=tag", "--format", form]
        with self.start(argv) as child:
            assert child.stdout is not None
            try:
                yield found
                end = f"{self.repository}:end-{uuid4().hex}"
                self.engine.docker("tag", BASE, end)
                for line in child.stdout:
                    if end in line:
                        break
                    if f" {self.repository}:unchecked-" in line:
                        found.append(line.split()[0])
                self.engine.docker("rmi", end)
            finally:
                child.kill()

    def tags(self) -> set[str]:
        """The tags of this repository that the engine has."""
        lines = self.engine.docker("image", "ls", "--format", "{{.Repository}} {{.Tag}}", self.repository).splitlines()
        return {line.split()[1] for line in lines}

    def containers(self) -> list[str]:
        """The containers of runs of this repository, running or not."""
        form = '{{.Names}} {{.Label "io.imageyard.run"}}'
        lines = self.engine.docker("ps", "--all", "--filter", "label=io.imageyard.run", "--format", form).splitlines()
        ids = {run.name for run in self.runs}
        return [line.split()[0] for line in lines if line.split()[1] in ids]

    def running_check(self, call: subprocess.Popen[str]) -> str:
        """Wait until a check of `call` runs, and return its container.

        One that is only created does not do: an engine whose client goes away before the start takes it away itself.
        """
        deadline = time.monotonic() + 60
        while True:
            for name in self.containers():
                if self.engine.docker("inspect", "--format", "{{.State.Running}}", name, check=False) == "true":
                    return name
            assert call.poll() is None, call.communicate()
            assert time.monotonic() < deadline, "no check was started"

    def leftovers(self) -> list[str]:
        """What no run may leave: candidates and containers in the engine, files in TMPDIR."""
        candidates = [tag for tag in sorted(self.tags()) if tag.startswith("unchecked")]
        return [*candidates, *self.containers(), *sorted(path.name for path in self.tmp.iterdir())]

    def cat(self, image: str, path: str) -> str:
        """A file of an image in the engine, by its tag."""
        return self.engine.docker("run", "--rm", "--entrypoint", "cat", f"{self.repository}:{image}", path)

    def remove_images(self) -> None:
        """Take away the tags of this repository."""
        for tag in self.tags():
            self.engine.docker("rmi", "--force", f"{self.repository}:{tag}", check=False)


def make_yard(engine: PrivateEngine, folder: Path) -> Yard:
    """A repository with the catalogue above, committed, in an empty folder."""
    made = Yard(folder / "repository", folder / "home", engine, uuid4().hex[:12])
    made.tmp.mkdir(parents=True)
    made.top.mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    (made.top / "noxfile.py").write_text(NOXFILE)
    (made.top / "tasks.py").write_text(TASKS)
    (made.top / ".gitignore").write_text(".imageyard/\n__pycache__/\n.nox/\n")
    made.write("images.yml", CATALOGUE.format(repository=made.repository, arch=ARCH))
    made.write("images.lock", "")
    for path, text in (
        ("base/Dockerfile", BASE_DOCKERFILE),
        ("gcc/Dockerfile", GCC_DOCKERFILE),
        ("plain/Dockerfile", PLAIN_DOCKERFILE),
    ):
        made.write(path, text.format(base=BASE, key=made.key))
    made.write("base/setup.sh", SETUP)
    made.write("gcc/install.sh", INSTALL)
    made.commit()
    return made
