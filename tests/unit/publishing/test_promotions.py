"""Many images promoted in one call: each has its record, and one that fails stops no other."""

from __future__ import annotations

import json
from pathlib import Path

from imageyard.plan.trust import LOCAL
from imageyard.publishing.promotions import promote_all
from imageyard.runs import Run
from support.building.checkout import scene_of
from support.registry.built import put_built, put_index
from support.registry.memory import MemoryRegistry
from support.services import services

BASE = "linux-base"


def test_one_that_is_not_published_stops_no_other(tmp_path: Path) -> None:
    work, trusted = scene_of(tmp_path), MemoryRegistry()
    client, place = trusted.client(), trusted.reference("ci/image")
    rows = [(facts, put_built(client, place, facts)) for facts in (work.facts(BASE, a) for a in ("amd64", "arm64"))]
    for facts, raw in rows:
        client.put(place.with_tag(facts.tag), raw.body, raw.media_type)
    whole = put_index(client, place, rows)
    tag = work.recipes.index_tag(work.project.catalogue.images[BASE])
    client.put(place.with_tag(tag), whole.body, whole.media_type)
    absent = next(name for name in work.project.catalogue.images if name != BASE)

    around = services(client, run=Run(work.services.run.folder.with_name("20260101T000000.001Z-0000"), owner=True))
    names = [absent, BASE]
    done, code = promote_all(work.project, work.recipes, around, names, force=False, decision=LOCAL)

    assert [(name, str(reference)) for name, reference in done] == [(BASE, f"{place}@{whole.digest}")]
    assert code == 7
    records = {name: json.loads((around.run.folder / "rows" / f"{name}.all.json").read_bytes()) for name in names}
    assert {name: (one["outcome"], one["code"]) for name, one in records.items()} == {
        absent: ("blocked", 7),
        BASE: ("published", 0),
    }
    assert records[BASE]["digest"] == whole.digest
    assert "is not there" in records[absent]["headline"]
