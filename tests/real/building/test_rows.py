"""Rows on a real engine: built, checked and tagged, then skipped; parents once; adopted where another was faster."""

from __future__ import annotations

import json
import re

import pytest
from support.yard.scratch import ARCH, BASE, Yard

pytestmark = [pytest.mark.engine, pytest.mark.mirror]

ALL = f"build_image(arch='{ARCH}')"
IMAGES = ["linux-bookworm-base", "linux-bookworm-gcc11", "linux-bookworm-gcc12", "linux-plain"]
HEADERS = ["image", "arch", "tag", "why", "cached", "time", "size"]


def table(err: str) -> list[list[str]]:
    """The table at the end of a story, its cells apart."""
    lines = err.rstrip().splitlines()
    start = max(n for n, line in enumerate(lines) if line.split() == HEADERS)
    return [re.split(r" {2,}", line) for line in lines[start + 1 :]]


def test_a_session_builds_checks_and_tags_every_image_and_the_next_command_builds_none(yard: Yard) -> None:
    built = yard.nox("-s", ALL)
    assert (built.code, built.out) == (0, ""), built.err

    tags = dict(line.split(f" {ARCH} ") for line in yard.inv("tag", "*").out.splitlines())
    assert list(tags) == IMAGES
    assert all(re.fullmatch(rf"{image}-[0-9a-f]{{20}}", tag) for image, tag in tags.items())
    assert yard.tags() == set(tags.values())
    assert yard.cat(tags["linux-bookworm-gcc12"], "/bin/gcc") == '#!/bin/sh\necho "gcc (Yard) 12.2.0"'

    records = yard.records()
    assert list(records) == IMAGES
    for image, record in records.items():
        assert (record["outcome"], record["code"], record["tag"]) == ("built", 0, tags[image])
        assert record["recipe"].startswith(tags[image][-20:])
        assert (record["commit"], record["dirty"]) == (yard.git("rev-parse", "HEAD"), False)
        assert record["findings"]
        assert all(finding["ok"] for finding in record["findings"])
        assert (yard.runs[-1] / record["log"]).read_text() == yard.raw(image) != ""
        assert {"imageyard", "python", "engine", "buildx"} <= set(record["versions"])
    assert [finding["check"] for finding in records["linux-bookworm-gcc12"]["findings"]] == ["release", "no-gcc", "gcc"]
    assert yard.result["code"] == 0
    assert yard.result["headline"] == "4 built"
    assert [row["image"] for row in yard.result["rows"]] == IMAGES

    cells = table(built.err)
    assert [row[:3] for row in cells] == [[image, ARCH, tags[image]] for image in IMAGES]
    assert {row[3] for row in cells} == {"built: not in the engine"}

    with yard.loads() as loads:
        again = yard.inv("build", "*")
    assert (again.code, again.out, loads) == (0, "", [])
    assert set(yard.outcomes().values()) == {"skipped"}
    assert {record["why"] for record in yard.records().values()} == {"in the engine"}
    assert [yard.raw(image) for image in IMAGES] == [""] * 4
    assert [row[2:5] for row in table(again.err)] == [[tag, "skipped: in the engine", "-"] for tag in tags.values()]

    skipped = yard.nox("-s", ALL)
    assert skipped.code == 0
    assert f"Session build_image(arch='{ARCH}', image='linux-plain') skipped: in the engine" in skipped.err
    assert yard.leftovers() == []


def test_the_tag_on_standard_output_is_the_one_in_the_engine(yard: Yard) -> None:
    assert yard.inv("build", "linux-plain").code == 0
    told = yard.inv("tag", "linux-plain")
    assert (told.out, told.err) == (f"{yard.records()['linux-plain']['tag']}\n", "")
    assert yard.tags() == {told.out.strip()}

    listed = json.loads(yard.inv("tag", "linux-plain", "--json").out)
    assert listed == [{"image": "linux-plain", "arch": ARCH, "tag": told.out.strip()}]


def test_why_a_row_is_built_again_is_said_in_words(yard: Yard) -> None:
    assert yard.inv("build", "linux-*-gcc11").code == 0
    yard.edit("gcc/install.sh", "(Yard)", "(Scratch)")
    done = yard.inv("build", "linux-*-gcc11")
    assert done.code == 0
    record = yard.records()["linux-bookworm-gcc11"]
    assert record["why"] == "gcc/install.sh changed"
    assert record["dirty"] is True
    assert yard.outcomes()["linux-bookworm-base"] == "skipped"
    assert len([tag for tag in yard.tags() if "gcc11" in tag]) == 2


