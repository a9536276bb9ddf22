"""A repository in memory with images that stay and images that go, and `inv retain` over it at times of the test."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from imageyard.keep.retain import RetainRequest, retain
from imageyard.names import Digest
from imageyard.project.recipes import recipes_of
from imageyard.publishing import record_artifact
from imageyard.records import Record
from support.building.checkout import Workplace
from support.registry.memory import MemoryRegistry
from support.registry.served import platform, put_image, put_index

__all__ = ["ALL", "BRANCH", "IMAGES", "LATER", "OLD", "START", "published", "put", "run", "seen"]

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
LATER = START + timedelta(days=400)
IMAGES, BRANCH = "ci/image", "ci/branch"
OLD = f"linux-base-{'0' * 19}"
ALL = RetainRequest(yes=True, share=1.0)


def put(registry: MemoryRegistry, tag: str | None, note: str, repository: str = IMAGES, **config: Any) -> Digest:
    client, place = registry.client(), registry.reference(repository)
    digest = put_image(client, place, note=note, **config)
    if tag is not None:
        raw = client.get(place.with_digest(digest))
        client.put(place.with_tag(tag), raw.body, raw.media_type)
    return digest


def published(scene: Workplace, registry: MemoryRegistry) -> dict[str, Digest]:
    """Images that are kept, and old ones of both architectures with records and an index over them."""
    client, place = registry.client(), registry.reference(IMAGES)
    recipes, found = recipes_of(scene.project), {}
    for row in scene.project.catalogue.rows[:4]:
        found[recipes.tag(row)] = put(registry, recipes.tag(row), recipes.tag(row))
    for number in range(3):
        rows = {put(registry, None, f"{number} {arch}"): platform(arch) for arch in ("amd64", "arm64")}
        tag = f"{OLD}{number}"
        found[tag] = put_index(client, place.with_tag(tag), rows)
        for digest in rows:
            record = Record("linux-base", "amd64", "built", 0, "", started="2026-01-01T00:00:00.000+00:00")
            record_artifact.attach(client, place, client.get(place.with_digest(digest)), record)
    found["linux-base"] = put_index(
        client, place.with_tag("linux-base"), {put(registry, None, "0 arm64"): platform("arm64")}
    )
    return found


def run(scene: Workplace, now: datetime = LATER, request: RetainRequest = ALL) -> None:
    retain(scene.project, scene.services, request, now)


def seen(scene: Workplace) -> None:
    """A run that sees everything for the first time."""
    run(scene, START, RetainRequest())
