"""What `inv revoke` marks, and that a revoked image is not skipped to, started from, handed out or copied."""

from __future__ import annotations

import io
import subprocess
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from imageyard.building.builder import BuilderSetting, PushedImage
from imageyard.building.builder_choice import Choice
from imageyard.building.parents import locate_parents
from imageyard.building.repository_place import RepositoryPlace, place_of
from imageyard.console import Story
from imageyard.errors import (
    ConfigurationError,
    Denied,
    ImageyardError,
    NotFound,
    PolicyRefused,
    RevokedImage,
    Transient,
)
from imageyard.keep.backup_copy import companions
from imageyard.keep.retain import RetainRequest, retain
from imageyard.keep.revoke import RevokeRequest, revoke
from imageyard.names import Present, Reference, Revoked, State, Unknown
from imageyard.oci.revocation import NOTICE_TAG, is_marker_tag, marker_tag, revocation_of
from imageyard.plan.decision import LOCAL, Decision
from imageyard.project.options import BuildOptions
from imageyard.publishing.mirror import MirrorRequest, mirror
from imageyard.publishing.promote import promote
from imageyard.queries import plan as plans
from imageyard.queries import references as refs
from imageyard.queries.plan import Asked
from imageyard.queries.published import as_text, published
from imageyard.queries.resolve import resolve
from imageyard.queries.wait import wait
from imageyard.queries.workflow_plan import workflow_plan
from imageyard.registry.states import state, states
from imageyard.registry.store import RegistryStore
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.registry.built import put_built, put_index
from support.registry.memory import Fault, MemoryRegistry

BASE, MIDDLE, LEAF = "linux-base", "linux-middle-one", "linux-leaf"
GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
MIRRORED = f"mirrors: [mirror.test/img]\n{CATALOGUE}"
PUSH = Decision("trusted", "push", "main is protected", "missing", "trusted", ("trusted",), mirror=True)
PULL = Decision("branch", "pull_request", "a pull request", "missing", "branch", ("trusted", "branch"))
WHY = "its compiler is the wrong one"
REVOKE = RevokeRequest("", WHY, yes=True)


@dataclass
class Scene:
    """A checkout whose base is published, promoted and mirrored, for two architectures."""

    top: Path
    trusted: MemoryRegistry = field(default_factory=MemoryRegistry)
    mirror: MemoryRegistry = field(default_factory=lambda: MemoryRegistry("mirror.test", has_referrers=False))

    def __post_init__(self) -> None:
        self.client = self.trusted.client(self.mirror)
        work = scene_of(self.top, self.client, **{"images.yml": MIRRORED})
        self.said = io.StringIO()
        self.work: Workplace = replace(work, services=replace(work.services, reporter=Story(stream=self.said)))
        for argv in (["checkout", "-qb", "main"], ["add", "--all"], ["commit", "-qm", "first"]):
            subprocess.run([*GIT, "-C", str(self.top), *argv], check=True)
        for place in self.places:
            self.publish(BASE, place)
        whole = self.client.get(self.places[1].with_tag(self.whole(BASE)))
        self.client.put(self.places[1].with_tag(BASE), whole.body, whole.media_type)

    @property
    def places(self) -> tuple[Reference, Reference]:
        return self.trusted.reference("ci/image"), self.mirror.reference("img")

    def publish(self, name: str, place: Reference, note: str = "") -> None:
        rows = [
            (facts, put_built(self.client, place, facts, note=note))
            for facts in (self.work.facts(name, arch) for arch in ("amd64", "arm64"))
        ]
        for facts, raw in rows:
            self.client.put(place.with_tag(facts.tag), raw.body, raw.media_type)
        whole = put_index(self.client, place, rows)
        self.client.put(place.with_tag(self.whole(name)), whole.body, whole.media_type)

    def whole(self, name: str) -> str:
        return self.work.recipes.index_tag(self.work.project.catalogue.images[name])

    def tag(self, arch: str = "amd64", name: str = BASE) -> str:
        return self.work.facts(name, arch).tag

    def revoke(self, tag: str, decision: Decision = LOCAL, **asked: Any) -> ImageyardError | None:
        work = self.work
        request = replace(REVOKE, tag=tag, **asked)
        self.done, error = revoke(work.project, work.recipes, work.services, decision, request)
        return error

    def revoked(self, place: Reference) -> set[str]:
        """The tags of a repository whose images are revoked, as a state is asked for."""
        tags = [tag for tag in RegistryStore(self.client, place).tags() if tag != NOTICE_TAG and not is_marker_tag(tag)]
        told = states(self.client, [place.with_tag(tag) for tag in tags])
        return {str(one.tag) for one, found in told.items() if isinstance(found, Revoked)}

    def state(self, tag: str) -> State:
        return state(self.client, self.places[0].with_tag(tag))

    def plan(self, pattern: str = "*", arch: str | None = None) -> dict[str, tuple[str, str]]:
        work = self.work
        self.actions = plans.plan(work.project, work.recipes, work.services, Asked(pattern, arch, "trusted"))
        return {f"{one.row.image} {one.row.arch}": (one.do, one.reason) for one in self.actions}

    def place(self, at: str = "trusted", **options: Any) -> RepositoryPlace:
        asked = BuildOptions(at=at, **options)  # type: ignore[arg-type]
        work = self.work
        return place_of(BuilderSetting(work.project, work.recipes, work.services, asked, Choice("depot", "a test")))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_an_image_is_revoked_with_its_rows_at_every_repository(scene: Scene) -> None:
    assert scene.revoke(scene.whole(BASE)) is None
    everything = {scene.whole(BASE), scene.tag("amd64"), scene.tag("arm64")}
    assert scene.revoked(scene.places[0]) == everything
    assert scene.revoked(scene.places[1]) == {*everything, BASE}
    assert len(scene.done) == 6
    digest = scene.client.head(scene.places[0].with_tag(scene.whole(BASE)))[0]
    assert scene.state(scene.whole(BASE)) == Revoked(digest, WHY)


