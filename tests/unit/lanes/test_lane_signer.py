"""Whether a key of a lane still counted when the bucket got what it signed, at the edges of its end."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from imageyard.lanes.lane_signer import too_late
from imageyard.lanes.model import LaneKey
from support.lanes.signed import key

END = datetime(2026, 12, 31, tzinfo=timezone.utc)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("until", "stored", "counts"),
    [
        (None, None, True),
        (None, END, True),
        (END, END - SECOND, True),
        (END, END, False),
        (END, END + SECOND, False),
        (END, None, False),
    ],
)
def test_a_key_counts_until_its_end(until: datetime | None, stored: datetime | None, counts: bool) -> None:
    """Of a file that nobody stored yet nobody says when: a key that has ended holds for none."""
    found = LaneKey("2026", key().public, until, "acme-ai/torch-acme", "example/main/.github/workflows/x.yml@main")
    assert (too_late(found, stored) == "") is counts
