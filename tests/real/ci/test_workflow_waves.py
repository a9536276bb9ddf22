"""`docker-builds.yml` with more levels than it has waves: from nothing, a row in the middle that fails, and mended."""

from __future__ import annotations

import pytest
from imageyard.ci.providers.github.matrix import WAVES
from support.workflow.scene import BASE, PLAIN, TOOL, Scene, outcomes, pretty

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]

DEPTH = WAVES + 2
"""Levels of images over the base: the last ones share a job."""
FAMILY = """\
  deep:
    dockerfile: deep/Dockerfile
    names:
{names}
"""


def deep(level: int) -> str:
    return f"linux-d{level}"


@pytest.fixture
def deep_scene(scene: Scene) -> Scene:
    """A chain of DEPTH images over the base, and one that hangs on none of them."""
    names = [
        f'      {deep(level)}: {{args: {{BASE: "image:{deep(level - 1) if level else BASE}", LEVEL: "{level}"}}}}'
        for level in range(DEPTH)
    ]
    words = ", ".join(deep(level).removeprefix("linux-") for level in range(DEPTH))
    scene.edit("images.yml", "base, tool, plain}", f"base, tool, plain, {words}}}")
    file = scene.top / ".ci" / "docker" / "images.yml"
    file.write_text(file.read_text() + FAMILY.format(names="\n".join(names)))
    scene.write("deep/Dockerfile", "ARG BASE\nFROM ${BASE}\nARG LEVEL\nRUN test $LEVEL != 3 && echo $LEVEL > /level\n")
    scene.commit()
    return scene


def test_deeper_than_the_workflow_and_a_row_that_fails_in_the_middle(deep_scene: Scene) -> None:
    scene = deep_scene
    run = scene.push()
    last = f"rows-{WAVES - 1} {deep(WAVES - 2)} amd64 and {DEPTH - WAVES + 1} more"
    assert last in [job.name for job in run.jobs[f"rows-{WAVES - 1}"]], pretty(run)
    assert f"rows-4 {deep(3)} amd64" in run.failed, pretty(run)
    told = outcomes(run)
    assert {deep(level) for level in range(3)} | {BASE, TOOL, PLAIN} == {
        name.split()[0] for name, outcome in told.items() if outcome == "published" and name.endswith("amd64")
    }, "what hangs on nothing that failed is there"
    assert told[f"{deep(3)} amd64"] == "failed"
    assert {told[f"{deep(level)} amd64"] for level in range(4, DEPTH)} == {"blocked"}
    assert f"its parent {deep(3)} failed" in run.job("report").summary.replace("\\", "")

    scene.edit("deep/Dockerfile", "test $LEVEL != 3 && ", "")
    scene.commit()
    mended = scene.push()
    assert not mended.failed, pretty(mended)
    tags = scene.tags()
    assert {scene.tag_of(deep(level)) for level in range(DEPTH)} <= tags
    assert f"rows-0 {BASE} amd64" not in mended.started, "what is there is not built again"
    scene.commit("Nothing that an image is made of")
    assert scene.push().started == ["decide"]
