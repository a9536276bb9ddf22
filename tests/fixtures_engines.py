"""Pairs of engine and buildx, each on both image stores: this machine's, and the oldest that is supported.

A test module takes the fixtures with `pytest_plugins = ("fixtures_registry", "fixtures_engines")`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from buildkit_remote import remote_buildkit
from engine_oldest import oldest_programs
from engine_private import PrivateEngine, private_engine
from imageyard.files import locked
from registry_served import Served
from yard_pairs import PAIRS, Pair, make_pair_yard
from yard_publishing import PublishingYard


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
