"""A scratch repository that Depot builds: the real CLI, a control plane on this machine, builders that are engines."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageyard.names import Arch
from support.depot.plane import Plane
from support.engine.private import PrivateEngine
from support.registry.served import Served
from support.yard.remote import RemoteYard, make_remote_yard
from support.yard.scratch import Yard

ROOTS = """\
FROM scratch AS roots
ADD base/root-amd64.tar /amd64/
ADD base/root-arm64.tar /arm64/
FROM scratch
ARG TARGETARCH
COPY --from=roots /${TARGETARCH}/ /
"""
"""The same files for both architectures: rows that have others are built apart."""
PROJECTS = "depot: {trusted: ptrusted, branch: pbranch}"


@dataclass
class DepotYard(RemoteYard):
    """The scratch repository; `plane` is what its CLI speaks to, `docker` whether an engine is in its reach."""

    plane: Plane | None = None
    docker: bool = False

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Of a job that uses Depot, with variables that must change nothing."""
        assert self.plane is not None
        stray = {"DEPOT_PROJECT_ID": "other", "DEPOT_BUILD_ID": "other", "DEPOT_BUILD_PLATFORM": "linux/arm64"}
        asked = {**self.plane.env, **stray, **(extra or {})}
        if not self.docker:
            return super().environment(asked)
        found = Yard.environment(self, asked)
        return {**found, "PATH": f"{self.home / 'cli'}:{found['PATH']}"}

    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """With an engine in reach where `docker` says so, else without."""
        return Yard.start(self, argv, env=env, **options) if self.docker else super().start(argv, env=env, **options)

    @property
    def builds(self) -> list[tuple[str, list[str]]]:
        """The builds at Depot: the project of each, and the builders that it took."""
        assert self.plane is not None
        return [(build.project, sorted(build.builders)) for build in self.plane.builds]


def make_depot_yard(
    engine: PrivateEngine, registry: Served, plane: Plane, program: str, roots: Mapping[Arch, bytes], folder: Path
) -> DepotYard:
    """A repository with the catalogue of remote yards, but for its builders, committed, in an empty folder."""
    plain = make_remote_yard(engine, registry, {"amd64": "tcp://x:1", "arm64": "tcp://x:1"}, roots, folder)
    made = DepotYard(
        plain.top, plain.home, plain.engine, plain.key, plain.env, registry.host, plain.workers, plane=plane
    )
    text = (made.top / ".ci/docker/images.yml").read_text()
    remote = next(line for line in text.splitlines() if line.startswith("  remote: "))
    made.edit("images.yml", remote, f"  {PROJECTS}")
    made.edit("base/Dockerfile", "FROM scratch\nARG TARGETARCH\nADD base/root-${TARGETARCH}.tar /\n", ROOTS)
    (made.home / "cli").mkdir()
    for folder_of_programs in (made.home / "cli", made.home / "bin"):
        (folder_of_programs / "depot").symlink_to(program)
    made.commit()
    return made


def held(folder: Path, text: str) -> list[str]:
    """The files below a folder that hold a text."""
    found = (Path(top, name) for top, _, names in os.walk(folder) for name in names)
    return [str(path) for path in found if path.is_file() and text.encode() in path.read_bytes()]
