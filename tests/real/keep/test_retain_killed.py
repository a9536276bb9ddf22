"""`inv retain` is killed at each numbered point, also while its own files are written: the rerun converges."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from imageyard.errors import NotFound
from imageyard.keep.retain import RetainRequest, retain
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import digest_of
from imageyard.project.project import Project
from imageyard.project.recipes import recipes_of
from imageyard.registry.client import Client
from support.building.checkout import scene_of
from support.git import commit_all, sh
from support.registry.pullable import put_pullable, tagged, validate
from support.registry.served import Served, platform, put_index
from support.services import services

CATALOGUE = """\
registry: {name}
tag: content
retention: {{share: 100%}}
axes: {{plain: {{linux, base}}}}
images:
  base: {{dockerfile: Dockerfile, arches: [amd64, arm64], names: {{linux-base: }}}}
"""
OLD = f"linux-base-{'0' * 20}"


@dataclass
class Scene:
    """A checkout, and a repository in which some manifests are to go and others to stay."""

    top: Path
    client: Client
    place: Reference
    project: Project
    stay: set[Digest]
    go: set[Digest]

    def there(self) -> set[Digest]:
        found = set()
        for digest in self.stay | self.go:
            with suppress(NotFound):
                found.add(self.client.get(self.place.with_digest(digest)).digest)
        return found

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in (self.top / ".imageyard").rglob("*.restore.json")]

    def killed(self, point: int, when: str) -> bool:
        """Run `inv retain` to its point; False where it has fewer."""
        argv = [sys.executable, "-m", "support.keep.dying", str(point), when]
        argv += ["retain", "--yes", "--report", "report.json", "--catalogue", "images.yml"]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.top), "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(argv, cwd=self.top, env=env, capture_output=True, text=True)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode != 0


def scene(top: Path, registry: Served) -> Scene:
    """An old index over an image, a shared one and an index that lost its tag; and what has to stay."""
    top.mkdir()
    client, place = registry.client(), registry.reference(f"killed-{top.parent.name}-{top.name}".lower())
    made = scene_of(top, **{"images.yml": CATALOGUE.format(name=place.name)})
    commit_all(top)
    sh(top, "branch", "-M", "main")
    recipes = recipes_of(made.project)
    rows = {}
    for row in made.project.catalogue.rows:
        rows[tagged(client, place.with_tag(recipes.tag(row)), f"{top} {row.arch}", row.arch)] = platform(row.arch)
    index = put_index(client, place.with_tag(recipes.index_tag(made.project.catalogue.images["linux-base"])), rows)
    shared = put_pullable(client, place, f"{top} shared", "arm64")
    floating = put_index(client, place.with_tag("linux-base"), {shared: platform("arm64")})
    own, loose = (put_pullable(client, place, f"{top} {note}") for note in ("own", "loose"))
    nested = put_index(client, place.with_tag("tmp"), {loose: platform("amd64")})
    old = put_index(client, place.with_tag(OLD), {own: platform("amd64"), shared: platform("arm64"), nested: {}})
    retain(made.project, services(client), RetainRequest(), datetime.now(timezone.utc) - timedelta(days=400))
    raw = client.get(place.with_digest(shared))
    client.put(place.with_tag("tmp"), raw.body, raw.media_type)
    return Scene(top, client, place, made.project, {*rows, index, shared, floating}, {old, nested, own, loose})


def check(found: Scene, *, pulled: bool) -> None:
    """After the kill nothing is lost that stays, and what is gone is in a record; the rerun converges."""
    there = found.there()
    assert found.stay <= there
    written = {item["digest"] for record in found.records() for item in record["items"]}
    assert found.go - there <= written, "the record is written before anything is deleted"
    retain(found.project, services(found.client), RetainRequest(yes=True), datetime.now(timezone.utc))
    assert found.there() == found.stay
    records = found.records()
    assert {record["state"] for record in records} <= {"complete", "completed later"}
    assert {digest for record in records for digest in record["deleted"]} == found.go
    for record in records:
        bodies = {item["digest"]: base64.b64decode(item["manifest"]) for item in record["items"]}
        assert all(digest_of(bodies[digest]) == digest for digest in record["deleted"])
    for digest in found.stay if pulled else ():
        validate(found.place.with_digest(digest))


@pytest.mark.parametrize(("point", "when"), [(3, "before"), (5, "before"), (9, "after"), (11, "before")])
def test_wherever_it_is_killed_the_rerun_converges(tmp_path: Path, registry: Served, point: int, when: str) -> None:
    """The restore record half written, one deleted and not yet noted, and so on; all points are in the soak."""
    found = scene(tmp_path / "top", registry)
    assert found.killed(point, when)
    check(found, pulled=point == 5)


@pytest.mark.soak
@pytest.mark.parametrize("when", ["before", "after"])
def test_at_every_point(tmp_path: Path, registry: Served, when: str) -> None:
    for point in range(1, 100):
        found = scene(tmp_path / str(point), registry)
        if not found.killed(point, when):
            break
        check(found, pulled=True)
    assert point == 14, "report, state, record, four deletions, three notes of them, the end, state, report"
