"""Scratch repositories as fixtures, one for each kind of engine: `pytest_plugins = ("fixtures_yard",)`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_private import PrivateEngine
from yard_scratch import ARCH, Yard, make_yard

__all__ = ["ARCH", "Yard", "classic_yard", "yard"]


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
