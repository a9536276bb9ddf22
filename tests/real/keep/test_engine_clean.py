"""`inv clean` on a real engine: what goes, what stays and why; what dead runs leave."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
from support.yard.scratch import ARCH, BASE, Yard, make_yard

pytestmark = [pytest.mark.engine, pytest.mark.mirror]


def items(yard: Yard, *argv: str) -> dict[str, tuple[bool, str]]:
    """What `inv clean --json` says of this repository's images and runs: name to whether it goes, and the reason."""
    done = yard.inv("clean", "--json", *argv)
    assert done.code == 0, done.err
    mine = [one for one in json.loads(done.out) if yard.repository in one["name"] or one["what"] == "container"]
    return {one["name"].removeprefix(f"{yard.repository}:"): (one["goes"], one["reason"]) for one in mine}


def test_what_has_moved_on_goes_and_what_is_current_stays(yard: Yard) -> None:
    assert yard.inv("build", "linux-*-gcc11").code == 0
    old = yard.tags()
    yard.edit("gcc/install.sh", "(Yard)", "(Scratch)")
    assert yard.inv("build", "linux-*-gcc11").code == 0
    now = set(yard.inv("tag", "{linux-bookworm-base,linux-bookworm-gcc11}").out.split()) & yard.tags()
    (gone,) = old - now

    dry = yard.inv("clean")
    assert (dry.code, dry.out) == (0, "")
    cells = [re.split(r" {2,}", line) for line in dry.err.splitlines() if f" {yard.repository}:" in line]
    fates = {name.removeprefix(f"{yard.repository}:"): (fate, why) for fate, _, name, why, _ in cells}
    assert fates == {gone: ("would go", "its inputs have moved on"), **dict.fromkeys(now, ("stays", "current"))}
    assert "to do it: inv clean --yes" in dry.err
    assert yard.tags() == now | {gone}

    assert items(yard) == {gone: (True, "its inputs have moved on"), **dict.fromkeys(now, (False, "current"))}
    assert yard.tags() == now | {gone}

    done = yard.inv("clean", "--yes")
    assert done.code == 0
    assert "removed" in done.err
    assert yard.tags() == now
    assert yard.inv("build", "linux-*-gcc11").code == 0
    assert yard.outcomes() == {"linux-bookworm-gcc11": "skipped"}

    assert all(goes for goes, _ in items(yard, "--all").values())
    assert yard.inv("clean", "--all", "--yes").code == 0
    assert yard.tags() == set()
    assert items(yard) == {}


def test_what_is_not_of_this_catalogue_is_left_alone(yard: Yard, tmp_path: Path) -> None:
    other = make_yard(yard.engine, tmp_path / "other")
    for one in (yard, other):
        assert one.inv("build", "linux-plain").code == 0
    theirs = other.tags()
    yard.engine.docker("tag", BASE, f"{yard.repository}:by-hand")
    yard.engine.docker("tag", f"{yard.repository}:{next(iter(yard.tags() - {'by-hand'}))}", f"{yard.repository}:mine")
    foreign = f"{yard.repository}:linux-elsewhere-{'0' * 20}"
    yard.engine.docker("tag", f"{yard.repository}:mine", foreign)

    found = items(yard, "--all")
    assert found["mine"] == (False, "of no image in this catalogue")
    assert found[f"linux-elsewhere-{'0' * 20}"] == (False, "of no image in this catalogue")
    listed = json.loads(yard.inv("clean", "--json", "--all").out)
    reasons = {one["reason"]: one["goes"] for one in listed if other.repository in one["name"]}
    assert reasons == {"another repository's": False}

    assert yard.inv("clean", "--all", "--yes").code == 0
    assert yard.tags() == {"by-hand", "mine", f"linux-elsewhere-{'0' * 20}"}
    assert other.tags() == theirs
    other.remove_images()


