"""Retention at a real registry, its own garbage collector after it, and another client that pulls all that is left."""

from __future__ import annotations

import os
import signal
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from imageyard.keep.retain import RetainRequest, retain
from imageyard.names import Reference
from imageyard.oci.manifests import Index
from imageyard.registry.client import Client
from support.registry.faults import running
from support.registry.pullable import put_pullable, tagged, validate
from support.registry.served import Served, collected, platform, put_index
from support.registry.stalling import Stalling
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


@pytest.mark.soak  # test_retain_killed.py does it at fewer points, and while files are written, every day
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_wherever_it_is_killed_the_rerun_converges(yard: PromotedYard, registry: Served, after: bool) -> None:
    client = registry.client()
    stay = filled(yard, client, 4)
    place = yard.at("", branch=False)
    yard.edit("images.yml", "mirrors:", "retention: {trusted: 1s, versions: 1s, temporary: 1s, grace: 1s}\nmirrors:")
    yard.commit()
    stay |= {yard.row_tag(ONE, "amd64"), yard.index_tag(BOTH)}
    retain(yard.project(), services(client), RetainRequest(), NOW - timedelta(days=1))
    with running(Stalling(registry.host, ("DELETE",))) as proxy:
        assert isinstance(proxy, Stalling)
        yard.edit("images.yml", registry.host, proxy.host)
        yard.commit()
        state = yard.top / ".imageyard" / "retention"
        for file in state.glob("*.json"):
            file.rename(str(file).replace(registry.host.replace(":", "_"), proxy.host.replace(":", "_")))
        proxy.after = after
        for point in (1, 1, 2, 3):
            proxy.at, proxy.count = point, 0
            proxy.reached.clear()
            with yard.start(["inv", "retain", "--yes", "--share", "100"]) as child:
                if not proxy.reached.wait(60):
                    child.communicate()
                    break
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
            whole(client, place)
        proxy.at = 0
        done = yard.inv("retain", "--yes", "--share", "100")
        assert done.code == 0, done.all
    assert images(client, place) == stay
    whole(client, place)
