"""Scratch repositories that Depot builds, and pairs of engine and buildx: this machine's, and the oldest supported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from imageyard.files import locked
from imageyard.names import Arch
from imageyard.project.checkout import this_arch
from support.depot.plane import depot_plane
from support.engine.buildkit_remote import remote_buildkit
from support.engine.oldest import oldest_programs
from support.engine.private import PrivateEngine, private_engine
from support.registry.served import Served
from support.yard.depot import DepotYard, make_depot_yard
from support.yard.pairs import PAIRS, Pair, make_pair_yard
from support.yard.publishing import PublishingYard


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


@pytest.fixture(scope="session", params=PAIRS, ids=lambda pair: f"{pair.age}-{pair.store}")
def pair(request: pytest.FixtureRequest) -> Pair:
    """Each of the pairs in turn."""
    found: Pair = request.param
    return found


@pytest.fixture(scope="session")
def pair_engine(pair: Pair, shared_tmp: Path) -> Iterator[PrivateEngine]:
    """The engine of the pair; what is started in its `env` has the pair's docker and buildx."""
    if pair.age == "current":
        with private_engine(shared_tmp, pair.store) as engine:
            yield engine
    else:
        with private_engine(shared_tmp, pair.store, "oldest", oldest_programs(shared_tmp)) as engine:
            yield engine


@pytest.fixture(scope="session")
def pair_base(pair_engine: PrivateEngine, busybox_tar: bytes, shared_tmp: Path) -> str:
    """The reference of a small base image in `pair_engine`."""
    name = "imageyard.local/base/busybox:1"
    with locked(shared_tmp / "base-of-pairs.lock"):  # two workers that import at once: one is refused
        if pair_engine.docker("image", "ls", "--quiet", name) == "":
            pair_engine.docker("import", "--change", "ENV PATH=/bin", "-", name, stdin=busybox_tar)
    return name


@pytest.fixture
def pair_yard(pair_engine: PrivateEngine, pair_base: str, registry: Served, tmp_path: Path) -> Iterator[PublishingYard]:
    """A scratch repository on the pair; the catalogue's remote worker is the engine's BuildKit."""
    with remote_buildkit(pair_engine.host.removeprefix("unix://")) as worker:
        made = make_pair_yard(pair_engine, pair_base, registry, worker, tmp_path)
        yield made
        made.remove_images()
