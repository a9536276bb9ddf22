"""The engine: what it holds, and programs run in its images."""

from __future__ import annotations

import pytest
from engine_private import PrivateEngine

pytestmark = [pytest.mark.engine, pytest.mark.mirror]


def test_inspect(docker_engine: PrivateEngine, busybox_base: str) -> None:
    found = docker_engine.engine.inspect(busybox_base)
    assert found is not None
    assert found.digest == found.id
