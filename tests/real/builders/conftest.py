"""Depot's control plane on this machine, and private builders behind it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.depot.plane import Plane, depot_plane
from support.engine.buildkit_remote import remote_buildkit
from support.engine.private import PrivateEngine, private_engine
from support.engine.socket_relay import Relay


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
