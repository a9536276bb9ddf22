"""Seeded schedules of what breaks before a registry and before S3 while images are backed up and recovered."""

from __future__ import annotations

import random
from collections.abc import Sequence

from support.registry.faults import Fault, Kind

__all__ = ["REGISTRY_REQUESTS", "S3_REQUESTS", "schedule"]

_FAULTS: Sequence[tuple[Kind, int]] = (
    ("status", 500),
    ("status", 503),
    ("status", 429),
    ("reset", 0),
    ("truncate", 0),
    ("corrupt", 0),
    ("lost", 0),
    ("slow", 0),
)
S3_REQUESTS = (
    "PUT .*blobs",
    "PUT .*manifests",
    "PUT .*referrers",
    "PUT .*tags",
    "PUT .*generations",
    "POST",
    "GET .*list-type",
    "GET .*blobs",
    "GET .*manifests",
    "GET .*tags/",
    "HEAD",
)
REGISTRY_REQUESTS = (
    "GET .*manifests",
    "HEAD .*manifests",
    "GET .*blobs/sha256",
    "HEAD .*blobs",
    "PUT .*blobs",
    "PATCH",
    "PUT .*manifests",
    "POST",
    "GET .*tags",
)


def schedule(chance: random.Random, where: Sequence[str]) -> list[Fault]:
    """What breaks, and how often: what comes once passes, what comes nine times outlasts every patience."""
    faults = []
    for _ in range(chance.randint(1, 3)):
        requests = chance.choice(where)
        kind, status = chance.choice(_FAULTS)
        if "list-type" in requests and chance.random() < 0.5:
            kind = "omit"
        faults.append(Fault(requests, kind, status, times=chance.choice((1, 1, 2, 9))))
    return faults
