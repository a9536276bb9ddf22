"""The real Depot CLI, its control plane on this machine, and private builders behind it.

A test module takes the fixtures with `pytest_plugins = ("fixtures_depot",)`, and `depot_yard` with those of the
registry and of remote workers beside it.
"""

from __future__ import annotations

import fcntl
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from buildkit_remote import remote_buildkit
from depot_plane import Plane, depot_plane
from engine_private import PrivateEngine, private_engine
from imageyard.names import Arch
from imageyard.project.checkout import this_arch
from registry_served import Served, lacking
from socket_relay import Relay
from yard_depot import DepotYard, make_depot_yard

__all__ = ["VERSION", "arm64_machine", "depot", "depot_yard", "machine", "plane"]

VERSION = "2.102.12"
_PACKAGES = {"x86_64": "@depot/cli-linux-x64", "aarch64": "@depot/cli-linux-arm64"}


@pytest.fixture(scope="session")
def depot(shared_tmp: Path) -> str:
    """The program, from the registry that npm on this machine is configured for."""
    folder = shared_tmp / f"depot-{VERSION}"
    with (shared_tmp / "depot.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder_before = shared_tmp / "depot-unpacked"
            folder_before.mkdir(exist_ok=True)
            package = f"{_PACKAGES[platform.machine()]}@0.0.1-cli.{VERSION}"
            argv = ["npm", "pack", "--silent", "--pack-destination", str(folder_before), package]
            try:
                done = subprocess.run(argv, cwd=folder_before, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                lacking("npm")
            if done.returncode:
                pytest.skip(f"npm has no {package}: {done.stderr.strip().splitlines()[-1:]}")
            with tarfile.open(folder_before / done.stdout.split()[-1]) as archive:
                archive.extractall(folder_before, filter="data")
            folder_before.rename(folder)
    return str(folder / "package" / "bin" / "depot")


@pytest.fixture(scope="session")
def arm64_machine(shared_tmp: Path) -> Iterator[PrivateEngine]:
    """The second machine: two builds on one engine that push to one repository get in each other's way there."""
    with private_engine(shared_tmp, "containerd", "second") as engine:
        yield engine


@pytest.fixture
def machine(docker_engine: PrivateEngine) -> Iterator[Relay]:
    """What the amd64 builder of `plane` is reached through, to be cut."""
    with tempfile.TemporaryDirectory(prefix="imageyard-relay-") as folder:  # sockets have short paths: unix(7)
        relay = Relay(Path(folder, "socket"), docker_engine.host.removeprefix("unix://"))
        yield relay
        relay.cut()


@pytest.fixture
def plane(machine: Relay, arm64_machine: PrivateEngine) -> Iterator[Plane]:
    """A control plane with a builder for each architecture; neither runs a program of the other's."""
    with (
        remote_buildkit(machine.path) as amd64,
        remote_buildkit(arm64_machine.host.removeprefix("unix://")) as arm64,
        depot_plane({"amd64": amd64, "arm64": arm64}) as made,
    ):
        yield made


@pytest.fixture
def depot_yard(
    worker_engines: Mapping[Arch, PrivateEngine],
    registry: Served,
    depot: str,
    roots: Mapping[Arch, bytes],
    tmp_path: Path,
) -> Iterator[DepotYard]:
    """A scratch repository whose rows Depot builds, with an engine behind it for each architecture."""
    hosts = {arch: engine.host.removeprefix("unix://") for arch, engine in worker_engines.items()}
    with (
        remote_buildkit(hosts["amd64"]) as amd64,
        remote_buildkit(hosts["arm64"]) as arm64,
        depot_plane({"amd64": amd64, "arm64": arm64}) as made,
    ):
        yard = make_depot_yard(worker_engines[this_arch()], registry, made, depot, roots, tmp_path)
        yield yard
        yard.remove_images()
