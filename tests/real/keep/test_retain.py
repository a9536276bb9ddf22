"""Retention at a real registry, its own garbage collector after it, and another client that pulls all that is left."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from imageyard.keep.retain import RetainRequest, retain
from imageyard.names import Reference
from imageyard.oci.manifests import Index
from imageyard.registry.client import Client
from support.registry.pullable import put_pullable, tagged, validate
from support.registry.served import Served, collected, platform, put_index
from support.services import services
from support.yard.promoted import BOTH, ONE, PromotedYard, make_promoted_yard

NOW = datetime.now(timezone.utc)
ALL = RetainRequest(yes=True, share=1.0)


@pytest.fixture
def yard(registry: Served, tmp_path: Path) -> PromotedYard:
    return make_promoted_yard(registry, tmp_path)


def filled(yard: PromotedYard, client: Client, old: int) -> set[str]:
    """Images of now, and old ones of two platforms that share one of them; the tags that are to stay."""
    kept = [(yard.row_tag(ONE, "amd64"), "amd64"), *((yard.row_tag(BOTH, arch), arch) for arch in ("amd64", "arm64"))]
    rows = {tagged(client, yard.at(tag, branch=False), tag, arch): platform(arch) for tag, arch in kept[1:]}
    tagged(client, yard.at(kept[0][0], branch=False), "one")
    put_index(client, yard.at(yard.index_tag(BOTH), branch=False), rows)
    place = yard.at("", branch=False)
    shared = put_pullable(client, place, f"{yard.key} shared", "arm64")
    for number in range(old):
        own = put_pullable(client, place, f"{yard.key} {number}")
        rows = {own: platform("amd64"), shared: platform("arm64")}
        put_index(client, place.with_tag(f"{BOTH}-{number:020x}"), rows)
    put_index(client, place.with_tag(BOTH), {shared: platform("arm64")})
    tagged(client, place.with_tag("theirs"), f"{yard.key} theirs")
    return {yard.row_tag(ONE, "amd64"), yard.row_tag(BOTH, "amd64"), yard.row_tag(BOTH, "arm64"),
            yard.index_tag(BOTH), BOTH, "theirs"}  # fmt: skip


def images(client: Client, place: Reference) -> set[str]:
    """The tags that are no lists of referrers."""
    return {tag for tag in client.tags(place) if not tag.startswith("sha256-")}


def whole(client: Client, place: Reference) -> None:
    """Every image that is left can be pulled whole by another client, and its index lacks nothing."""
    for tag in images(client, place):
        validate(place.with_tag(tag))
        document = client.get(place.with_tag(tag)).parsed()
        if isinstance(document, Index):
            assert all(client.digest_of(place.with_digest(entry.digest)) for entry in document.manifests)


def test_a_hundred_images_are_retained_and_every_survivor_is_pulled_whole(yard: PromotedYard, registry: Served) -> None:
    client = registry.client()
    stay = filled(yard, client, 100)
    place = yard.at("", branch=False)
    project = yard.project()
    retain(project, services(client), RetainRequest(), NOW)
    assert len(images(client, place)) == 100 + len(stay)
    retain(project, services(client), ALL, NOW + timedelta(days=400))
    assert images(client, place) == stay
    collected(registry)
    whole(client, place)
