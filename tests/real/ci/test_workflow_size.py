"""`docker-builds.yml` for 300 images on six levels and two mirrors: from nothing, a row in the middle fails, mended."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from imageyard.ci.providers.github.matrix import JOBS, OUTPUT_BYTES
from support.workflow.runner import Ended, Run
from support.workflow.scene import BASE, PLAIN, TOOL, Scene, outcomes, pretty

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64, pytest.mark.soak]

WIDE, DEEPER = 258, (12, 11, 8, 8)
"""Images that start from the base, and those of each level behind: with three more they are 300."""
OF_LEVEL = {1: WIDE, **dict(enumerate(DEEPER, start=2))}
FAILS = (3, 0)
"""The level of the row that fails, and its number there."""

DOCKERFILE = """\
ARG BASE
FROM ${BASE}
ARG NUMBER
LABEL number=${NUMBER}
COPY many/word /etc/word
"""


def word(level: int, number: int) -> str:
    return f"l{level}n{number}"


def image(level: int, number: int) -> str:
    return f"linux-{word(level, number)}"


def parent(level: int, number: int) -> str:
    """All of the first level start from the base, and each other one from one of the level before."""
    return image(level - 1, number % OF_LEVEL[level - 1]) if level > 1 else BASE


def hangs_on_what_fails(level: int, number: int) -> bool:
    while level > FAILS[0]:
        level, number = level - 1, number % OF_LEVEL[level - 1]
    return (level, number) == FAILS


MADE = [(level, number) for level, count in OF_LEVEL.items() for number in range(count)]
ALL = {BASE, TOOL, PLAIN, *(image(*one) for one in MADE)}
CAUSE = image(*FAILS)
BLOCKED = {image(*one) for one in MADE if hangs_on_what_fails(*one)} - {CAUSE}


def of(name: str, dockerfile: str, made: list[tuple[int, int]]) -> str:
    names = [f'      {image(*one)}: {{args: {{BASE: "image:{parent(*one)}", NUMBER: "{word(*one)}"}}}}' for one in made]
    return "\n".join([f"  {name}:", f"    dockerfile: {dockerfile}", "    names:", *names, ""])


@pytest.fixture
def wide_scene(scene: Scene) -> Scene:
    scene.edit("images.yml", "base, tool, plain}", f"base, tool, plain, {', '.join(word(*one) for one in MADE)}}}")
    mirror = f"{scene.ghcr.host}/acme/{scene.name}"
    scene.edit("images.yml", f"mirrors: [{mirror}]", f"mirrors: [{mirror}, {mirror}-second]")
    file = scene.top / ".ci" / "docker" / "images.yml"
    others = [one for one in MADE if one != FAILS]
    scene.write(
        "images.yml",
        file.read_text() + of("many", "many/Dockerfile", others) + of("cause", "cause/Dockerfile", [FAILS]),
    )
    scene.write("many/word", scene.key)
    scene.write("many/Dockerfile", DOCKERFILE)
    scene.write("cause/Dockerfile", f"{DOCKERFILE}RUN exit 3\n")
    scene.commit()
    scene.machine = replace(scene.machine, at_once=4)
    return scene


def require_within_limits(run: Run) -> None:
    """The runner itself takes no more than GitHub: here it is said what there was."""
    for name, ended in run.jobs.items():
        handed_over = sum(len((key + value).encode("utf-16-le")) for key, value in _first(ended).outputs.items())
        assert handed_over <= OUTPUT_BYTES, name
        assert len(ended) <= JOBS, name
        print(f"{name}: {len(ended)} jobs, {handed_over} bytes of outputs, {len(_first(ended).summary)} of summary")
    if "plan" in run.artifacts:  # a push with nothing to do has none
        print(f"plan.json: {(run.artifacts['plan'] / 'plan.json').stat().st_size} bytes")


def _first(ended: list[Ended]) -> Ended:
    return ended[0]


def tags(scene: Scene) -> dict[str, str]:
    """The tag of each image, by its name."""
    return {one["image"]: one["tag"] for one in json.loads(scene.inv("tag", "*", "--json"))}


def started_rows(run: Run) -> list[str]:
    return sorted(name for name in run.started if name.startswith("rows-"))


def test_three_hundred_images(wide_scene: Scene) -> None:
    scene = wide_scene
    assert len(ALL) == 300
    assert len(BLOCKED) >= 2

    run = scene.push()
    require_within_limits(run)
    mirrors = {name for name in run.failed if name.startswith("mirror ")}  # a job that has one of the missing images
    assert set(run.failed) - mirrors == {f"rows-3 {CAUSE} amd64", *_blocked_jobs(run), "report"}, pretty(run)
    assert 1 <= len(mirrors) <= len(BLOCKED) + 1, pretty(run)
    several = [ended for ended in run.jobs["rows-1"] if " and 1 more" in ended.name]
    assert len(several) == (WIDE + 1) // 2, "with more rows than jobs a job builds two"
    told = {name.removesuffix(" amd64"): outcome for name, outcome in outcomes(run).items() if name.endswith(" amd64")}
    assert {name for name, outcome in told.items() if outcome == "published"} == ALL - BLOCKED - {CAUSE}
    assert told[CAUSE] == "failed"
    assert {name for name, outcome in told.items() if outcome == "blocked"} == BLOCKED
    before = tags(scene)
    there = {before[name] for name in ALL - BLOCKED - {CAUSE}}
    for mirror in (scene.mirrored(), scene.mirrored("-second")):
        assert there <= mirror
        assert not mirror & {before[name] for name in BLOCKED | {CAUSE}}

    scene.edit("cause/Dockerfile", "RUN exit 3\n", "RUN echo mended > /mended\n")
    scene.commit()
    mended = scene.push()
    require_within_limits(mended)
    assert not mended.failed, pretty(mended)
    assert started_rows(mended) == sorted(
        f"rows-{level - FAILS[0]} {image(level, number)} amd64"
        for level, number in MADE
        if image(level, number) in BLOCKED | {CAUSE}
    ), "exactly what is missing is built"
    now = tags(scene)
    assert {name for name in ALL if now[name] != before[name]} == BLOCKED | {CAUSE}
    for place in (scene.tags(), scene.mirrored(), scene.mirrored("-second")):
        assert set(now.values()) <= place

    scene.commit("Nothing that an image is made of")
    nothing = scene.push()
    require_within_limits(nothing)
    assert nothing.started == ["decide"]
    assert "references" in nothing.artifacts


def _blocked_jobs(run: Run) -> set[str]:
    return {name for name in run.started if any(f" {image} amd64" in name for image in BLOCKED)}
