"""A scratch repository that remote workers build, and an orchestrator in it that has no Docker daemon in reach."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imageyard.names import Arch, Reference
from support.engine.private import PrivateEngine
from support.registry.served import Served
from support.yard.publishing import PublishingYard
from support.yard.scratch import make_yard

BASE, TOOL = "linux-base", "linux-tool"

CATALOGUE = """\
registry: {{trusted: {host}/{name}, branch: {host}/{name}-branch}}
builders:
  remote: {{amd64: "{amd64}", arm64: "{arm64}", insecure: yes, connect_timeout: 10s}}
defaults:
  arches: [amd64, arm64]
  checks:
    release: {{run: cat /etc/release, version: "12"}}
axes:
  plain: {{linux, base, tool}}
images:
  base:
    dockerfile: base/Dockerfile
    names:
      linux-base:
  tool:
    dockerfile: tool/Dockerfile
    args: {{BASE: "image:linux-base"}}
    names:
      linux-tool:
"""

BASE_DOCKERFILE = """\
FROM scratch
ARG TARGETARCH
ADD base/root-${{TARGETARCH}}.tar /
ENV PATH=/bin
RUN echo base of {key} && echo 12.5 > /etc/release && uname -m > /etc/machine
"""

TOOL_DOCKERFILE = """\
ARG BASE
FROM ${{BASE}}
COPY tool/word /etc/word
RUN echo tool of {key} && cat /etc/release /etc/word
"""

WATCHED = """\
#!/bin/sh
echo "docker $*" >> "{file}"
exit 1
"""


@dataclass
class RemoteYard(PublishingYard):
    """The scratch repository; `workers` are the addresses of its builders."""

    workers: Mapping[Arch, str] = field(default_factory=dict)
    plain: bool = False  # commands run where an engine is in reach

    def at(self, tag: str | None = None, *, branch: bool = True) -> Reference:
        """What its registry has; a person's builds go to the branch repository."""
        return super().at(tag, branch=branch)

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """That of an orchestrator: it is told of no engine, and a `docker` that is called leaves a trace."""
        found = super().environment(extra)
        if self.plain:
            return found
        for name in self.engine.env:
            found.pop(name)
        return {**found, "PATH": f"{self.home / 'bin'}:{found['PATH']}"}

    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """In a mount namespace of its own, whose /run is empty: no socket of a daemon is there."""
        if self.plain:
            return super().start(argv, env=env, **options)
        inside = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]
        return super().start([*inside, *argv], env=env, **options)

    @property
    def docker_calls(self) -> str:
        """How `docker` was called."""
        trace = self.home / "docker-calls"
        return trace.read_text() if trace.exists() else ""

    def record(self, image: str, arch: str, run: Path | None = None) -> dict[str, Any]:
        """The record of one row."""
        found: dict[str, Any] = json.loads(((run or self.runs[-1]) / "rows" / f"{image}.{arch}.json").read_bytes())
        return found

    def row_outcomes(self) -> dict[tuple[str, str], str]:
        """Row to outcome, of the last run."""
        found = [json.loads(path.read_bytes()) for path in sorted((self.runs[-1] / "rows").glob("*.json"))]
        return {(record["image"], record["arch"]): record["outcome"] for record in found}


def make_remote_yard(
    engine: PrivateEngine, registry: Served, workers: Mapping[Arch, str], roots: Mapping[Arch, bytes], folder: Path
) -> RemoteYard:
    """A repository with the catalogue above, committed, in an empty folder; `roots` are busybox for each architecture.

    `engine` is not in the orchestrator's reach: tests look with it at what came of the builds.
    """
    plain = make_yard(engine, folder)
    made = RemoteYard(plain.top, plain.home, plain.engine, plain.key, plain.env, registry.host, workers)
    made.write(
        "images.yml",
        CATALOGUE.format(host=registry.host, name=made.name, **{str(arch): at for arch, at in workers.items()}),
    )
    made.write("base/Dockerfile", BASE_DOCKERFILE.format(key=made.key))
    for arch, root in roots.items():
        made.write(f"base/root-{arch}.tar", root)
    made.write("tool/Dockerfile", TOOL_DOCKERFILE.format(key=made.key))
    made.write("tool/word", f"{made.key}\n")
    docker = made.home / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(WATCHED.format(file=made.home / "docker-calls"))
    docker.chmod(0o755)
    made.commit()
    return made
