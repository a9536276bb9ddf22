"""Retention against a second model that shares no line with it, over random registries."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from imageyard.keep.retention import confirmed, decide
from imageyard.keep.retention_facts import Claims, Inventory, RetentionPolicy, StoredManifest
from imageyard.keep.retention_plan import DeleteReason, RetentionPlan
from support.keep import second_model
from support.keep.second_model import World, go_on, random_world, survivors

POLICY = RetentionPolicy(
    most=10**9, share=1.0, pins=("*-release*",), temporaries=("tmp-*",), backed_up=frozenset({"content"})
)
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else START + timedelta(seconds=seconds)


def planned(world: World, policy: RetentionPolicy = POLICY) -> RetentionPlan:
    manifests = {
        digest: StoredManifest(
            digest,
            None if it["children"] is None else tuple(it["children"]),
            it["subject"],
            tuple(it["attests"]),
            tuple(it["tags"]),
            moment(it["pushed"]),
            moment(it["pulled"]),
            archived=it["archived"],
            archived_at=moment(it["archived_at"]),
            commit=it["commit"],
        )
        for digest, it in world.manifests.items()
    }
    claims = Claims(
        frozenset(world.images),
        world.reachable_tags,
        frozenset(world.kept_commits),
        frozenset(world.pinned_tags),
        frozenset(world.pinned_digests),
        frozenset(world.unversioned),
        world.parents,
    )
    now = START + timedelta(seconds=world.now)
    return decide(Inventory(manifests), claims, policy, now, backed_up=frozenset(world.backups))


def check(seed: int) -> int:
    """Compare the two on one registry; returns how many went."""
    world = random_world(seed)
    plan = planned(world)
    alive = survivors(world)
    assert set(plan.verdicts) == set(world.manifests)
    assert set(plan.deletions) == set(world.manifests) - alive, f"seed {seed}"
    assert {digest for digest, one in plan.verdicts.items() if isinstance(one.reason, DeleteReason)} == set(
        plan.deletions
    )
    place = {digest: number for number, digest in enumerate(plan.deletions)}
    for digest in plan.deletions:
        for child in world.manifests[digest]["children"] or ():
            assert child not in place or place[digest] < place[child], "an index goes before its children"
    for stop in range(len(plan.deletions) + 1):  # wherever it dies: nothing that is left and stays lacks a part
        left = set(world.manifests) - set(plan.deletions[:stop])
        for digest in left:
            children = set(world.manifests[digest]["children"] or ()) & set(world.manifests)
            assert children <= left
    after = go_on(world, seed)
    doomed = set(confirmed(plan, planned(after)))
    assert doomed <= set(plan.deletions)
    assert not doomed & survivors(after), f"seed {seed}: what came meanwhile needs it"
    return len(plan.deletions)


def test_500_random_registries(soak: bool) -> None:
    gone = [check(seed) for seed in range(10_000 if soak else 500)]
    assert sum(gone) > len(gone), "it must delete something to show anything"


@pytest.mark.parametrize("seed", range(20))
def test_a_cap_that_is_exceeded_means_that_nothing_goes(seed: int) -> None:
    world = random_world(seed)
    going = len(planned(world).deletions)
    for policy in (replace(POLICY, most=going - 1), replace(POLICY, share=going / len(world.manifests) - 0.001)):
        plan = planned(world, policy)
        assert (plan.deletions == (), plan.hands_off is not None) == (True, True) if going else plan.deletions == ()


def test_the_second_model_shares_nothing() -> None:
    tree = ast.parse(Path(str(second_model.__file__)).read_text())
    named = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [name for name in named if name and name.startswith("imageyard")]
