"""Two workers, one for each architecture, and a scratch repository: `pytest_plugins = ("fixtures_remote",)`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from buildkit_remote import remote_buildkit
from busybox_root import busybox_root
from engine_private import PrivateEngine, private_engine
from imageyard.errors import EnvironmentLacks
from imageyard.names import ARCHES, Arch
from imageyard.project.checkout import this_arch
from imageyard.stack.emulation import ensure_emulation
from registry_served import Served
from yard_remote import RemoteYard, make_remote_yard


@pytest.fixture(scope="session")
def roots(shared_tmp: Path) -> Mapping[Arch, bytes]:
    """A root file system with busybox for each architecture."""
    return {arch: busybox_root(shared_tmp, arch) for arch in ARCHES}


@pytest.fixture(scope="session")
def worker_engines(docker_engine: PrivateEngine, shared_tmp: Path) -> Iterator[Mapping[Arch, PrivateEngine]]:
    """An engine for each architecture; the foreign one's programs are emulated."""
    try:
        for arch in ARCHES:
            ensure_emulation(arch)
    except EnvironmentLacks as lacks:
        if os.environ.get("CI") == "true":
            pytest.fail(str(lacks), pytrace=False)
        pytest.skip(str(lacks))
    with private_engine(shared_tmp, "containerd", "second") as second:
        yield {arch: docker_engine if arch == this_arch() else second for arch in ARCHES}


@pytest.fixture
def remote_yard(
    worker_engines: Mapping[Arch, PrivateEngine], registry: Served, roots: Mapping[Arch, bytes], tmp_path: Path
) -> Iterator[RemoteYard]:
    """A scratch repository whose catalogue names a worker for each architecture."""
    hosts = {arch: engine.host.removeprefix("unix://") for arch, engine in worker_engines.items()}
    with remote_buildkit(hosts["amd64"]) as amd64, remote_buildkit(hosts["arm64"]) as arm64:
        made = make_remote_yard(
            worker_engines[this_arch()], registry, {"amd64": amd64, "arm64": arm64}, roots, tmp_path
        )
        yield made
        made.remove_images()
