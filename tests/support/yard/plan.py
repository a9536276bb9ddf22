"""A scratch repository whose bases are at a registry of the test's own, and `inv` and `nox` run in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from imageyard.names import Digest, Reference
from support.registry.served import Served, platform, put_image, put_index

CATALOGUE = """\
registry: {registry}
defaults:
  arches: [amd64]
axes:
  os: {{bookworm: {{}}, trixie: {{}}}}
  python: {{"py{{3.11,3.12}}": {{PYTHON_VERSION: "{{}}"}}}}
  plain: {{linux, base}}
images:
  base:
    dockerfile: base/Dockerfile
    args: {{BASE: "{bases}/debian:{{os}}-slim"}}
    names:
      linux-{{os}}-base:
  python:
    dockerfile: python/Dockerfile
    args: {{BASE: "image:linux-{{os}}-base"}}
    names:
      linux-bookworm-py{{3.11,3.12}}:
      linux-trixie-py3.12:
"""
BASE = "ARG BASE\nFROM ${BASE}\nCOPY common/install_base.sh /tmp/\nRUN sh /tmp/install_base.sh\n"
PYTHON = (
    "ARG BASE\nFROM ${BASE}\nARG PYTHON_VERSION\nCOPY common/install_python.sh /tmp/\nRUN sh /tmp/install_python.sh\n"
)
BASES = ("linux-bookworm-base", "linux-trixie-base")
PYTHONS = ("linux-bookworm-py3.11", "linux-bookworm-py3.12", "linux-trixie-py3.12")


@dataclass(frozen=True)
class Ended:
    """A command that ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows of a plan, by image; each is there once."""
        listed = json.loads(self.out)["rows"]
        found = {row["image"]: row for row in listed}
        assert len(found) == len(listed)
        return found

    def said(self, key: str) -> dict[str, Any]:
        """One field of each row of a plan."""
        return {image: row[key] for image, row in self.rows.items()}


@dataclass
class Scratch:
    """The repository at `top`; its images go to `repository`, its bases come from repositories below `bases`."""

    top: Path
    repository: Reference
    bases: Reference
    env: dict[str, str] = field(default_factory=dict)

    @property
    def lock(self) -> Path:
        return self.top / ".ci" / "docker" / "images.lock"

    def base(self, tag: str) -> Reference:
        return Reference(self.bases.registry, f"{self.bases.repository}/debian", tag)

    def write(self, path: str, text: str) -> None:
        """Write a file, named relative to the context."""
        file = self.top / ".ci" / "docker" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("-c", "user.name=test", "-c", "user.email=test@example.invalid", "commit", "-qm", "state")

    def git(self, *argv: str) -> str:
        done = subprocess.run(["git", *argv], cwd=self.top, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def pin(self) -> None:
        """Lock the bases at digests that no registry is asked for."""
        lines = [f"{self.base(f'{os}-slim')}@sha256:{n * 64}" for os, n in (("bookworm", "1"), ("trixie", "2"))]
        self.lock.write_text("".join(f"{line}  # 2026-01-01\n" for line in lines))

    def inv(self, *argv: str, env: Mapping[str, str] | None = None) -> Ended:
        return self.run("invoke", *argv, env=env)

    def run(self, module: str, *argv: str, env: Mapping[str, str] | None = None) -> Ended:
        """A command in the repository, which must never show a traceback."""
        own = self.top.parent / f"home-{self.top.name}"
        own.mkdir(exist_ok=True)
        passed = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(own), "XDG_CACHE_HOME": str(own / "cache")}
        done = subprocess.run(
            [sys.executable, "-m", module, *argv],
            cwd=self.top,
            env={**passed, **self.env, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback (most recent call last)" not in done.stdout + done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)


def make_scratch(folder: Path, host: str) -> Scratch:
    """The repository, committed on `main`, with bases that are not locked."""
    key = uuid4().hex[:12]
    made = Scratch(folder / "repository", Reference(host, f"{key}/ci-image"), Reference(host, f"{key}/library"))
    made.top.mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    (made.top / "tasks.py").write_text("from imageyard.cli import namespace\n\nns = namespace()\n")
    (made.top / "noxfile.py").write_text("from imageyard import sessions\n\nsessions.register()\n")
    (made.top / ".gitignore").write_text(".imageyard/\n__pycache__/\n")
    made.write("images.yml", CATALOGUE.format(registry=made.repository, bases=made.bases))
    made.write("base/Dockerfile", BASE)
    made.write("python/Dockerfile", PYTHON)
    made.write("common/install_base.sh", "true\n")
    made.write("common/install_python.sh", "true\n")
    made.commit()
    return made


def put(served: Served, reference: Reference, note: str = "") -> Digest:
    """An index with one image, under a tag."""
    client = served.client()
    return put_index(client, reference, {put_image(client, reference, note=note or str(reference)): platform("amd64")})
