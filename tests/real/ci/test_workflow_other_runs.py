"""`docker-builds.yml` on a schedule, by hand, and where the registry is GHCR."""

from __future__ import annotations

import json
import re

import pytest
from support.github.served import GitHub
from support.registry.faults import Fault
from support.registry.served import USER
from support.workflow.scene import BASE, PLAIN, TOOL, Scene, children, pretty

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]


def test_the_schedule_builds_everything_as_canaries_and_one_that_fails_is_told_in_an_issue(
    scene: Scene, hub: GitHub
) -> None:
    scene.aws.gate.faults.append(Fault(f"PUT /v2/{scene.name}/manifests/{PLAIN}-weekly", status=403))
    run = scene.schedule()

    assert run.failed == [f"rows-0 {PLAIN} amd64", "report"], pretty(run)
    day = re.search(r"weekly-(\d{8})", run.summary)
    assert day
    weekly = f"weekly-{day[1]}"
    rows = {f"{BASE}-{weekly}-amd64", f"{BASE}-{weekly}-arm64", f"{TOOL}-{weekly}"}
    assert scene.tags() == rows | {f"{BASE}-{weekly}"}
    assert scene.mirrored() == scene.tags("-branch") == set()
    handed = json.loads(run.job("report").outputs["references"])
    there = {one["tag"]: one["reference"].partition("@")[2] for one in handed["references"]}
    assert there == {tag: str(scene.digest(tag)) for tag in scene.tags()}, "the canaries, and nothing else"
    assert {one["tag"] for one in handed["absent"]} == {f"{PLAIN}-{weekly}"}
    words = [word for argv in children(scene) for word in argv]
    assert "--no-cache" in words
    assert not [word for word in words if word.startswith("--cache-from")], "no cache is read"
    assert run.results["tell"] == "success", pretty(run)
    (issue,) = hub.issues
    assert f"actions/runs/{run.number} of docker-builds failed" in issue["body"]
    assert not scene.leaks(run)


def test_a_dispatch_builds_what_its_pattern_names(scene: Scene) -> None:
    run = scene.dispatch(pattern=PLAIN, force="true")

    assert not run.failed, pretty(run)
    assert run.started == ["decide", f"rows-0 {PLAIN} amd64", "report"], pretty(run)
    assert scene.tags() == {scene.tag_of(PLAIN)}
    built = scene.digest(scene.tag_of(PLAIN))

    run = scene.dispatch(pattern="linux-{plain,base}")
    assert run.started == ["decide", f"rows-0 {BASE} amd64", f"rows-0 {BASE} arm64", f"promote {BASE}", "report"]
    assert not run.failed, pretty(run)
    assert scene.digest(scene.tag_of(PLAIN)) == built
    assert scene.mirrored() == set()


def test_where_the_registry_is_ghcr_only_trusted_runs_have_its_token(scene: Scene) -> None:
    """It is a secret of an environment, and no other run is in that."""
    scene.publish_at_ghcr()
    run = scene.dispatch(pattern=PLAIN)

    assert not run.failed, pretty(run)
    assert run.started == ["decide", f"rows-0 {PLAIN} amd64", "report"], pretty(run)
    assert run.job("decide").outputs["environment"] == "docker-mirror"
    assert f"Logged in at {scene.ghcr.host} as {USER} by GHCR_PAT" in run.job(f"rows-0 {PLAIN} amd64").log
    assert scene.mirrored() == {scene.tag_of(PLAIN)}

    scene.git("checkout", "--quiet", "-b", "topic")
    scene.edit("plain/word", scene.key, f"{scene.key} and more")
    scene.commit()
    before = scene.mirrored()
    published, run = run, scene.pull_request(19, "topic")
    assert not run.failed, pretty(run)
    assert run.started == ["decide", f"rows-0 {PLAIN} amd64", "report"], pretty(run)
    assert not scene.leaks(published, run)
    assert run.job("decide").outputs["environment"] == ""
    assert "GHCR_PAT" not in run.job(f"rows-0 {PLAIN} amd64").log.replace("neither GHCR_PAT", "")
    assert scene.mirrored() == before, "one repository, which only trusted runs write"
