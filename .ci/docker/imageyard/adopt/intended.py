"""The file that says which differences from a script's builds are meant, each with its reason."""

from __future__ import annotations

from pathlib import Path

from imageyard.adopt.parity import Intended
from imageyard.catalogue import scalars, text
from imageyard.catalogue.kinds import Field, MapOf, RecordKind, Scalar, check
from imageyard.catalogue.nodes import Map, place

__all__ = ["load"]

_ROWS = MapOf(".+", "a pattern of rows", Scalar("why it is meant", scalars.free_text), least=1)
_WHATS = MapOf(".+", "what differs: arg NAME, empty arg NAME, dockerfile, row, or a pattern of these", _ROWS)
_TOP = RecordKind("intended differences", {"intended": Field(_WHATS, "the differences", required=True)})
_ABSENT = "write one: intended: {arg NAME: {PATTERN OF ROWS: WHY}}"


def load(path: Path) -> list[Intended]:
    """Read the file: reasons by rows, by what differs. Raises ConfigurationError with file and line."""
    root = text.load(path, begin="intended:", absent=_ABSENT)
    check(_TOP, root)
    whats = root.items["intended"]
    assert isinstance(whats, Map)
    found = []
    for what, rows in whats.items.items():
        assert isinstance(rows, Map)
        for pattern, why in rows.items.items():
            found.append(Intended(what, pattern, getattr(why, "value", ""), place(rows, pattern)))
    return found
