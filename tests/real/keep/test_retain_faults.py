"""Retention with faults before the registry: right, or an error with the truth, and never a wrong deletion.

What has to stay is said by the second model, which shares no line with `imageyard.keep`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from imageyard.errors import ImageyardError, exit_code
from imageyard.http.backoff import Policy
from imageyard.keep.retain import RetainRequest, retain
from imageyard.project.checkout import Checkout
from imageyard.project.project import load_project
from imageyard.project.recipes import recipes_of
from imageyard.registry.client import Client
from support.building.checkout import scene_of
from support.git import commit_all, sh
from support.keep.modelled import CATALOGUE, Repository
from support.keep.second_model import survivors
from support.registry.faults import Fault, running
from support.registry.paged import Paged
from support.registry.served import Served, serve
from support.services import services

LATER = datetime.now(timezone.utc)
START = LATER - timedelta(days=400)
PATIENCE = Policy(attempts=3, first_wait=0.001, longest_wait=0.01, read=5.0, budget=20.0)


def fill(at: Repository, chance: random.Random, kept: str) -> None:
    """Images of all the tags that there are, some under several indexes, some signed."""
    images = [at.put(f"image {number}") for number in range(chance.randint(4, 7))]
    tops = [
        at.put(f"index {number}", children=chance.sample(images, chance.randint(1, 3)))
        for number in range(chance.randint(2, 4))
    ]
    tops.append(at.put("nested", children=[chance.choice(tops)]))
    for number in range(chance.randint(0, 2)):
        at.put(f"signature {number}", subject=[*images, *tops][number])
    names = [kept, "linux-base", "theirs", *(f"linux-base-{number:020x}" for number in range(5)), "tmp-1", "tmp-2"]
    for tag in names:
        at.tag(tag, chance.choice([*tops, *images]))
    at.world.reachable_tags = {kept: "0" * 40}
    for digest in (*images, *tops):
        if not at.world.manifests[digest]["tags"]:  # this registry lists no others, so that a run has to see them once
            at.tag(f"tmp-{digest[7:17]}", digest)


def go_on(at: Repository, chance: random.Random) -> None:
    """What others did until the next run: tags moved, so that images have none."""
    new = at.put("new", age=0)
    tags = [tag for it in at.world.manifests.values() for tag in it["tags"] if tag.startswith("tmp-")]
    for tag in chance.sample(tags, len(tags) // 2):
        at.tag(tag, new)
    at.tag("linux-base", new)


KINDS = (
    ("status", 500), ("status", 503), ("status", 429), ("reset", 0), ("lost", 0), ("truncate", 0), ("cut", 0),
    ("corrupt", 0), ("drip", 0),
)  # fmt: skip
REQUESTS = (
    "GET .*tags/list", "GET .*tags/list.*last=", "HEAD .*manifests",
    "GET .*manifests/sha256:", "GET .*manifests/sha256-",
    "GET .*referrers", "GET .*blobs", "DELETE", "DELETE",
)  # fmt: skip


def schedule(chance: random.Random) -> list[Fault]:
    """What breaks, and how often: what comes once passes, what comes nine times outlasts every patience."""
    found = []
    for _ in range(chance.randint(1, 3)):
        kind, status = chance.choice(KINDS)
        times, at = chance.choice((1, 1, 2, 9)), chance.randrange(10_000)
        found.append(Fault(chance.choice(REQUESTS), kind, status, times=times, at=at))  # type: ignore[arg-type]
    return found


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("registry"))


@pytest.mark.parametrize("part", range(5))
def test_with_faults_the_end_is_right_or_it_says_so(part: int, tmp_path: Path, own: Served, soak: bool) -> None:
    """Twenty-five seeded schedules in the tests, 500 in the soak."""
    scene_of(tmp_path, **{"images.yml": CATALOGUE.format(name="registry.test/x")})
    commit_all(tmp_path)
    sh(tmp_path, "branch", "-M", "main")
    ends = []
    with running(Paged(own.host)) as proxy:
        assert isinstance(proxy, Paged)
        proxy.pause = 0.0001
        for seed in range(part, 500 if soak else 25, 5):
            name = f"{tmp_path.name.replace('_', '-')}-{seed}"
            ends.append(_judged(seed, tmp_path, proxy, Repository(own.client(), own.reference(name))))
    assert set(ends) <= {0, 8, 9, 10}
    assert len(ends) == 5 or {0, 9} <= set(ends)


def _judged(seed: int, top: Path, proxy: Paged, at: Repository) -> int:
    """One schedule; the code with which the run with faults ended."""
    chance = random.Random(seed)
    (top / "images.yml").write_text(CATALOGUE.format(name=f"{proxy.host}/{at.place.repository}"))
    project = load_project(Checkout(top / "images.yml", top))
    client = Client(credentials=lambda _: None, policy=PATIENCE)
    fill(at, chance, recipes_of(project).tag(project.catalogue.rows[0]))
    retain(project, services(client), RetainRequest(), START)
    go_on(at, chance)
    before, stay = at.there(), survivors(at.world)
    code, report = 0, top / f"{seed}.json"
    proxy.faults = schedule(chance)
    proxy.ends = chance.choice((0, 0, 1))
    said = [replace(fault) for fault in proxy.faults]
    try:
        retain(project, services(client), RetainRequest(yes=True, report=report), LATER)
    except ImageyardError as error:
        code = exit_code(error)
    proxy.faults, proxy.ends = [], 0
    there = at.there()
    assert stay <= there, (seed, said, "a wrong deletion")
    (repository,) = json.loads(report.read_text())["repositories"]
    told = {one["digest"]: one["deleted"] for one in repository["items"]}
    assert {digest for digest, deleted in told.items() if deleted} <= before - there, (seed, said)
    assert before - there <= {digest for digest, deleted in told.items() if deleted is not False}, (seed, said)
    client = Client(credentials=lambda _: None, policy=PATIENCE)  # the other one may still hold back
    retain(project, services(client), RetainRequest(yes=True), LATER)
    assert at.there() == stay, (seed, said)
    records = [json.loads(path.read_text()) for path in (top / ".imageyard").rglob(f"*-{seed}-*.restore.json")]
    assert {record["state"] for record in records} <= {"complete", "completed later"}, seed
    assert {digest for record in records for digest in record["deleted"]} == before - stay, (seed, said)
    return code
