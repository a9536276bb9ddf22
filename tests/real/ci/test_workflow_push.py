"""`docker-builds.yml` as it is written, run off GitHub: what a push to main leaves, and what the next one costs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.workflow.scene import BASE, EVERYTHING, PLAIN, TOOL, Scene, caches, children, content_tags, pretty

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]


def test_a_push_to_main_publishes_and_mirrors_and_the_next_one_costs_one_job(
    scene: Scene, record_testsuite_property: Callable[[str, object], None]
) -> None:
    run = scene.push()

    assert run.started == EVERYTHING, pretty(run)
    assert not run.failed, pretty(run)
    tags = content_tags(scene)
    assert scene.tags() == tags
    assert scene.mirrored() == tags | {BASE, TOOL, PLAIN}
    for image in (BASE, TOOL, PLAIN):
        digests = {scene.digest(scene.tag_of(image)), *map(scene.digest_at_mirror, (image, scene.tag_of(image)))}
        assert len(digests) == 1, f"{image} is the same everywhere"
    assert scene.tags("-branch") == caches(scene, "-branch") == set()
    assert caches(scene, "") == {
        f"{row}-main" for row in (f"{BASE}-amd64", f"{BASE}-arm64", f"{TOOL}-amd64", f"{PLAIN}-amd64")
    }
    assert not [argv for argv in children(scene) if Path(argv[0]).name == "docker"], "workers elsewhere: no engine"
    assert "| linux-tool | mirror | published | after amd64 |" in run.job("report").summary
    assert "a push to main, which is protected" in run.job("decide").summary
    handed = json.loads(run.job("report").outputs["references"])
    assert handed["absent"] == []
    whole = {one["image"]: one for one in handed["references"] if one["arch"] is None}
    for image in (BASE, TOOL, PLAIN):
        digest = scene.digest(scene.tag_of(image))
        assert whole[image]["reference"] == f"{scene.aws.host}/{scene.name}@{digest}"
    assert json.loads((run.artifacts["references"] / "references.json").read_text()) == handed

    scene.commit("Nothing that an image is made of")
    scene.install_in_each_job()
    before = len(children(scene))
    start = time.perf_counter()
    run = scene.push()
    record_testsuite_property("seconds of a push that has nothing to do", round(time.perf_counter() - start, 1))
    assert run.started == ["decide"], pretty(run)
    assert run.results["tell"] == "skipped"
    assert [argv[-2] for argv in children(scene)[before:]].count("build_editable") == 1, "pip's own, in this time"
    assert "4 of 4 rows need nothing" in run.job("decide").summary
    again = json.loads(run.job("decide").outputs["references"])["references"]
    assert [one["reference"] for one in again] == [one["reference"] for one in handed["references"]]

    waited = scene.wait_for(BASE)
    assert not waited.failed, pretty(waited)
    assert waited.outputs == {"reference": f"{scene.aws.host}/{scene.name}@{scene.digest(scene.tag_of(BASE))}"}
