"""The oldest buildx that is supported, from the machine's apt sources where they have it."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_oldest import oldest_programs


@pytest.fixture(scope="session")
def old_buildx(shared_tmp: Path) -> str:
    """buildx 0.13, the oldest that is supported, as Debian trixie has it."""
    return str(oldest_programs(shared_tmp).plugin)
