"""What is told of each image of each catalogue, recipes and tags too, is what was told, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from recorded.record import Player, cases

CASES = {name: case for name, case in cases().items() if name.startswith("catalogue-")}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_says_what_it_said(case: dict[str, Any], playing: Player) -> None:
    found = playing.play(**case["asked"])
    assert found == {key: case[key] for key in ("code", "out", "err", "files")}
