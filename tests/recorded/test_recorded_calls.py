"""Plans, decisions, wrong calls and the like do what they did, byte for byte but for times."""

from __future__ import annotations

from typing import Any

import pytest
from recorded.record import Player, cases

CASES = {name: case for name, case in cases().items() if not name.startswith("catalogue-")}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_does_what_it_did(case: dict[str, Any], playing: Player) -> None:
    found = playing.play(**case["asked"])
    assert found == {key: case[key] for key in ("code", "out", "err", "files")}


def test_there_are_enough_of_them() -> None:
    assert len(cases()) > 1100
    assert sum(" of " in name and name.startswith("decide") for name in CASES) > 250
