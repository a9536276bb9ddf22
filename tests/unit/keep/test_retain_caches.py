"""`inv retain` at a repository of layer caches: their own age, and whose pull request is open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from imageyard.ci.providers.table import provider_of
from imageyard.errors import ImageyardError
from imageyard.keep.open_pulls import OpenPulls
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.git import commit_all
from support.github.served import GitHub, github
from support.keep.published import ALL, START, put, run, seen
from support.registry.memory import MemoryRegistry

CACHE = "ci/cache"
TAGS = ("linux-base-amd64-main", "linux-base-amd64-pr-1", "linux-base-amd64-pr-2", "linux-base-amd64-ref-0123456789ab")
MAIN, ONE, TWO, REF = TAGS
LATER = START + timedelta(days=8)


@pytest.fixture
def hub() -> Iterator[GitHub]:
    with github() as found:
        found.pulls = [{"number": 1, "state": "open"}, {"number": 2, "state": "closed"}]
        yield found


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def scene(home: Path, tmp_path: Path, registry: MemoryRegistry) -> Workplace:
    """Caches that were seen, and one whose tag has moved on."""
    text = f"cache: {{branch: registry.test/{CACHE}}}\n{CATALOGUE}"
    made = scene_of(tmp_path, registry.client(), **{"images.yml": text})
    commit_all(tmp_path)
    put(registry, MAIN, "before", CACHE)
    for tag in TAGS[1:]:
        put(registry, tag, tag, CACHE)
    seen(made)
    put(registry, MAIN, "now", CACHE)
    return made


def asking(scene: Workplace, hub: GitHub) -> Workplace:
    return replace(scene, services=replace(scene.services, provider=provider_of(hub.env)))


def test_old_caches_go_but_for_those_of_open_pull_requests(
    scene: Workplace, registry: MemoryRegistry, hub: GitHub
) -> None:
    run(asking(scene, hub), START + timedelta(days=6), ALL)
    assert set(registry.tags(CACHE)) == set(TAGS)
    assert len(registry.manifests(CACHE)) == 4, "what has no tag any more is gone after a day"
    run(asking(scene, hub), LATER, ALL)
    assert set(registry.tags(CACHE)) == {MAIN, ONE}
    assert hub.asked.count("GET pulls/1") == 0, "the list has it"


def test_a_pull_request_that_the_list_lacks_is_asked_for(hub: GitHub, scene: Workplace) -> None:
    hub.pulls = [{"number": number, "state": "open"} for number in range(1, 4)]
    pulls = OpenPulls(asking(scene, hub).services)
    assert pulls.among(()) == frozenset()
    assert pulls.among({2, 3}) == {2, 3}
    hub.pulls[1]["state"] = "closed"
    for _ in range(3):
        assert pulls.among({2, 3}) == {3}
    assert hub.asked.count("GET pulls/2") == 1, "one that is closed is asked for once in a run"
    hub.pulls[1]["state"] = "open"
    assert pulls.among({2, 3}) == {2, 3}, "one that opens again is in the list"
    assert pulls.among({999}) == {999}, "of a number that is none nothing is known"


def test_without_a_token_caches_of_pull_requests_stay(scene: Workplace, registry: MemoryRegistry) -> None:
    run(scene, LATER, ALL)
    assert set(registry.tags(CACHE)) == {MAIN, ONE, TWO}


def test_a_forge_that_does_not_answer_means_hands_off(scene: Workplace, registry: MemoryRegistry, hub: GitHub) -> None:
    hub.refuse = [403] * 9
    with pytest.raises(ImageyardError):
        run(asking(scene, hub), LATER, ALL)
    assert set(registry.tags(CACHE)) == set(TAGS)
