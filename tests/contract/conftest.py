"""The real things that contracts are tried at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.registry.served import Served, serve


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="session")
def secured_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One that asks for a password."""
    yield from serve(tmp_path_factory.mktemp("secured"), auth=True)
