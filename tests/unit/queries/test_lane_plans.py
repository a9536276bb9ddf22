"""Plans and rows of lanes, at registries in memory: a run is about one lane or none, and writes to its own places."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from imageyard.catalogue.model import Catalogue
from imageyard.errors import ConfigurationError
from imageyard.keep.retain import repositories
from imageyard.names import Reference
from imageyard.plan.caches import caches
from imageyard.plan.decision import Decision
from imageyard.project.checkout import LANE, Checkout
from imageyard.project.options import BuildOptions
from imageyard.project.project import load_project
from imageyard.project.row_facts import identify
from imageyard.project.row_list import row_list
from imageyard.publishing.destination import destination
from imageyard.queries import plan as plans
from imageyard.queries.plan import Asked, left_out
from imageyard.queries.resolve import resolve
from imageyard.queries.workflow_plan import plain, workflow_plan
from support.building.checkout import CATALOGUE, Workplace, scene_of, write_checkout
from support.lanes.catalogues import with_images
from support.registry.built import put_built
from support.registry.memory import Fault, MemoryRegistry

BASE, VENDOR, OTHER = "linux-base", "linux-vendor", "linux-other"
IMAGES = (
    CATALOGUE.replace("{linux, base, ", "{linux, vendor, other, base, ")
    + "  vendor: {lane: acme, dockerfile: child.Dockerfile, names: {linux-vendor: }, "
    + 'args: {BASE: "image:linux-base", N: 4}}\n'
    + "  other: {lane: globex, dockerfile: Dockerfile, names: {linux-other: }}\n"
)
LANES = with_images("lanes.test/lanes", "acme: acme-ai/torch-acme@812345678", "globex: globex/plugin@4711")
PUSH = Decision("trusted", "push", "main is protected", "missing", "trusted", ("trusted",), mirror=True)
TOP = "mirrors: [mirror.test/img]\ncache: {trusted: registry.test/cache, branch: registry.test/cache-branch}\n"
FILES = {"images.yml": f"{TOP}{IMAGES}", "lanes.yml": LANES}


@dataclass
class Place:
    """A checkout as runs of a lane, or of none, see it, with the registry of ours and that of lanes."""

    ours: MemoryRegistry
    lanes: MemoryRegistry
    work: Workplace

    def put(self, registry: MemoryRegistry, at: str, name: str, arch: str = "amd64") -> None:
        row = next(row for row in self.work.project.catalogue.rows if (row.name, row.arch) == (name, arch))
        facts = identify(self.work.recipes, row)
        client, place = self.work.services.registry(), registry.reference(at)
        raw = put_built(client, place, facts)
        client.put(place.with_tag(facts.tag), raw.body, raw.media_type)

    def plan(self, pattern: str = "*") -> dict[str, str]:
        work, asked = self.work, Asked(pattern, "amd64", "trusted")
        return {one.row.image: one.do for one in plans.plan(work.project, work.recipes, work.services, asked)}


@pytest.fixture(params=[None, "acme"])
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    if request.param:
        monkeypatch.setenv(LANE, request.param)
    named: str | None = request.param
    return named


@pytest.fixture
def place(lane: str | None, tmp_path: Path) -> Place:
    ours, lanes = MemoryRegistry(), MemoryRegistry("lanes.test")
    return Place(ours, lanes, scene_of(tmp_path, ours.client(lanes, MemoryRegistry("mirror.test")), **FILES))


def layer_caches(catalogue: Catalogue, decision: Decision) -> list[str]:
    """The repositories of the caches that a build reads and writes."""
    named = catalogue.settings["cache"]
    assert isinstance(named, dict)
    used = caches(decision, VENDOR, "amd64", named)
    return [each.partition("ref=")[2].rpartition(f":{VENDOR}")[0] for each in (*used.read, *used.write)]


only_acme = pytest.mark.parametrize("lane", ["acme"], indirect=True)
only_none = pytest.mark.parametrize("lane", [None], indirect=True)


@only_none
def test_a_run_of_no_lane_leaves_lanes_out_and_says_so(place: Place) -> None:
    assert VENDOR not in place.plan()
    assert left_out(place.work.project.catalogue) == (
        "2 images of the lanes acme, globex left out: a run with IMAGEYARD_LANE=NAME is about one"
    )
    work = place.work
    plan = workflow_plan(work.project, work.recipes, work.services, PUSH)
    assert {VENDOR, OTHER}.isdisjoint(one.row.image for one in plan.actions)
    assert {VENDOR, OTHER}.isdisjoint(one.image for one in plan.delivered)
    jobs = work.services.provider.workflow_jobs(plan.jobs, plan.delivered)
    assert plain(plan, jobs, 1)["left_out"] == plan.left_out == left_out(work.project.catalogue)
    assert place.lanes.requests == []


@only_acme
@pytest.mark.parametrize("there", [True, False])
def test_a_run_of_a_lane_builds_its_own_on_what_is_published(place: Place, there: bool) -> None:
    if there:
        place.put(place.ours, "ci/image", BASE)
    assert place.plan(VENDOR) == ({VENDOR: "build"} if there else {BASE: "blocked", VENDOR: "blocked"})
    work = place.work
    plan = workflow_plan(work.project, work.recipes, work.services, PUSH, VENDOR)
    found = {one.row.image: (one.do, one.reason) for one in plan.actions if one.row.arch == "amd64"}
    if there:
        assert found[VENDOR][0] == "build"
        assert BASE not in found
    else:
        words = "is of no lane, and is not at registry.test/ci/image: a run of the lane does not publish it"
        assert found[BASE][0] == "blocked"
        assert words in found[BASE][1]
        assert plan.jobs == ()
    assert not any(one.step == "mirror" for one in plan.delivered), "mirrors are of no lane"
    assert not any(one.image == BASE for one in plan.delivered)


@only_acme
def test_what_is_in_a_lane_does_not_count_as_ours_and_the_other_way_round(place: Place) -> None:
    place.put(place.lanes, "lanes/acme/images", BASE)  # a vendor put an image under our tag
    assert place.plan(VENDOR) == {BASE: "blocked", VENDOR: "blocked"}
    place.put(place.ours, "ci/image", BASE)
    place.put(place.ours, "ci/image", VENDOR)
    assert place.plan(VENDOR) == {VENDOR: "build"}, "what is at ours is not published in the lane"
    place.put(place.lanes, "lanes/acme/images", VENDOR)
    assert place.plan(VENDOR) == {VENDOR: "skip"}
    work = place.work
    found = resolve(work.project, work.recipes, VENDOR, "amd64", "trusted", work.services.registry())
    assert found.startswith("lanes.test/lanes/acme/images@sha256:")


@only_acme
def test_a_registry_of_ours_that_does_not_say_blocks_the_lane(place: Place) -> None:
    place.ours.faults = [Fault("", 403, times=999, code="DENIED")]
    assert place.plan(VENDOR) == {BASE: "blocked", VENDOR: "blocked"}


def test_each_writes_to_its_own_places_and_asks_no_other(place: Place, lane: str | None) -> None:
    """Images, layer caches, retention and revocations."""
    catalogue, client = place.work.project.catalogue, place.work.services.registry()
    own = ["lanes.test/lanes/acme/images"] if lane else ["registry.test/ci/image"]
    for at in ("trusted", "branch"):
        found = destination(catalogue, BuildOptions(at=at))
        assert found.repository.registry == ("lanes.test" if lane else "registry.test")
    found = destination(catalogue, BuildOptions(decision=PUSH))
    assert [found.repository.name] == own
    names = {reference.name for reference, _ in repositories(catalogue)}
    assert names == (
        {"lanes.test/lanes/acme/images", "lanes.test/lanes/acme/cache"}
        if lane
        else {
            "registry.test/ci/image",
            "registry.test/ci/branch",
            "mirror.test/img",
            "registry.test/cache",
            "registry.test/cache-branch",
        }
    )
    if lane:
        base = next(row for row in catalogue.rows if row.name == BASE)
        assert found.reads_of(base) == (Reference("registry.test", "ci/image"),)
        assert found.find(client, "absent", base) is None
        assert place.lanes.requests == []
    decided = replace(PUSH, caches_read=("main",), cache_written="main")
    used = layer_caches(catalogue, decided)
    assert used == (["lanes.test/lanes/acme/cache"] * 2 if lane else ["registry.test/cache"] * 2)


@pytest.mark.parametrize(
    ("lane", "image", "words"),
    [
        (None, VENDOR, "linux-vendor is of the lane acme, and this run is about images of no lane"),
        ("acme", OTHER, "linux-other is of the lane globex, and this run is about the lane acme"),
        ("acme", BASE, "linux-base is of no lane, and this run is about the lane acme"),
        ("acme", "linux-leaf", "linux-leaf is of no lane, and this run is about the lane acme"),
    ],
    indirect=["lane"],
)
def test_an_image_that_a_run_is_not_about(place: Place, image: str, words: str) -> None:
    for ask in (lambda: place.work.project.row(image, "amd64"), lambda: place.work.project.rows(image)):
        with pytest.raises(ConfigurationError) as refused:
            ask()
        assert refused.value.headline == words
        assert LANE in str(refused.value.hint)


def test_nox_lists_the_rows_that_a_run_is_about(
    place: Place, lane: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = place.work.project
    checkout = Checkout(project.file, project.top)
    listed = {row.name for row in row_list(checkout)}
    assert listed == ({VENDOR} if lane else {*project.catalogue.own_images})
    monkeypatch.setenv(LANE, "globex")
    assert {row.name for row in row_list(checkout)} == {OTHER}, "the list that is kept is of another lane"


def test_a_lane_is_named_by_hand_too(tmp_path: Path) -> None:
    project = write_checkout(tmp_path, **FILES)
    assert load_project(project, "globex").catalogue.own_images == (OTHER,)