def test_a_dockerfile_that_cannot_be_read_keeps_all_hands_off(yard: Yard) -> None:
    assert yard.inv("build", "linux-plain").code == 0
    yard.edit("plain/Dockerfile", "RUN", "COPY no-such-file /\nRUN")
    before = yard.tags()
    for argv in (("--yes",), ("--yes", "--all"), ("--json",), ()):
        done = yard.inv("clean", *argv)
        assert (done.code, done.out) == (2, ""), argv
        assert ".ci/docker/plain/Dockerfile:2: " in done.err
        assert "no-such-file" in done.err
    assert yard.tags() == before


def die_in_a_check(yard: Yard) -> str:
    """Start a build, kill it while a check runs, with no chance to clean up; returns the container's name."""
    yard.catalogue(
        "defaults: {arches: [ARCH]}\naxes: {plain: {linux, slow}}\nimages:\n  slow:\n    dockerfile: slow/Dockerfile\n"
        "    checks: {sleeps: {run: sleep 3600}}\n    names: {linux-slow: }\n"
    )
    yard.dockerfile("slow/Dockerfile")
    with yard.start(["inv", "build", "linux-slow"]) as build:
        container = yard.running_check(build)
        os.killpg(build.pid, signal.SIGKILL)
        build.communicate()
    return container


def test_what_a_killed_run_left_goes(yard: Yard) -> None:
    container = die_in_a_check(yard)
    assert yard.records()["linux-slow"]["outcome"] == "interrupted"
    assert yard.result["code"] == 130
    (candidate,) = yard.tags()
    assert candidate.startswith("unchecked-")

    found = items(yard)
    assert found[candidate] == (True, "left by a run that died")
    assert found[container] == (True, "of a run that died")
    assert (yard.tags(), yard.containers()) == ({candidate}, [container])
    assert yard.inv("clean", "--yes").code == 0
    assert (yard.tags(), yard.containers()) == (set(), [])


def test_the_next_build_sweeps_what_a_killed_run_left(yard: Yard) -> None:
    die_in_a_check(yard)
    yard.edit("images.yml", "sleep 3600", "sleep 0")
    done = yard.inv("build", "linux-slow")
    assert done.code == 0, done.err
    assert yard.tags() == {yard.inv("tag", "linux-slow").out.strip()}
    assert yard.leftovers() == []
    assert list(yard.state.glob("runs/*/rows/imageyard-*")) == []


def test_what_a_living_run_holds_stays(yard: Yard) -> None:
    yard.catalogue(
        "defaults: {arches: [ARCH]}\naxes: {plain: {linux, slow}}\nimages:\n  slow:\n    dockerfile: slow/Dockerfile\n"
        "    checks: {waits: {run: /bin/wait}}\n    names: {linux-slow: }\n"
    )
    wait = r"RUN printf '#!/bin/sh\nwhile [ ! -e /go ]; do sleep 0.1; done\n' > /bin/wait && chmod +x /bin/wait"
    yard.dockerfile("slow/Dockerfile", wait)
    with yard.start(["inv", "build", "linux-slow"]) as build:
        held = yard.running_check(build)
        (candidate,) = yard.tags()
        found = items(yard, "--all", "--yes")
        assert found[candidate] == (False, "a run that lives")
        assert found[held] == (False, "of a run that lives")
        assert yard.containers() == [held]
        yard.engine.docker("exec", held, "touch", "/go")
        _, err = build.communicate(timeout=60)
    assert build.returncode == 0, err
    assert f"linux-slow {ARCH}: {yard.repository}:" in err


def test_what_cannot_be_removed_is_told_and_the_rest_goes(yard: Yard) -> None:
    assert yard.inv("build", "linux-{bookworm-base,plain}").code == 0
    used, free = sorted(yard.tags())
    holder = yard.engine.docker("run", "--detach", "--entrypoint", "sleep", f"{yard.repository}:{used}", "3600")
    try:
        done = yard.inv("clean", "--yes", "--all")
    finally:
        yard.engine.docker("rm", "--force", holder)
    assert done.code == 4
    assert yard.tags() == {used}
    assert f"  | {yard.repository}:{used}: docker: conflict: " in done.err
    assert re.search(rf"(?m)^refused +image +{yard.repository}:{used} ", done.err)
    assert re.search(rf"(?m)^removed +image +{yard.repository}:{free} ", done.err)