def test_a_row_is_revoked_with_the_index_that_lists_it(scene: Scene) -> None:
    """The other architecture's row is as good as before."""
    scene.revoke(scene.tag("amd64"))
    assert scene.revoked(scene.places[0]) == {scene.whole(BASE), scene.tag("amd64")}
    assert isinstance(scene.state(scene.tag("arm64")), Present)


def test_other_images_are_left_alone(scene: Scene) -> None:
    scene.publish(MIDDLE, scene.places[0])
    scene.revoke(scene.whole(BASE))
    assert isinstance(scene.state(scene.whole(MIDDLE)), Present)


def test_a_dry_run_writes_nothing_and_says_what_it_would(scene: Scene) -> None:
    scene.trusted.requests.clear()
    assert scene.revoke(scene.whole(BASE), yes=False) is None
    assert (scene.done, scene.revoked(scene.places[0])) == ([], set())
    assert not [one for one in scene.trusted.requests if not one.startswith(("GET", "HEAD"))]
    said = scene.said.getvalue()
    assert said.count("would be revoked") == 6
    assert "nothing was written: --yes does it" in said


def test_it_is_told_what_to_bump_and_what_is_built_on_it(scene: Scene) -> None:
    scene.revoke(scene.whole(BASE))
    said = scene.said.getvalue()
    assert f"raise `epoch` of {BASE} at images.yml:7:" in said
    assert f"built on {BASE}: {MIDDLE}, linux-middle-two, {LEAF}; they get new tags with it" in said
    assert f"mirror.test/img:{BASE} names it until the next image is mirrored: inv mirror {BASE}" in said


def test_what_is_revoked_for_the_same_reason_is_left_alone(scene: Scene) -> None:
    scene.revoke(scene.whole(BASE))
    scene.revoke(scene.whole(BASE))
    assert scene.done == []
    scene.revoke(scene.whole(BASE), reason="another one")
    assert len(scene.done) == 6
    assert scene.state(scene.tag()) == Revoked(scene.state(scene.tag()).digest, "another one")  # type: ignore[union-attr]


