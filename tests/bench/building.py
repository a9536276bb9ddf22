"""A row that is there, and a fully cached build, against a fully cached `docker buildx build` of the same context."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from imageyard.engine import Engine
from measure import Ratio, compare
from running import running_engine

__all__ = ["building"]

_IMAGE = "imageyard.local/bench"
_CATALOGUE = f"""\
axes:
  plain: {{linux}}
registry: {_IMAGE}
images:
  one:
    dockerfile: Dockerfile
    arches: [amd64, arm64]
    names:
      linux:
"""
_DOCKERFILE = """\
FROM scratch AS scripts
COPY common /common
FROM scratch
COPY --from=scripts /common /common
COPY requirements.txt /etc/
WORKDIR /srv
"""


def building(folder: Path) -> list[Ratio]:
    """Both, on the engine that answers or on one of its own; `folder` is an empty one to work in.

    Raises EnvironmentLacks where there is no engine and none can be started.
    """
    with running_engine() as engine:
        return _building(folder, engine)


def _building(folder: Path, engine: Engine) -> list[Ratio]:
    _write(folder)
    scripts = Path(sys.executable).parent
    peer = ["docker", "buildx", "build", "--load", "--provenance=false", f"--tag={_IMAGE}:peer", ".ci/docker"]
    build = [str(scripts / "inv"), "build", "linux", "--arch", "amd64"]
    row = [str(scripts / "nox"), "-s", "build_image(arch='amd64', image='linux')"]
    with tempfile.TemporaryDirectory() as state:
        # a state of its own: no stand-ins of this machine's stack, no builder that was selected with `buildx use`
        env = {**engine.env, "XDG_CACHE_HOME": state, "BUILDX_CONFIG": state}
        try:
            subprocess.run(build, cwd=folder, env={**os.environ, **env}, check=True, capture_output=True)
            return [
                compare("nox, a skipped row", (row, folder), (peer, folder), mark=1.0, env=env),
                compare("inv build --force, cached", ([*build, "--force"], folder), (peer, folder), mark=1.5, env=env),
            ]
        finally:
            tags = [tag for image in engine.images("io.imageyard.image=linux") for tag in image.tags]
            for tag in (f"{_IMAGE}:peer", *(tag for tag in tags if tag.startswith(f"{_IMAGE}:"))):
                engine.untag(tag)


def _write(folder: Path) -> None:
    docker = folder / ".ci" / "docker"
    (docker / "common").mkdir(parents=True)
    for number in range(40):
        (docker / "common" / f"install_{number}.sh").write_text(f"#!/bin/sh\necho {number}\n")
    (docker / "requirements.txt").write_text("nox\n")
    (docker / "Dockerfile").write_text(_DOCKERFILE)
    (docker / "images.yml").write_text(_CATALOGUE)
    (folder / "noxfile.py").write_text("from imageyard import sessions\n\nsessions.register()\n")
    (folder / "tasks.py").write_text("from imageyard.cli import namespace\n\nns = namespace()\n")
    (folder / ".gitignore").write_text(".imageyard/\n__pycache__/\n")
    for argv in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "bench"]):
        git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost", *argv]
        subprocess.run(git, cwd=folder, check=True, capture_output=True)
