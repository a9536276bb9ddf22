"""Every command does what it did when the recording was made, byte for byte but for times."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from recorded.record import RECORDING, Player, player

CASES = [
    pytest.param(case, id=f"{file.stem}: {name}")
    for file in sorted(RECORDING.glob("*.json"))
    for name, case in json.loads(file.read_text("utf-8")).items()
]


@pytest.fixture(scope="session")
def playing() -> Iterator[Player]:
    with player() as found:
        yield found


@pytest.mark.parametrize("case", CASES)
def test_it_does_what_it_did(case: dict[str, Any], playing: Player) -> None:
    found = playing.play(**case["asked"])
    assert found == {key: case[key] for key in ("code", "out", "err", "files")}


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 400