def test_it_is_taken_back(scene: Scene) -> None:
    scene.revoke(scene.whole(BASE))
    scene.revoke(scene.whole(BASE), undo=True, reason="")
    assert [scene.revoked(place) for place in scene.places] == [set(), set()]
    assert len(scene.done) == 6
    assert scene.revoke(scene.whole(BASE), undo=True) is None
    assert scene.done == [], "there is nothing to take back"


def test_an_index_stays_revoked_as_long_as_one_of_its_rows_is(scene: Scene) -> None:
    scene.revoke(scene.tag("amd64"))
    scene.revoke(scene.tag("arm64"))
    scene.revoke(scene.tag("amd64"), undo=True)
    assert scene.revoked(scene.places[0]) == {scene.whole(BASE), scene.tag("arm64")}
    scene.revoke(scene.tag("arm64"), undo=True)
    assert scene.revoked(scene.places[0]) == set()


def test_a_revocation_has_a_reason_and_an_image(scene: Scene) -> None:
    with pytest.raises(ConfigurationError, match="a revocation needs a reason"):
        scene.revoke(scene.whole(BASE), reason=" \n ")
    with pytest.raises(NotFound, match=r"linux-base-0{20} is not at registry\.test/ci/image nor registry\.test/ci/br"):
        scene.revoke(f"{BASE}-{'0' * 20}")


@pytest.mark.parametrize("decision", [PULL, Decision("fork", "pull_request", "a fork")])
def test_a_run_that_may_not_write_the_trusted_repository_revokes_nothing(scene: Scene, decision: Decision) -> None:
    with pytest.raises(PolicyRefused, match="this run revokes nothing"):
        scene.revoke(scene.whole(BASE), decision)
    assert scene.revoke(scene.whole(BASE), PUSH) is None


@pytest.mark.parametrize("where", ["GET /v2/img/manifests/linux", "PUT /v2/img/"])
def test_a_mirror_that_refuses_stops_no_other_repository(scene: Scene, where: str) -> None:
    scene.mirror.faults = [Fault(where, 403, times=99, code="DENIED")]
    assert isinstance(scene.revoke(scene.whole(BASE)), Denied)
    assert len(scene.revoked(scene.places[0])) == 3
    scene.mirror.faults = []
    assert scene.revoke(scene.whole(BASE)) is None
    assert len(scene.revoked(scene.places[1])) == 4


def test_a_repository_whose_tags_are_immutable_takes_a_revocation(scene: Scene) -> None:
    scene.trusted.immutable = True
    assert scene.revoke(scene.whole(BASE)) is None
    assert len(scene.revoked(scene.places[0])) == 3
    assert isinstance(scene.revoke(scene.whole(BASE), undo=True), PolicyRefused)
    assert len(scene.revoked(scene.places[0])) == 3, "and keeps it"


def test_a_plan_is_refused_with_the_reason_and_what_to_bump(scene: Scene) -> None:
    scene.revoke(scene.tag("amd64"))
    found = scene.plan(arch="amd64")
    do, reason = found[f"{BASE} amd64"]
    assert do == "blocked"
    assert reason.startswith(f"it is revoked: {WHY}; raise `epoch` at images.yml:7:")
    assert {found[f"{name} amd64"][0] for name in (MIDDLE, LEAF)} == {"blocked"}, "none is built on it"
    with pytest.raises(PolicyRefused, match=f"{BASE} amd64 cannot be planned: it is revoked: {WHY}"):
        plans.check(scene.actions)


def test_a_raised_epoch_is_built_anew(scene: Scene) -> None:
    scene.revoke(scene.whole(BASE))
    raised = MIRRORED.replace("{dockerfile: Dockerfile", "{epoch: 2, dockerfile: Dockerfile")
    scene.work = scene_of(scene.top, scene.client, **{"images.yml": raised})
    assert {do for do, _ in scene.plan().values()} == {"build"}


