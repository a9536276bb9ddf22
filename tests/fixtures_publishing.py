"""A scratch repository whose images may be published, on an engine of either image store.

A test module takes the fixtures with `pytest_plugins = ("fixtures_registry", "fixtures_publishing")`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_private import PrivateEngine
from registry_served import Served
from yard_publishing import PublishingYard, make_publishing_yard


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
