"""What is to be done, by the states of tags at a registry in memory: plans of rows, plans of a workflow, references."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from imageyard.ci.providers.github import matrix
from imageyard.errors import Denied, ImageyardError, NotFound, NothingToDo, PolicyRefused, Transient
from imageyard.names import Absent, Present, Unknown
from imageyard.plan.decision import LOCAL, Decision
from imageyard.plan.trust import Event, decide
from imageyard.project import publish_policy
from imageyard.project.places import place_of
from imageyard.project.recipes import UNLOCKED, recipes_of
from imageyard.project.tags import index_tag, row_tag
from imageyard.queries import plan as plans
from imageyard.queries import references as refs
from imageyard.queries.place_states import states_at
from imageyard.queries.plan import Asked
from imageyard.queries.resolve import records, resolve
from imageyard.queries.wait import wait
from imageyard.queries.workflow_plan import WorkflowPlan, plain, workflow_plan
from support.building.checkout import CATALOGUE, Workplace, scene_of
from support.engine.memory import MemoryEngine
from support.registry.built import put_built, put_index
from support.registry.memory import Fault, MemoryRegistry

BASE, MIDDLE, TWO, LEAF = "linux-base", "linux-middle-one", "linux-middle-two", "linux-leaf"
ARCHES = ("amd64", "arm64")
MIRRORED = f"mirrors: [mirror.test/img]\n{CATALOGUE}"
PUSH = Decision("trusted", "push", "main is protected", "missing", "trusted", ("trusted",), mirror=True)
SAVED = replace(PUSH, backup=True)
TAG = decide(Event("push", ref="refs/tags/ciflow/docker/1", commit_on="main"), ["main"])
CANARY = Decision(
    "trusted", "schedule", "a canary", "all", "trusted", ("trusted",), tags="weekly", force=True, day="20261127"
)


class Scene:
    """A checkout, its registry and a mirror."""

    def __init__(self, top: Path, catalogue: str = MIRRORED) -> None:
        self.registry, self.mirror = MemoryRegistry(), MemoryRegistry("mirror.test")
        self.client = self.registry.client(self.mirror)
        self.engine = MemoryEngine()
        self.work: Workplace = scene_of(top, self.client, engine=self.engine, **{"images.yml": catalogue})

    def publish(self, name: str, *arches: str, registry: MemoryRegistry | None = None, at: str = "ci/image") -> None:
        """Put rows under their tags, and of both architectures the image as well."""
        place = (registry or self.registry).reference(at)
        rows = [(facts, put_built(self.client, place, facts)) for facts in (self.work.facts(name, a) for a in arches)]
        for facts, raw in rows:
            self.client.put(place.with_tag(facts.tag), raw.body, raw.media_type)
        if len(arches) == 2:
            whole = put_index(self.client, place, rows)
            self.client.put(place.with_tag(self.whole(name)), whole.body, whole.media_type)

    def whole(self, name: str) -> str:
        return index_tag(self.work.recipes, self.work.project.catalogue.images[name], PUSH)

    def plan(self, pattern: str = "*", **asked: Any) -> dict[str, str]:
        work = self.work
        self.actions = plans.plan(
            work.project, work.recipes, work.services, Asked(pattern, **{"at": "trusted", **asked})
        )
        return {f"{one.row.image} {one.row.arch}": one.do for one in self.actions}

    def workflow(self, decision: Decision = PUSH, pattern: str = "*") -> WorkflowPlan:
        work = self.work
        return workflow_plan(work.project, work.recipes, work.services, decision, pattern)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_plan_has_what_is_absent_and_its_ancestors_parents_first(scene: Scene) -> None:
    scene.publish(BASE, "amd64")
    assert scene.plan(LEAF, arch="amd64") == {
        f"{MIDDLE} amd64": "build",
        f"{LEAF} amd64": "build",
    }
    assert [one.level for one in scene.actions] == [0, 1]
    scene.publish(LEAF, "amd64")
    assert set(scene.plan(LEAF, arch="amd64").values()) == {"skip"}
    with pytest.raises(NothingToDo, match="nothing to build"):
        plans.check(scene.actions, nothing_is_news=True)


def test_a_plan_of_the_engine_asks_the_engine_alone(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    facts = scene.work.facts(BASE)
    place = place_of(scene.work.project.catalogue, "engine")
    tags: dict[str, str] = {facts.tag: "sha256:1"}
    scene.engine.tags = lambda repository: tags  # type: ignore[method-assign,assignment,return-value]
    states = states_at(scene.work.project, scene.work.services, place, [facts.tag, "other"])
    assert states == {facts.tag: Present("sha256:1"), "other": Absent()}  # type: ignore[arg-type]
    assert scene.plan(BASE, at="engine", arch="amd64") == {f"{BASE} amd64": "skip"}
    assert scene.registry.requests == []
    assert scene.plan(BASE, at=None, arch="amd64") != {}


@pytest.mark.parametrize(("status", "kind"), [(403, Denied), (503, Transient)])
def test_a_plan_on_a_guess_is_none(scene: Scene, status: int, kind: type[ImageyardError]) -> None:
    scene.registry.faults = [Fault("", status, times=999, code="DENIED")]
    assert set(scene.plan(LEAF, arch="amd64").values()) == {"blocked"}
    with pytest.raises(kind, match=r"linux-leaf amd64 cannot be planned: registry\.test"):
        plans.check(scene.actions)
    place = place_of(scene.work.project.catalogue, "trusted")
    (state,) = states_at(scene.work.project, scene.work.services, place, ["t"]).values()
    assert isinstance(state, Unknown)
    assert isinstance(state.error, kind)


def test_what_must_not_be_published_is_refused_in_the_plan(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    (tmp_path / "Dockerfile").write_text("FROM debian:bookworm\nCOPY word /\n")
    assert scene.plan(BASE, arch="amd64") == {f"{BASE} amd64": "blocked"}
    with pytest.raises(PolicyRefused, match="is not locked"):
        plans.check(scene.actions)


def test_a_plan_is_printed_as_a_table_and_as_json_with_a_row_a_line(scene: Scene) -> None:
    scene.plan(MIDDLE, arch="amd64")
    catalogue = scene.work.project.catalogue
    table = plans.rendered(catalogue, scene.actions, as_json=False).splitlines()
    assert [line.split()[:4] for line in table[1:]] == [[BASE, "amd64", "0", "build"], [MIDDLE, "amd64", "1", "build"]]
    text = plans.rendered(catalogue, scene.actions, as_json=True)
    assert [row["needs"] for row in json.loads(text)["rows"]] == [[], [BASE]]
    assert len(text.splitlines()) == 4


def test_a_push_with_nothing_to_do_has_no_job(scene: Scene) -> None:
    for name in (BASE, MIDDLE, TWO, LEAF):
        scene.publish(name, "amd64", "arm64")
        scene.publish(name, "amd64", "arm64", registry=scene.mirror, at="img")
        whole = scene.mirror.tags("img")[scene.whole(name)]
        raw = scene.client.get(scene.mirror.reference("img").with_digest(cast("Any", whole)))
        scene.client.put(scene.mirror.reference("img", name), raw.body, raw.media_type)
    plan = scene.workflow()
    assert (plan.jobs, plan.blocked) == ((), ())
    assert {one.do for one in plan.delivered} == {"skip"}
    assert plain(plan, matrix.jobs(plan.jobs, plan.delivered), 1)["skipped"] == 8


def test_a_push_builds_promotes_and_mirrors_what_is_missing(scene: Scene) -> None:
    scene.publish(BASE, "amd64", "arm64")
    scene.publish(MIDDLE, "amd64")
    plan = scene.workflow(pattern=MIDDLE)
    assert [(job.image, job.arch, job.level) for job in plan.jobs] == [(MIDDLE, "arm64", 0)]
    steps = {(one.image, one.step): one.do for one in plan.delivered}
    assert steps == {(MIDDLE, "promote"): "work", (MIDDLE, "mirror"): "work"}
    shown = plain(plan, matrix.jobs(plan.jobs, plan.delivered), 2)
    assert shown["attempt"] == 2
    assert [(row["image"], row["job"]) for row in cast("list[dict[str, str]]", shown["rows"])] == [
        (MIDDLE, f"{MIDDLE} arm64")
    ]
    assert {row["job"] for row in cast("list[dict[str, str]]", shown["images"])} == {MIDDLE}


@pytest.mark.parametrize("decision", [SAVED, CANARY, TAG, replace(PUSH, trust="branch", push="branch")])
def test_what_is_trusted_is_backed_up_where_there_is_a_bucket(tmp_path: Path, decision: Decision) -> None:
    """In one job, whatever the number of images: it writes down what is published at the commit."""
    scene = Scene(tmp_path, f"backup: {{bucket: acme}}\n{MIRRORED}")
    scene.publish(BASE, *ARCHES)
    plan = scene.workflow(decision)
    (job,) = matrix.jobs(plan.jobs, plan.delivered).steps["backup"] or [None]
    if decision is SAVED:
        assert job is not None
        assert job.images == (MIDDLE, TWO, LEAF)
    else:
        assert job is None, "a canary is gone in two weeks; a branch and a tag have no right to the bucket"


def test_a_canary_builds_every_row_whatever_is_there(scene: Scene) -> None:
    scene.publish(BASE, "amd64", "arm64")
    plan = scene.workflow(CANARY, BASE)
    assert [(job.arch, job.tag) for job in plan.jobs] == [
        (arch, f"{BASE}-weekly-20261127-{arch}") for arch in ("amd64", "arm64")
    ]
    assert row_tag(scene.work.recipes, scene.work.project.row(BASE, "amd64"), CANARY) == plan.jobs[0].tag
    assert not [one for one in scene.registry.requests if one.startswith("HEAD") and "weekly" in one]


@pytest.mark.parametrize(
    ("more", "amd64", "arm64"),
    [("timeout: 60m", 75, 75), ("timeout: 60m, attempts: 3", 195, 195)],
)
@pytest.mark.parametrize("connecting", [0, 30])
def test_a_job_has_the_time_of_all_its_attempts(
    tmp_path: Path, more: str, amd64: int, arm64: int, connecting: int
) -> None:
    """Each may have to wait for a worker: the one before was lost. The engine of a runner is there."""
    worker = f"builders: {{remote: {{amd64: tcp://w.test:1, insecure: yes, connect_timeout: {connecting}m}}}}\n"
    catalogue = CATALOGUE.replace("base: {dockerfile", f"base: {{{more}, dockerfile")
    scene = Scene(tmp_path, (worker if connecting else "") + catalogue)
    minutes = {job.arch: job.timeout for job in scene.workflow(pattern=BASE).jobs}
    attempts = 3 if "attempts" in more else 1
    assert minutes == {"amd64": amd64 + connecting * attempts, "arm64": arm64}


def test_a_run_that_must_build_nothing_asks_nobody(scene: Scene) -> None:
    plan = scene.workflow(Decision("fork", "pull_request", "closed", "nothing"))
    assert (plan.jobs, plan.actions, scene.registry.requests) == ((), (), [])


@pytest.mark.parametrize(("status", "code"), [(403, 8), (503, 9)])
def test_a_registry_that_does_not_say_blocks_the_plan(scene: Scene, status: int, code: int) -> None:
    scene.registry.faults = [Fault("", status, times=999, code="DENIED")]
    assert {found for found, _, _ in scene.workflow(pattern=BASE).blocked} == {code}


PULL = Decision("branch", "pull_request", "it is from this repository", "missing", "branch", ("trusted", "branch"))


def commit(top: Path) -> None:
    names = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
    for argv in (("add", "--all"), (*names, "commit", "--quiet", "--message=State")):
        subprocess.run(["git", *argv], cwd=top, check=True)


@pytest.mark.parametrize(("status", "code"), [(403, 8), (503, 9)])
@pytest.mark.parametrize(
    ("changed", "asked", "stopped"),
    [("README", set(), set()), ("child.Dockerfile", {BASE, MIDDLE, TWO, LEAF}, {MIDDLE, TWO, LEAF})],
)
def test_what_a_pull_request_does_not_touch_is_left_alone_before_its_state_is_judged(
    tmp_path: Path, changed: str, asked: set[str], stopped: set[str], status: int, code: int
) -> None:
    scene = Scene(tmp_path)
    commit(tmp_path)
    with (tmp_path / changed).open("a") as file:
        file.write("RUN true\n")
    scene.registry.faults = [Fault("", status, times=999, code="DENIED")]
    work = scene.work
    recipes = recipes_of(work.project)
    plan = workflow_plan(work.project, recipes, work.services, PULL, since="HEAD")
    assert {found for found, _, _ in plan.blocked} == ({code} if stopped else set())
    assert {one.row.image for one in plan.actions if one.do == "blocked"} == stopped
    assert {one.row.image for one in plan.actions if one.do == "skip"} == {BASE, MIDDLE, TWO, LEAF} - stopped
    named = {one.partition("/manifests/")[2] for one in scene.registry.requests} - {""}
    assert {name for name in (BASE, MIDDLE, TWO, LEAF) if any(tag.startswith(f"{name}-") for tag in named)} <= asked
    assert bool(scene.registry.requests) is bool(asked)

    pushed = workflow_plan(work.project, recipes, work.services, PUSH)
    assert {one.do for one in pushed.actions} == {"blocked"}, "main owes them all"


def references(scene: Scene, *at: str, pattern: str = BASE, arch: str | None = None) -> list[refs.ImageReference]:
    work = scene.work
    return refs.references(work.project, work.recipes, work.services, pattern, arch, at or ("trusted",))


def test_references_are_by_digest_with_the_mirrors_that_have_the_same(scene: Scene) -> None:
    scene.publish(BASE, "amd64", "arm64")
    scene.publish(BASE, "amd64", "arm64", registry=scene.mirror, at="img")
    whole, amd64, arm64 = references(scene)
    tags = scene.registry.tags("ci/image")
    assert [str(one.reference) for one in (whole, amd64, arm64)] == [
        f"registry.test/ci/image@{tags[one.tag]}" for one in (whole, amd64, arm64)
    ]
    assert [one.name for one in whole.mirrors] == ["mirror.test/img"]
    shown = cast("dict[str, Any]", refs.rendered([whole], as_json=True))
    assert shown["references"][0]["mirrors"] == [f"mirror.test/img@{tags[whole.tag]}"]
    assert "also at mirror.test/img" in str(refs.rendered([whole], as_json=False))


@pytest.mark.parametrize("status", [403, 503])
def test_a_job_without_credentials_is_handed_what_a_mirror_has(
    scene: Scene, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.publish(BASE, "amd64", "arm64", registry=scene.mirror, at="img")
    scene.registry.faults = [Fault("", status, times=999, code="DENIED")]
    whole, *_ = references(scene)
    assert str(whole.reference).startswith("mirror.test/img@sha256:")
    assert (whole.error, whole.why.startswith("from a mirror: ")) == (None, True)
    refs.check([whole], existing=False)

    scene.mirror.faults = [Fault("", 503, times=999)]
    whole, *_ = references(scene)
    assert whole.reference is None
    with pytest.raises(Denied if status == 403 else Transient):
        refs.check([whole], existing=True)


@pytest.mark.parametrize(("status", "kind"), [(403, Denied), (503, Transient)])
def test_what_a_registry_does_not_say_is_an_error_unless_only_what_is_known_is_asked_for(
    scene: Scene, status: int, kind: type[ImageyardError]
) -> None:
    scene.registry.faults = [Fault("", status, times=999, code="DENIED")]
    entries = references(scene)
    refs.check(entries, existing=False, known=True)
    with pytest.raises(kind):
        refs.check(entries, existing=True)
    shown = cast("dict[str, Any]", refs.rendered(entries, as_json=True))
    assert (shown["references"], len(shown["absent"])) == ([], 3)
    wrong = replace(entries[0], error=PolicyRefused("it is for linux/s390x"))
    with pytest.raises(PolicyRefused):
        refs.check([wrong], existing=True, known=True)


def test_what_is_absent_is_an_error_unless_only_what_exists_is_asked_for(scene: Scene) -> None:
    entries = references(scene, "branch")
    refs.check(entries, existing=True)
    with pytest.raises(
        NotFound, match=r"linux-base as a whole has no reference: absent in registry\.test/ci/branch \(and 2 more\)"
    ):
        refs.check(entries, existing=False)


def test_what_is_never_published_is_not_asked_for(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian:bookworm\nCOPY word /\n")
    entries = references(scene, arch="amd64")
    assert [one.why for one in entries] == ["it is never published: debian:bookworm is not locked: inv lock"]
    assert publish_policy.why_not(scene.work.recipes, scene.work.project.row(BASE, "amd64")) != ""
    assert scene.registry.requests == []


FORK = Decision("fork", "pull_request", "it is from a fork", "checks", tags="local")


def publish_canary(scene: Scene, name: str) -> dict[str, str]:
    """Put an image under its content tags, and others under those of a canary; the digests of the canary by tag."""
    scene.publish(name, "amd64", "arm64")
    place, client = scene.registry.reference("ci/image"), scene.client
    rows = [
        (facts, put_built(client, place, facts, note="weekly")) for facts in map(scene.work.facts, [name] * 2, ARCHES)
    ]
    whole = put_index(client, place, rows)
    tagged = {f"{name}-weekly-20261127-{facts.row.arch}": raw for facts, raw in rows}
    tagged[f"{name}-weekly-20261127"] = whole
    for tag, raw in tagged.items():
        client.put(place.with_tag(tag), raw.body, raw.media_type)
    return {tag: str(raw.digest) for tag, raw in tagged.items()}


@pytest.mark.parametrize(
    ("decision", "canary"),
    [(CANARY, True), (CANARY.reading_by_content(), False), (PUSH, False), (LOCAL, False), (FORK, False)],
    ids=["schedule", "schedule, by content", "push", "person", "fork"],
)
def test_a_weekly_run_reads_the_canaries_that_it_built(scene: Scene, decision: Decision, canary: bool) -> None:
    digests = publish_canary(scene, BASE)
    project, services, client = scene.work.project, scene.work.services, scene.client
    recipes = scene.work.recipes

    entries = refs.references(project, recipes, services, BASE, None, ["trusted"], decision)
    by_tag = {one.tag: str(one.reference and one.reference.digest) for one in entries}
    assert (by_tag == digests) is canary
    assert by_tag == {tag: digest for tag, digest in scene.registry.tags("ci/image").items() if tag in by_tag}
    for arch, tag in ((None, entries[0].tag), ("arm64", entries[2].tag)):
        there = f"registry.test/ci/image@{by_tag[tag]}"
        assert resolve(project, recipes, BASE, arch, "trusted", client, decision) == there
        assert wait(project, recipes, services, BASE, arch, ["trusted"], decision, timeout=0) == there
    assert records(project, recipes, services, BASE, "arm64", "trusted", decision, as_json=True) == []
    assert f"HEAD /v2/ci/image/manifests/{entries[2].tag}" in scene.registry.requests


def test_a_canary_of_a_base_that_is_not_locked_is_asked_for(scene: Scene, tmp_path: Path) -> None:
    """It is of whatever its bases are; what is not pinned gets no tag of its content."""
    (tmp_path / "Dockerfile").write_text("FROM debian:bookworm\nCOPY word /\n")
    work = scene.work
    recipes = recipes_of(work.project, pins=UNLOCKED)
    entries = refs.references(work.project, recipes, work.services, BASE, None, ["trusted"], CANARY)
    assert {one.why for one in entries} == {"absent in registry.test/ci/image"}
    with pytest.raises(NotFound, match="linux-base-weekly-20261127 is not there"):
        resolve(work.project, recipes, BASE, None, "trusted", scene.client, CANARY)
    with pytest.raises(PolicyRefused, match="not pinned"):
        resolve(work.project, recipes, BASE, None, "trusted", scene.client, PUSH)


def test_a_run_reads_where_it_is_told_else_where_it_may() -> None:
    assert refs.places(PUSH, "branch") == ("branch",)
    assert refs.places(Decision("branch", "pull_request", "", reads=("trusted", "branch")), None) == (
        "trusted",
        "branch",
    )
    assert refs.places(Decision("local", "none", ""), None) == ("trusted",)