@pytest.mark.parametrize("force", [False, True])
def test_a_workflow_is_planned_without_what_is_revoked(scene: Scene, force: bool) -> None:
    scene.revoke(scene.whole(BASE))
    work = scene.work
    decision = replace(PUSH, force=force)
    plan = workflow_plan(work.project, work.recipes, work.services, decision, BASE)
    if force:  # nothing is asked before: the job of the row is refused instead
        assert {job.image for job in plan.jobs} == {BASE}
        with pytest.raises(RevokedImage):
            scene.place(decision=decision, force=True).publish(*built(scene))
        return
    assert plan.jobs == ()
    assert {code for code, _, _ in plan.blocked} == {10}
    assert {one.do for one in plan.delivered} == {"blocked"}


def built(scene: Scene) -> tuple[Any, PushedImage]:
    """Another build of the base's inputs, by digest."""
    row = scene.work.row(BASE, forced=True)
    raw = put_built(scene.client, scene.places[0], row.facts, note="again")
    return row, PushedImage(scene.places[0].with_digest(raw.digest))


@pytest.mark.parametrize("status", [403, 503])
def test_a_marker_that_cannot_be_read_is_not_taken_for_none(scene: Scene, status: int) -> None:
    scene.trusted.faults = [Fault(r"\.revoked", status, times=99, code="DENIED")]
    found = scene.state(scene.tag())
    assert isinstance(found, Unknown)
    assert isinstance(found.error, Denied if status == 403 else Transient)
    assert scene.plan(BASE, "amd64")[f"{BASE} amd64"][0] == "blocked"
    with pytest.raises((Denied, Transient)):
        scene.place().find(scene.work.facts(BASE))


def test_nobody_is_handed_a_revoked_image(scene: Scene) -> None:
    scene.revoke(scene.whole(BASE))
    work = scene.work
    asked = (work.project, work.recipes)
    with pytest.raises(RevokedImage, match=WHY) as refused:
        resolve(*asked, BASE, None, "trusted", scene.client)
    assert f"raise `epoch` of {BASE} at images.yml:7:" in refused.value.hint[0]
    with pytest.raises(RevokedImage, match=WHY):
        wait(*asked, work.services, BASE, None, ("trusted",), timeout=3600)
    assert scene.client.http.clock.monotonic() < 1001, "nobody waits for it"
    for entry in refs.references(*asked, work.services, BASE, None, ("trusted",)):
        assert (entry.reference, entry.mirrors, entry.why) == (None, (), f"it is revoked: {WHY}")
        assert isinstance(entry.error, RevokedImage)


def test_a_mirror_hands_out_no_revoked_image_where_the_registry_is_silent(scene: Scene) -> None:
    scene.revoke(scene.whole(BASE))
    scene.trusted.faults = [Fault("", 503, times=9999)]
    work = scene.work
    for entry in refs.references(work.project, work.recipes, work.services, BASE, None, ("trusted",)):
        assert entry.reference is None


def test_a_row_is_not_skipped_and_no_child_starts_from_it(scene: Scene) -> None:
    scene.revoke(scene.tag())
    place = scene.place()
    with pytest.raises(RevokedImage, match=WHY) as refused:
        place.find(scene.work.facts(BASE))
    assert "raise `epoch`" in refused.value.hint[0]
    with pytest.raises(RevokedImage):
        locate_parents(scene.work.row(MIDDLE), place, {}, published_before=True)


def test_a_forced_build_does_not_take_a_revoked_tag_over(scene: Scene) -> None:
    scene.revoke(scene.tag())
    with pytest.raises(RevokedImage, match=WHY):
        scene.place(force=True).require_writable(scene.work.facts(BASE))
    scene.trusted.faults = [Fault(r"\.revoked", 503, times=99)]
    with pytest.raises(Transient):
        scene.place(force=True).require_writable(scene.work.facts(BASE))
    scene.trusted.faults = []
    scene.revoke(scene.tag(), undo=True)
    scene.place(force=True).require_writable(scene.work.facts(BASE))


def test_a_build_that_was_slower_does_not_adopt_a_revoked_image(scene: Scene) -> None:
    scene.revoke(scene.tag())
    with pytest.raises(RevokedImage, match=WHY):
        scene.place().publish(*built(scene))


