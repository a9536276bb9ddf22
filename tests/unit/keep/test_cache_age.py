"""Which time of a cache counts, as BuildKit writes them."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from imageyard.errors import NotFound
from imageyard.keep.cache_age import times, written
from imageyard.names import Reference
from imageyard.oci.raw import Raw
from imageyard.registry.client import Client

NEWEST = datetime(2026, 1, 31, 12, 0, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("config", "newest"),
    [
        ({"records": [{"layers": [{"layer": 0, "createdAt": "2026-01-31T12:00:01.123456789Z"}]}]}, NEWEST),
        ({"records": [{"layers": [{"createdAt": "2026-01-31T13:00:01+01:00"}]}]}, NEWEST),
        ({"records": [{"layers": [{"createdAt": "2026-01-31T13:00:01.5+01:00"}]}]}, NEWEST),
        ({"records": [{"layers": [{"createdAt": "2026-13-31T13:00:01Z"}]}]}, None),
        ({"records": [{"chains": [{"layers": [0], "createdAt": "2026-01-31T12:00:01Z"}]}]}, NEWEST),
        ({"layers": [{"annotations": {"createdAt": "2026-01-31T12:00:01Z"}}, {"annotations": None}]}, NEWEST),
        (
            {"layers": [{"createdAt": "2025-01-31T12:00:01Z"}], "records": [{"createdAt": "2026-01-31T12:00:01Z"}]},
            NEWEST,
        ),
        ({"records": [{"layers": [{"createdAt": "0001-01-01T00:00:00Z"}]}]}, None),
        ({"records": [{"layers": [{"createdAt": "yesterday"}, {"createdAt": 5}]}]}, None),
        ({"records": [{"layers": [{"createdAt": "2026-01-31T12:00:01"}]}]}, None),
        ([], None),
        ({}, None),
    ],
)
def test_the_newest_step_counts(config: object, newest: datetime | None) -> None:
    assert max(times(json.dumps(config).encode()), default=None) == newest


@pytest.mark.parametrize("config", [b"", b"no JSON", b"\xff", b"[" * 100_000])
def test_what_cannot_be_read_has_no_time(config: bytes) -> None:
    assert times(config) == []


class Gone(Client):
    """A registry whose caches go away after they were listed."""

    def get(self, reference: Reference, *actions: str) -> Raw:
        raise NotFound(f"{reference} is not there")


def test_one_that_goes_away_meanwhile_has_no_age_and_stops_no_other() -> None:
    client = Gone(credentials=lambda host: None)
    assert written(client, Reference("registry.test", "ci/cache"), ["a-amd64-pr-1", "a-amd64-pr-2"]) == {}
