"""The real registries as fixtures, one of each kind a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from registry_faults import Proxy, running
from registry_served import Served, serve


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
