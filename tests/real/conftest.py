"""What tests of more than one room ask for: private engines, real registries, scratch repositories on them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from imageyard.errors import EnvironmentLacks
from imageyard.files import locked
from imageyard.names import BUILDER_ARCHES, Arch
from imageyard.project.checkout import this_arch
from imageyard.stack.emulation import ensure_emulation
from support.aws.served import Aws
from support.aws.served import served as aws_served
from support.depot.program import depot_program
from support.engine.buildkit_remote import remote_buildkit
from support.engine.busybox_root import busybox_root
from support.engine.oldest import oldest_programs
from support.engine.private import PrivateEngine, private_engine
from support.github.oidc import Oidc
from support.github.oidc import served as oidc_served
from support.registry.faults import Proxy, running
from support.registry.served import Served, serve
from support.yard.publishing import PublishingYard, make_publishing_yard
from support.yard.remote import RemoteYard, make_remote_yard
from support.yard.scratch import Yard, make_yard

# Engines


@pytest.fixture(scope="session")
def docker_engine(shared_tmp: Path) -> Iterator[PrivateEngine]:
    """An engine with the containerd image store."""
    with private_engine(shared_tmp, "containerd") as engine:
        yield engine


@pytest.fixture(scope="session")
def classic_engine(shared_tmp: Path) -> Iterator[PrivateEngine]:
    """An engine with the classic image store, which keeps no digests."""
    with private_engine(shared_tmp, "classic") as engine:
        yield engine


@pytest.fixture(scope="session")
def busybox_tar(shared_tmp: Path) -> bytes:
    """A root file system with busybox in it; made from Debian's package."""
    return busybox_root(shared_tmp)


BUSYBOX = "imageyard.local/base/busybox:1"


def _import(engine: PrivateEngine, root: bytes, shared: Path) -> str:
    with locked(shared / f"base-{engine.store}.lock"):  # two workers that import at once: one is refused
        if engine.docker("image", "ls", "--quiet", BUSYBOX) == "":
            engine.docker("import", "--change", "ENV PATH=/bin", "-", BUSYBOX, stdin=root)
    return BUSYBOX


@pytest.fixture(scope="session")
def busybox_base(docker_engine: PrivateEngine, busybox_tar: bytes, shared_tmp: Path) -> str:
    """The reference of a small base image in `docker_engine`."""
    return _import(docker_engine, busybox_tar, shared_tmp)


@pytest.fixture(scope="session")
def classic_busybox_base(classic_engine: PrivateEngine, busybox_tar: bytes, shared_tmp: Path) -> str:
    """The same in `classic_engine`."""
    return _import(classic_engine, busybox_tar, shared_tmp)


@pytest.fixture(scope="session")
def old_buildx(shared_tmp: Path) -> str:
    """buildx 0.13, the oldest that is supported, as Debian trixie has it."""
    return str(oldest_programs(shared_tmp).plugin)


@pytest.fixture(scope="session")
def roots(shared_tmp: Path) -> Mapping[Arch, bytes]:
    """A root file system with busybox for each architecture."""
    return {arch: busybox_root(shared_tmp, arch) for arch in BUILDER_ARCHES}


@pytest.fixture(scope="session")
def worker_engines(docker_engine: PrivateEngine, shared_tmp: Path) -> Iterator[Mapping[Arch, PrivateEngine]]:
    """An engine for each architecture; the foreign one's programs are emulated."""
    try:
        for arch in BUILDER_ARCHES:
            ensure_emulation(arch)
    except EnvironmentLacks as lacks:
        if os.environ.get("CI") == "true":
            pytest.fail(str(lacks), pytrace=False)
        pytest.skip(str(lacks))
    with private_engine(shared_tmp, "containerd", "second") as second:
        yield {arch: docker_engine if arch == this_arch() else second for arch in BUILDER_ARCHES}


@pytest.fixture(scope="session")
def depot(shared_tmp: Path) -> str:
    """Depot's own CLI."""
    return depot_program(shared_tmp)


# Registries, and who tells them who we are


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="session")
def locked_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("locked"), auth=True)


@pytest.fixture(scope="session")
def tls_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("tls"), tls=True)


@pytest.fixture
def proxy(registry: Served) -> Iterator[Proxy]:
    """The way to `registry`, on which things go wrong."""
    with running(Proxy(registry.host)) as found:
        yield found


@pytest.fixture(scope="module")
def oidc() -> Iterator[Oidc]:
    with oidc_served() as service:
        yield service


@pytest.fixture(scope="module")
def aws(registry: Served, oidc: Oidc) -> Iterator[Aws]:
    with aws_served(registry.host, oidc.key) as account:
        yield account


# Scratch repositories


@pytest.fixture
def yard(docker_engine: PrivateEngine, busybox_base: str, tmp_path: Path) -> Iterator[Yard]:
    """A scratch repository and an engine with the containerd image store."""
    made = make_yard(docker_engine, tmp_path)
    yield made
    made.remove_images()


@pytest.fixture
def classic_yard(classic_engine: PrivateEngine, classic_busybox_base: str, tmp_path: Path) -> Iterator[Yard]:
    """The same with the classic image store."""
    made = make_yard(classic_engine, tmp_path)
    yield made
    made.remove_images()


@pytest.fixture
def port(docker_engine: PrivateEngine, busybox_base: str, registry: Served, tmp_path: Path) -> Iterator[PublishingYard]:
    """On an engine with the containerd image store."""
    made = make_publishing_yard(docker_engine, busybox_base, registry, tmp_path)
    yield made
    made.remove_images()


@pytest.fixture
def classic_port(
    classic_engine: PrivateEngine, classic_busybox_base: str, registry: Served, tmp_path: Path
) -> Iterator[PublishingYard]:
    """On an engine with the classic image store, which hands out layers that are not compressed."""
    made = make_publishing_yard(classic_engine, classic_busybox_base, registry, tmp_path)
    yield made
    made.remove_images()


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
