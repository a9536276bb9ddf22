"""One set of scratch repositories for each process that runs these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from recorded.record import Player, player


@pytest.fixture(scope="session")
def playing() -> Iterator[Player]:
    with player() as found:
        yield found
