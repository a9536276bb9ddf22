"""A repository with our workflows, and all that they talk to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from imageyard.names import Arch
from support.aws.served import Aws
from support.engine.buildkit_remote import remote_buildkit
from support.engine.private import PrivateEngine
from support.github.oidc import Oidc
from support.github.served import GitHub, github
from support.registry.served import PASSWORD, Served
from support.workflow.scene import Scene, make_python, make_scene
from support.yard.promoted import NoEngine


@pytest.fixture(scope="session")
def job_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_python(tmp_path_factory.mktemp("python") / "own")


@pytest.fixture
def hub() -> Iterator[GitHub]:
    with github() as served:
        served.token = PASSWORD
        yield served


NOWHERE: dict[Arch, str] = {"amd64": "tcp://127.0.0.1:1", "arm64": "tcp://127.0.0.1:1"}


@pytest.fixture
def idle_scene(
    tmp_path: Path, job_python: Path, aws: Aws, oidc: Oidc, registry: Served, locked_registry: Served, hub: GitHub
) -> Iterator[Scene]:
    """One that builds nothing: no engine and no worker is there. Its key begins with a letter, as names have to."""
    key = f"l{uuid4().hex[:11]}"
    engine = cast("PrivateEngine", NoEngine({}))
    roots: dict[Arch, bytes] = {"amd64": b"", "arm64": b""}
    places, api = (registry, locked_registry), {"GITHUB_API_URL": hub.url}
    yield make_scene(tmp_path, job_python, key, aws, oidc, places, engine, NOWHERE, roots, api)
    aws.gate.faults.clear()


@pytest.fixture
def scene(
    tmp_path: Path,
    job_python: Path,
    aws: Aws,
    oidc: Oidc,
    registry: Served,
    locked_registry: Served,
    docker_engine: PrivateEngine,
    worker_engines: Mapping[Arch, PrivateEngine],
    roots: Mapping[Arch, bytes],
    hub: GitHub,
) -> Iterator[Scene]:
    hosts = {arch: engine.host.removeprefix("unix://") for arch, engine in worker_engines.items()}
    key = uuid4().hex[:12]
    with remote_buildkit(hosts["amd64"]) as amd64, remote_buildkit(hosts["arm64"]) as arm64:
        workers: dict[Arch, str] = {"amd64": amd64, "arm64": arm64}
        places, api = (registry, locked_registry), {"GITHUB_API_URL": hub.url}
        yield make_scene(tmp_path, job_python, key, aws, oidc, places, docker_engine, workers, roots, api)
    aws.gate.faults.clear()
