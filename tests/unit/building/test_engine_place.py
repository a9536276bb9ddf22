"""The engine as a place of rows, and the local builder above it: what counts as there, and which image gets the tag."""

from __future__ import annotations

from pathlib import Path

import pytest
from imageyard.building.builder import EngineImage
from imageyard.building.engine_place import EnginePlace, parent_in_engine
from imageyard.building.local import LocalBuilder
from imageyard.engine import ImageStore
from imageyard.errors import EnvironmentLacks, NotFound
from imageyard.plan.decision import Decision
from imageyard.project.options import BuildOptions
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.engine.memory import MemoryEngine

BASE = "linux-base"


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


@pytest.fixture
def workplace(tmp_path: Path, engine: MemoryEngine) -> Workplace:
    return scene_of(tmp_path, engine=engine)


def name_of(workplace: Workplace, name: str = BASE) -> str:
    return str(workplace.project.repository.with_tag(workplace.facts(name).tag))


@pytest.mark.parametrize(
    ("platform", "of_this_recipe", "there"),
    [("linux/amd64", True, True), ("linux/arm64", True, False), ("linux/amd64", False, False)],
)
def test_an_image_counts_as_there_only_if_it_was_made_of_this_recipe(
    workplace: Workplace, engine: MemoryEngine, platform: str, of_this_recipe: bool, there: bool
) -> None:
    facts, place = workplace.facts(BASE), EnginePlace(workplace.project, workplace.services)
    assert place.find(facts) is None
    engine.load(name_of(workplace), platform, inputs=facts.recipe.inputs if of_this_recipe else "0" * 64)
    found = place.find(facts)
    assert (found is not None) is there
    assert found is None or (found.where, found.size) == ("in the engine", 1000)


@pytest.mark.parametrize("store", ["containerd", "classic"])
def test_a_parent_is_named_by_digest_where_the_store_has_digests(tmp_path: Path, store: ImageStore) -> None:
    engine = MemoryEngine(store)
    workplace = scene_of(tmp_path, engine=engine)
    facts, name = workplace.facts(BASE), name_of(workplace)
    with pytest.raises(NotFound, match="is gone from the engine"):
        parent_in_engine(workplace.project, workplace.services, facts)
    digest = engine.load(name).digest
    expected = f"{name}@{digest}" if store == "containerd" else name
    assert parent_in_engine(workplace.project, workplace.services, facts) == expected


@pytest.mark.parametrize(("forced", "adopted"), [(False, True), (True, False)])
def test_an_image_that_another_process_tagged_meanwhile_is_adopted(
    workplace: Workplace, engine: MemoryEngine, forced: bool, adopted: bool
) -> None:
    facts, place = workplace.facts(BASE), EnginePlace(workplace.project, workplace.services)
    unchecked = workplace.project.repository.with_tag("unchecked-1")
    ours = engine.load(str(unchecked), inputs=facts.recipe.inputs)
    theirs = engine.load(name_of(workplace), inputs=facts.recipe.inputs)
    published = place.publish(workplace.row(BASE, forced=forced), EngineImage(unchecked))
    assert (published.adopted, published.in_repository, published.size) == (adopted, False, 1000)
    kept = engine.inspect(name_of(workplace))
    assert kept is not None
    assert kept.id == (theirs if adopted else ours).id


@pytest.mark.parametrize(
    ("trust", "forced", "earned"), [("local", False, True), ("local", True, False), ("trusted", False, False)]
)
def test_only_a_person_publishes_what_was_in_the_engine_before(
    workplace: Workplace, engine: MemoryEngine, trust: str, forced: bool, earned: bool
) -> None:
    """On a runner, a run of less trust may have put it there."""
    decision = Decision(trust, "none", "a test")  # type: ignore[arg-type]
    builder = LocalBuilder(workplace.project, workplace.services, BuildOptions(decision=decision), publishes=True)
    row = workplace.row(BASE, forced=forced)
    engine.load(name_of(workplace), inputs=row.facts.recipe.inputs)
    assert builder._is_earned(row) is earned
    if earned:
        with builder.build([row]) as images:
            assert images == [EngineImage(workplace.project.repository.with_tag(row.facts.tag), earned=True)]


def test_what_the_store_cannot_hold_is_refused_before_it_is_built(tmp_path: Path) -> None:
    catalogue = CATALOGUE.replace("base: {dockerfile", "base: {provenance: max, dockerfile")
    workplace = scene_of(tmp_path, engine=MemoryEngine("classic"), **{"images.yml": catalogue})
    builder = LocalBuilder(workplace.project, workplace.services, BuildOptions(), publishes=True)
    with (
        pytest.raises(EnvironmentLacks, match=r"declared with provenance \(max\)"),
        builder.build([workplace.row(BASE)]),
    ):
        pass