@pytest.mark.parametrize("arch", [None, "arm64"])
def test_it_is_not_promoted(scene: Scene, arch: str | None) -> None:
    scene.revoke(scene.tag(arch) if arch else scene.whole(BASE))
    work = scene.work
    for force in (False, True):
        with pytest.raises(RevokedImage, match=WHY):
            promote(work.project, work.recipes, work.services, BASE, "trusted", force=force)


def test_a_list_of_tags_that_was_cut_spares_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the image's tags are now is asked for by name; a list without the tag itself is no list."""
    whole, row = scene.whole(BASE), scene.tag("amd64")
    monkeypatch.setattr(RegistryStore, "tags", lambda self: iter([row]))
    assert scene.revoke(row) is None
    monkeypatch.undo()
    assert scene.revoked(scene.places[0]) == {row, whole}
    monkeypatch.setattr(RegistryStore, "tags", lambda self: iter([whole]))
    error = scene.revoke(scene.tag("arm64"))
    assert isinstance(error, Transient)
    assert "cut its list of tags" in error.headline


def test_it_is_not_mirrored(scene: Scene) -> None:
    scene.revoke(scene.whole(BASE))
    scene.mirror.requests.clear()
    work = scene.work
    done, code = mirror(work.project, work.recipes, work.services, MirrorRequest(BASE, branch="main", force=True))
    assert (done, code) == ([], 10)
    assert scene.mirror.requests == []


def test_what_only_a_mirror_revoked_is_not_moved_there(scene: Scene) -> None:
    """As when the revocation was taken back at the trusted repository and could not be at the mirror."""
    scene.revoke(scene.whole(BASE))
    scene.mirror.faults = [Fault("PUT", 403, times=99, code="DENIED")]
    scene.revoke(scene.whole(BASE), undo=True)
    scene.mirror.faults = []
    work = scene.work
    done, code = mirror(work.project, work.recipes, work.services, MirrorRequest(BASE, branch="main"))
    assert (done, code) == ([], 10)
    plan = workflow_plan(work.project, work.recipes, work.services, PUSH, BASE)
    assert {one.reason for one in plan.delivered if one.step == "mirror"} == {
        "in registry.test/ci/image, revoked at mirror.test/img"
    }


def test_the_marker_is_of_those_that_a_backup_takes_along(scene: Scene) -> None:
    scene.revoke(scene.tag())
    digest = scene.client.head(scene.places[0].with_tag(scene.tag()))[0]
    store = RegistryStore(scene.client, scene.places[0])
    assert revocation_of(store, digest) is not None
    assert companions(store.tags(), [digest]) == [marker_tag(digest)]


def test_retention_keeps_a_marker_as_long_as_its_image(home: Path, scene: Scene) -> None:
    """To be revoked is no reason to go and none to stay; the restore record has the marker's bytes with the image's."""
    old = f"{BASE}-{'0' * 20}"
    facts = scene.work.facts(BASE)
    raw = put_built(scene.client, scene.places[0], facts, note="old")
    scene.client.put(scene.places[0].with_tag(old), raw.body, raw.media_type)
    for tag in (old, scene.tag("arm64")):
        assert scene.revoke(tag) is None
    work = scene.work
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    for days in (0, 400):
        retain(work.project, work.services, RetainRequest(yes=True, share=1.0), start + timedelta(days=days))
    kept = scene.trusted.tags("ci/image")
    assert old not in kept
    assert marker_tag(raw.digest) not in kept
    assert scene.revoked(scene.places[0]) == {scene.tag("arm64"), scene.whole(BASE)}
    assert isinstance(scene.state(scene.tag("amd64")), Present)


def test_an_explanation_tells_of_it(scene: Scene) -> None:
    scene.revoke(scene.tag("amd64"))
    work = scene.work
    rows = published(work.project, work.recipes, work.services, BASE, "trusted")
    assert {one["arch"]: one["state"] for one in rows} == {"amd64": "revoked", "arm64": "present", "all": "revoked"}
    assert f"it is revoked: {WHY}; raise `epoch` at images.yml:7:" in as_text("a place", rows)
    scene.trusted.faults = [Fault("", 503, times=999)]
    rows = published(work.project, work.recipes, work.services, BASE, "trusted")
    assert {one["state"] for one in rows} == {"unknown"}