def test_parents_are_built_once_and_before_their_children_also_in_parallel(yard: Yard) -> None:
    with yard.loads() as loads:
        done = yard.nox("-j", "2", "-s", ALL)
    assert done.code == 0, done.err
    assert sorted(loads) == IMAGES
    assert loads.index("linux-bookworm-base") < loads.index("linux-bookworm-gcc11")
    assert set(yard.outcomes().values()) == {"built"}
    assert sorted(row[0] for row in table(done.err)) == IMAGES
    assert yard.leftovers() == []


def test_a_child_brings_its_parent_along(yard: Yard) -> None:
    with yard.loads() as loads:
        assert yard.inv("build", "linux-*-gcc12").code == 0
    assert loads == ["linux-bookworm-base", "linux-bookworm-gcc12"]
    assert yard.outcomes() == {"linux-bookworm-base": "built", "linux-bookworm-gcc12": "built"}


@pytest.mark.parametrize("parallel", [(), ("-j", "2")], ids=["sequential", "parallel"])
def test_a_parent_that_fails_blocks_its_children_and_is_tried_once(yard: Yard, parallel: tuple[str, ...]) -> None:
    yard.edit("base/setup.sh", "mkdir", "echo no luck; exit 7; mkdir")
    done = yard.nox(*parallel, "-s", ALL)
    assert done.code == 1
    assert yard.outcomes() == {
        "linux-bookworm-base": "failed",
        "linux-bookworm-gcc11": "blocked",
        "linux-bookworm-gcc12": "blocked",
        "linux-plain": "built",
    }
    assert done.all.count(f"[linux-bookworm-base {ARCH}] [2/4] RUN echo base of") == 1
    for child in ("linux-bookworm-gcc11", "linux-bookworm-gcc12"):
        record = yard.records()[child]
        assert record["code"] == 5
        assert record["headline"] == "its parent linux-bookworm-base failed"
    words = 'RUN sh /tmp/setup.sh "12" ended with exit code 7'
    told = [line for line in done.all.splitlines() if words in line]
    assert told
    assert not [line for line in told if "gcc1" in line], "a child says whose child it is"
    assert yard.result["code"] == 5
    assert yard.result["headline"].startswith(f"linux-bookworm-base {ARCH}: ")
    assert yard.leftovers() == []


def test_a_failing_parent_is_tried_again_by_the_next_run_which_ends_with_its_code(yard: Yard) -> None:
    yard.edit("base/setup.sh", "mkdir", "exit 7; mkdir")
    for _ in range(2):
        done = yard.inv("build", "linux-*-gcc11")
        assert done.code == 5
        assert yard.outcomes() == {"linux-bookworm-base": "failed", "linux-bookworm-gcc11": "blocked"}
    yard.edit("base/setup.sh", "exit 7; ", "")
    assert yard.inv("build", "linux-*-gcc11").code == 0


def test_a_descendant_is_told_which_ancestor_failed(yard: Yard) -> None:
    levels = ["a", "b", "c", "d"]
    images = "".join(
        f"  {name}:\n    dockerfile: {name}/Dockerfile\n    args: {{BASE: {base}}}\n    names: {{linux-{name}: }}\n"
        for name, base in zip(levels, [BASE, "image:linux-a", "image:linux-b", "image:linux-c"], strict=True)
    )
    yard.catalogue(f"defaults: {{arches: [ARCH]}}\naxes: {{plain: {{linux, a, b, c, d}}}}\nimages:\n{images}")
    for name in levels:
        yard.write(f"{name}/Dockerfile", f"ARG BASE={BASE}\nFROM $BASE\nRUN test {name} != a\n")
    done = yard.inv("build", "linux-d")
    assert done.code == 5
    cause = "RUN test a != a ended with exit code 1"
    assert {image: record["headline"] for image, record in yard.records().items()} == {
        "linux-a": cause,
        "linux-b": "its parent linux-a failed",
        "linux-c": "its ancestor linux-a failed",
        "linux-d": "its ancestor linux-a failed",
    }


def test_force_builds_what_is_there(yard: Yard) -> None:
    assert yard.inv("build", "linux-plain").code == 0
    with yard.loads() as loads:
        forced = yard.nox("-s", f"build_image(arch='{ARCH}', image='linux-plain')", "--", "--force")
    assert (forced.code, loads) == (0, ["linux-plain"])
    record = yard.records()["linux-plain"]
    assert (record["outcome"], record["why"], record["forced"]) == ("built", "forced", True)
    assert record["cached"] == record["steps"]


