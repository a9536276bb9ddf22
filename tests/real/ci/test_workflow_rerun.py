"""`docker-builds.yml` where a row fails: what hangs on it, what the others do, and what a rerun does."""

from __future__ import annotations

import pytest
from support.registry.faults import Fault
from support.registry.served import PASSWORD
from support.workflow.scene import BASE, PLAIN, TOOL, Scene, content_tags, pretty

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]


def test_a_failing_row_stops_no_other_and_a_rerun_does_what_is_missing(scene: Scene) -> None:
    """ECR refuses one tag; what hangs on it is blocked, and the rest arrives at the mirror."""
    tag = scene.tag_of(BASE, "amd64")
    scene.aws.gate.faults.append(Fault(f"PUT /v2/{scene.name}/manifests/{tag}", status=403))
    run = scene.push()

    assert set(run.failed) >= {f"rows-0 {BASE} amd64", "report"}, pretty(run)
    lines = [
        line.strip("| ").split(" | ") for line in run.job("report").summary.splitlines() if line.startswith("| linux")
    ]
    report = {(line[0], line[1]): (line[2], line[3]) for line in lines}
    assert report[BASE, "amd64"][0] != "published"
    assert report[BASE, "amd64"][1].startswith("\\[8\\]")
    assert report[BASE, "promote"] == report[BASE, "mirror"] == ("blocked", "its row for amd64 failed")
    assert report[TOOL, "amd64"] == ("blocked", f"its parent {BASE} failed")
    assert run.log.count(f"{BASE} amd64: building on") == 1, "its child does not try again"
    assert report[TOOL, "mirror"] == ("blocked", "its row for amd64 failed")
    assert report[PLAIN, "mirror"][0] == "published"
    assert run.job("report").code == 8, "the code of the cause"
    assert run.job(f"rows-0 {BASE} amd64").failed == "Build"
    logs = run.artifacts[f"logs-{BASE} amd64"]
    assert list(logs.rglob(f"{BASE}.amd64.rawjson")), "the raw stream of the row that failed"
    assert f"logs-{PLAIN} amd64" not in run.artifacts
    assert scene.mirrored() == {PLAIN, scene.tag_of(PLAIN)}

    scene.aws.gate.faults.clear()
    again = scene.again(run)
    assert not again.failed, pretty(again)
    assert scene.tags() == content_tags(scene)
    assert scene.mirrored() == content_tags(scene) | {BASE, TOOL, PLAIN}
    decided = [one.folder for one in again.jobs["decide"]]
    assert decided == [one.folder for one in run.jobs["decide"]], "it succeeded before and is not run again"
    kept = again.job(f"rows-0 {PLAIN} amd64")
    assert kept.folder == run.job(f"rows-0 {PLAIN} amd64").folder
    assert PASSWORD in again.masks, "it was there"
    assert not scene.leaks(run, again)
