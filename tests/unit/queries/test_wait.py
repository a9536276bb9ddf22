"""How long somebody waits for an image: until it is there, until the time is over, or not at all if nobody makes it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from imageyard.errors import Denied, ImageyardError, NotFound, Transient
from imageyard.plan.decision import LOCAL, Decision
from imageyard.plan.trust import Event, decide, in_one_repository
from imageyard.project.recipes import recipes_of
from imageyard.queries.wait import wait
from support.building.checkout import Workplace, scene_of
from support.registry.built import put_built
from support.registry.memory import Fault, MemoryRegistry

BASE = "linux-base"
HOUR = 3600.0


def of(kind: str = "pull request", head: str = "acme/ci", **more: object) -> Decision:
    pull = {"repository": "acme/ci", "head": head, "number": 17} if kind == "pull request" else {}
    return decide(Event(kind, kind, **pull, **more), ["main"])  # type: ignore[arg-type]


RUNS = {
    "a person": LOCAL,
    "push to main": of("push", ref="refs/heads/main"),
    "pull request": of(),
    "merge queue": of("merge queue", ref="refs/heads/gh-readonly-queue/main/pr-17-abc"),
    "fork": of(head="somebody/ci"),
    "closed": of(action="closed"),
    "deleted": of("push", ref="refs/heads/topic", deleted=True),
    "one repository": in_one_repository(of()),
    "on behalf": of("on behalf"),
}
IN_VAIN = {"fork", "closed", "deleted", "one repository", "on behalf"}


class Scene:
    """A checkout whose state is committed, and its registry."""

    def __init__(self, top: Path) -> None:
        self.registry = MemoryRegistry()
        self.client = self.registry.client()
        self.work: Workplace = scene_of(top, self.client)
        names = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
        for argv in (("add", "--all"), (*names, "commit", "--quiet", "--message=State")):
            subprocess.run(["git", *argv], cwd=top, check=True)

    def wait(self, decision: Decision, since: str | None = None, at: tuple[str, ...] = ("trusted", "branch")) -> str:
        work = self.work
        recipes = recipes_of(work.project)
        return wait(work.project, recipes, work.services, BASE, "amd64", at, decision, timeout=2 * HOUR, since=since)

    @property
    def waited(self) -> float:
        """The hours that passed at the client's clock."""
        return (self.client.http.clock.monotonic() - 1000.0) / HOUR


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize("name", RUNS)
def test_nobody_waits_for_what_nobody_publishes(scene: Scene, name: str) -> None:
    decision = RUNS[name]
    with pytest.raises(NotFound, match=r"linux-base-\S+ is not there") as missing:
        scene.wait(decision)
    assert scene.waited == (0 if name in IN_VAIN else 2)
    in_vain = f", and nobody publishes it: {decision.reason}"
    assert missing.value.headline.endswith(in_vain) is (name in IN_VAIN)
    built_here = "nox -s \"build_image(arch='amd64', image='linux-base')\"    (builds it in this job)"
    assert (built_here in missing.value.hint) is (name in IN_VAIN)


@pytest.mark.parametrize("name", RUNS)
def test_what_is_there_is_handed_over_whoever_asks(scene: Scene, name: str) -> None:
    place, facts = scene.registry.reference("ci/image"), scene.work.facts(BASE)
    raw = put_built(scene.client, place, facts)
    scene.client.put(place.with_tag(facts.tag), raw.body, raw.media_type)
    assert scene.wait(RUNS[name]) == str(place.with_digest(raw.digest))
    assert scene.waited == 0


@pytest.mark.parametrize(("changed", "hours"), [("word", 0), ("README", 2)])
def test_what_a_pull_request_does_not_touch_is_published_by_the_branch_that_it_is_for(
    scene: Scene, tmp_path: Path, changed: str, hours: float
) -> None:
    (tmp_path / changed).write_text("another\n")
    with pytest.raises(NotFound):
        scene.wait(RUNS["fork"], "HEAD")
    assert scene.waited == hours


@pytest.mark.parametrize(("status", "kind", "waits"), [(403, Denied, False), (503, Transient, True)])
def test_a_registry_that_is_silent_is_asked_again_and_one_that_refuses_is_not(
    scene: Scene, status: int, kind: type[ImageyardError], waits: bool
) -> None:
    """Who publishes nothing may still be handed what is there, once the registry says so."""
    scene.registry.faults = [Fault("", status, times=10**6, code="DENIED")]
    with pytest.raises(kind):
        scene.wait(RUNS["fork"], at=("trusted",))
    assert (scene.waited >= 2) is waits
