"""`docker-builds.yml` for a ciflow tag: who builds and who mirrors, by where its commit is."""

from __future__ import annotations

import pytest
from support.workflow.scene import BASE, PLAIN, TOOL, Scene, caches, content_tags, pretty

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]


def test_a_ciflow_tag_builds_and_the_next_push_mirrors_without_building(scene: Scene) -> None:
    run = scene.tag("ciflow/docker/1")

    assert not run.failed, pretty(run)
    assert "mirror" not in {name.split()[0] for name in run.started}
    tags = content_tags(scene)
    assert scene.tags() == tags
    assert scene.mirrored() == set()
    assert "whose commit is on main, which is protected" in run.job("decide").summary
    built = {tag: scene.digest(tag) for tag in tags}

    run = scene.push()
    assert run.started == ["decide", f"mirror {BASE}", f"mirror {TOOL}", f"mirror {PLAIN}", "report"], pretty(run)
    assert not run.failed, pretty(run)
    assert {tag: scene.digest(tag) for tag in tags} == built
    assert {tag: scene.digest_at_mirror(tag) for tag in tags} == built


def test_a_ciflow_tag_on_any_other_commit_writes_the_branch_repository(scene: Scene) -> None:
    scene.git("checkout", "--quiet", "-b", "topic")
    scene.commit("Not on main")
    run = scene.tag("ciflow/docker/2", "topic")

    assert not run.failed, pretty(run)
    assert scene.tags() == scene.mirrored() == caches(scene, "") == set()
    assert scene.tags("-branch") == content_tags(scene)
