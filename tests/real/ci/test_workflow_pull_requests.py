"""`docker-builds.yml` for pull requests, the repository's and a fork's: what they write, and that main builds anew."""

from __future__ import annotations

import json

import pytest
from support.registry.faults import Fault
from support.workflow.scene import BASE, EVERYTHING, PLAIN, TOOL, Scene, caches, children, pretty

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]


def test_a_pull_request_builds_what_it_touches_and_main_builds_it_again(scene: Scene) -> None:
    """What a branch built is never taken over: main has its own build, from its own cache."""
    scene.git("checkout", "--quiet", "-b", "topic")
    scene.edit("tool/word", scene.key, f"{scene.key} and more")
    scene.commit()
    run = scene.pull_request(17, "topic")

    assert not run.failed, pretty(run)
    rows = [f"rows-0 {BASE} amd64", f"rows-1 {TOOL} amd64"]
    assert run.started == ["decide", *rows, "report"], pretty(run)
    assert scene.tags() == scene.mirrored() == caches(scene, "") == set()
    tags = {scene.tag_of(BASE, "amd64"), scene.tag_of(TOOL)}
    assert scene.tags("-branch") == tags
    assert caches(scene, "-branch") == {f"{BASE}-amd64-pr-17", f"{TOOL}-amd64-pr-17"}
    at_branch = {tag: scene.digest(tag, "-branch") for tag in tags}

    before = len(children(scene))
    scene.git("checkout", "--quiet", "main")
    scene.git("merge", "--quiet", "topic")
    run = scene.push()
    assert not run.failed, pretty(run)
    assert run.started == EVERYTHING
    assert tags < scene.tags()
    assert {tag: scene.digest(tag, "-branch") for tag in tags} == at_branch
    words = [word for argv in children(scene)[before:] for word in argv]
    assert [word for word in words if f"{scene.name}-cache:{TOOL}-amd64-main" in word]
    assert not [word for word in words if f"{scene.name}-branch" in word], "nothing of the branch is read"

    closed = scene.close(17, "topic")
    assert not closed.failed, pretty(closed)
    assert closed.started == ["closed"]
    assert caches(scene, "-branch") == set()
    assert caches(scene, "") != set()


def test_a_merge_queue_builds_what_a_request_touches_and_has_the_same_checks(scene: Scene) -> None:
    scene.git("checkout", "--quiet", "-b", "topic")
    scene.edit("plain/word", scene.key, f"{scene.key} and more")
    scene.commit()
    asked = scene.pull_request(21, "topic")
    assert not asked.failed, pretty(asked)
    before = scene.tags("-branch")

    run = scene.merge_group(21, "topic")
    assert not run.failed, pretty(run)
    assert run.started == ["decide"], f"the request built it: {pretty(run)}"
    assert run.results.keys() == asked.results.keys()

    scene.git("checkout", "--quiet", "main")
    scene.edit("plain/word", scene.key, f"before it, {scene.key}")
    scene.commit()
    scene.git("checkout", "--quiet", "topic")
    scene.git("merge", "--quiet", "--strategy-option=ours", "main", "--message=Merge")
    scene.edit("plain/Dockerfile", "12.1", "12.2")
    scene.commit()
    run = scene.merge_group(21, "topic")
    assert not run.failed, pretty(run)
    assert run.started == ["decide", f"rows-0 {PLAIN} amd64", "report"], pretty(run)
    assert scene.tags() == scene.mirrored() == set()
    assert len(scene.tags("-branch") - before) == 1
    assert caches(scene, "-branch") == {f"{PLAIN}-amd64-pr-21"}, "nobody would read what belongs to a group"


def test_a_pull_request_from_a_fork_is_checked_and_writes_nothing(scene: Scene) -> None:
    scene.git("checkout", "--quiet", "-b", "topic")
    scene.edit("plain/word", scene.key, f"{scene.key} and more")
    scene.commit()
    issued = len(scene.oidc.issued)
    run = scene.pull_request(18, "topic", head="somebody/images")

    assert not run.failed, pretty(run)
    assert run.started == ["decide", f"rows-0 {PLAIN} amd64", "report"], pretty(run)
    everywhere = [scene.tags(kind) for kind in ("", "-branch", "-cache", "-branch-cache")]
    assert [*everywhere, scene.mirrored()] == [set()] * 5
    assert len(scene.oidc.issued) == issued, "no token for a role was given to its jobs"
    assert "checked" in run.job("report").summary or "built" in run.job("report").summary

    waited = scene.wait_for(PLAIN, timeout="1s")
    assert waited.failed == ["wait"], "nobody published it"
    assert not waited.outputs["reference"]

    for beside, code, words in (
        (run, 8, "refused us"),  # a fork has no role, and this registry is not public
        (scene.close(18, "topic"), 7, "nobody publishes it: pull request 18 is closed"),
    ):
        waited = scene.wait_for(PLAIN, timeout="2h", beside=beside)  # a step of these tests has ten minutes
        assert (waited.job("wait").failed, waited.job("wait").code) == ("Wait", code), pretty(waited)
        assert words in waited.job("wait").log


@pytest.mark.parametrize("has_role", [True, False])
def test_a_pull_request_that_touches_no_image_is_green_though_the_registry_refuses(
    scene: Scene, has_role: bool
) -> None:
    """Nothing is there, and nobody says so: that is `main`'s affair. What the request touches cannot be planned."""
    scene.git("checkout", "--quiet", "-b", "topic")
    (scene.top / "NOTES").write_text("nothing that an image is made from\n")
    scene.commit()
    scene.aws.gate.faults.append(Fault("/v2/|GetAuthorizationToken", status=403))
    run = scene.pull_request(20, "topic", has_role=has_role)
    assert not run.failed, pretty(run)
    assert run.started == ["decide"], pretty(run)
    handed = json.loads(run.job("decide").outputs["references"])
    assert handed["references"] == []
    assert {one["image"] for one in handed["absent"]} == {BASE, TOOL, PLAIN}

    scene.edit("plain/word", scene.key, f"{scene.key} and more")
    scene.commit()
    run = scene.pull_request(20, "topic", has_role=has_role)
    assert run.failed == ["report"], pretty(run)
    assert run.started == ["decide", "report"], pretty(run)
    assert (run.job("report").failed, run.job("report").code) == ("Say what became of the plan", 8)