WAITS = """\
defaults: {arches: [ARCH]}
axes: {plain: {linux, slow}}
images:
  slow:
    dockerfile: slow/Dockerfile
    checks: {waits: {run: /bin/wait}}
    names: {linux-slow: }
"""
WAIT = r"RUN printf '#!/bin/sh\nwhile [ ! -e /go ]; do sleep 0.1; done\n' > /bin/wait && chmod +x /bin/wait"


@pytest.mark.parametrize(
    ("of_this_recipe", "force", "adopted"),
    [(True, False, True), (True, True, False), (False, False, False)],
    ids=["the same made elsewhere", "forced", "named so by hand"],
)
def test_a_tag_that_appears_while_a_row_is_checked_is_adopted_if_made_of_the_same(
    yard: Yard, of_this_recipe: bool, force: bool, adopted: bool
) -> None:
    yard.catalogue(WAITS)
    yard.dockerfile("slow/Dockerfile", WAIT)
    tag = yard.inv("tag", "linux-slow").out.strip()
    wanted = f"{yard.repository}:{tag}"
    inputs = json.loads(yard.inv("tag", "linux-slow", "--explain", "--json").out)[0]["inputs"]
    winner = yard.engine.docker("create", BASE, "sh")
    label = f"LABEL io.imageyard.inputs={inputs if of_this_recipe else '0' * 64}"
    yard.engine.docker("commit", "--change", label, winner, "imageyard.local/other:1")
    yard.engine.docker("rm", winner)
    argv = ["inv", "build", "linux-slow", *(["--force"] if force else [])]
    with yard.start(argv) as build:
        container = yard.running_check(build)
        yard.engine.docker("tag", "imageyard.local/other:1", wanted)
        yard.engine.docker("exec", container, "touch", "/go")
        _, err = build.communicate(timeout=60)
    assert build.returncode == 0, err

    record = yard.records()["linux-slow"]
    assert (record["outcome"], record["adopted"], record["tag"]) == ("built", adopted, tag)
    same = yard.engine.docker("image", "inspect", "--format", "{{.Id}}", wanted, "imageyard.local/other:1").split()
    assert (same[0] == same[1]) is adopted
    assert ("built, adopted: not in the engine" in err) is adopted
    assert ("was not made of this recipe" in err) is (not of_this_recipe)
    assert yard.leftovers() == []


def core(yard: Yard) -> None:
    """Build with a parent, skip, check again, and a check that fails."""
    with yard.loads() as loads:
        done = yard.inv("build", "linux-*-gcc12")
    assert done.code == 0, done.err
    assert loads == ["linux-bookworm-base", "linux-bookworm-gcc12"]
    tag = yard.records()["linux-bookworm-gcc12"]["tag"]
    assert tag in yard.tags()

    assert yard.inv("build", "linux-*-gcc12").code == 0
    assert yard.outcomes() == {"linux-bookworm-gcc12": "skipped"}
    checked = yard.inv("check", "linux-*-gcc12")
    assert checked.code == 0
    assert f"linux-bookworm-gcc12 {ARCH}: ok   gcc: 12.2.0" in checked.err

    yard.edit("gcc/install.sh", '"$1" >', "13 >")
    wrong = yard.inv("build", "linux-*-gcc12")
    assert wrong.code == 6
    assert "gcc: expected 12, found 13.2.0" in wrong.err
    assert len(yard.tags()) == 2
    assert yard.leftovers() == []


def test_the_classic_image_store(classic_yard: Yard) -> None:
    core(classic_yard)


def test_the_oldest_buildx(yard: Yard, old_buildx: str) -> None:
    plugins = yard.home / ".docker" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(old_buildx)
    core(yard)
    assert yard.records()["linux-bookworm-gcc12"]["versions"]["buildx"].startswith("0.13.")


def test_check_says_what_is_wrong_with_an_image_and_which_are_not_there(yard: Yard) -> None:
    assert yard.inv("build", "linux-*-gcc12").code == 0
    absent = yard.inv("check", "linux-*-gcc*")
    assert absent.code == 7
    assert "1 of 2 images are not in the engine" in absent.err
    assert "inv build 'linux-bookworm-gcc11'" in absent.err

    yard.edit("images.yml", 'gcc: {run: gcc --version, version: "{GCC_VERSION}"}', "gcc: {run: gcc, matches: Farm}")
    told = yard.inv("check", "linux-*-gcc12", "--json")
    assert told.code == 6
    (row,) = json.loads(told.out)
    (bad,) = [finding for finding in row["findings"] if not finding["ok"]]
    assert (row["image"], bad["check"], bad["actual"]) == ("linux-bookworm-gcc12", "gcc", "'gcc (Yard) 12.2.0'")
    assert "gcc: expected output matching 'Farm', found 'gcc (Yard) 12.2.0'" in told.err
