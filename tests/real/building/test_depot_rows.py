"""Rows that Depot builds: what is asked of it, what is published in the end, and who else builds."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from imageyard.names import Arch
from support.depot.plane import TOKEN
from support.engine.buildkit_remote import remote_buildkit
from support.engine.private import PrivateEngine
from support.engine.socket_relay import Relay
from support.engine.steps import children_of, running_steps, wait_for
from support.github import oidc as oidc_served
from support.github.event import pull_request, push
from support.github.oidc import claims_of
from support.registry.served import Served, tool
from support.yard.depot import DepotYard, held
from support.yard.remote import BASE, TOOL

pytestmark = [pytest.mark.engine, pytest.mark.mirror, pytest.mark.arm64]

NOT_CHECKED = "not checked: built at Depot"
BOTH = ["amd64", "arm64"]


def ok(yard: DepotYard, *argv: str, **env: str) -> str:
    done = yard.inv(*argv, env=env)
    assert done.code == 0, done.all
    return done.out.strip()


def manifest(reference: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tool("crane", "manifest", reference))
    return found


@pytest.mark.parametrize("provenance", ["off", "max"])
def test_one_build_makes_an_image_for_both_architectures(
    depot_yard: DepotYard, worker_engines: Mapping[Arch, PrivateEngine], provenance: str
) -> None:
    depot_yard.edit("images.yml", "defaults:", f"defaults:\n  provenance: {provenance}")
    done = depot_yard.inv("build", BASE, "--builder", "depot")
    assert done.code == 0, done.all
    assert done.all.count(NOT_CHECKED) >= 2
    assert depot_yard.row_outcomes() == {(BASE, "amd64"): "published", (BASE, "arm64"): "published"}
    assert depot_yard.builds == [("pbranch", BOTH)]
    rows = {}
    for arch in BOTH:
        reference = depot_yard.at(depot_yard.tag(BASE, arch))
        found = manifest(reference)
        record = depot_yard.record(BASE, arch)
        assert (record["builder"], record["digest"]) == ("depot", tool("crane", "digest", reference))
        assert record["versions"]["depot"].startswith("2.102.")
        assert ("manifests" in found) is (provenance == "max")
        if provenance == "max":
            image, attestation = found["manifests"]
            assert attestation["annotations"]["vnd.docker.reference.digest"] == image["digest"]
        rows[arch] = found["manifests"][0]["digest"] if provenance == "max" else record["digest"]
    assert depot_yard.docker_calls == ""

    ok(depot_yard, "promote", BASE, "--at", "branch")
    index = depot_yard.at(depot_yard.tag(BASE))
    images = [entry for entry in manifest(index)["manifests"] if entry["platform"]["os"] == "linux"]
    assert {entry["platform"]["architecture"]: entry["digest"] for entry in images} == rows
    engine = worker_engines["amd64"]
    for arch, machine in (("amd64", "x86_64"), ("arm64", "aarch64")):
        run = ["run", "--rm", "--pull", "always", "--quiet", "--platform", f"linux/{arch}", str(index)]
        assert engine.docker(*run, "/bin/cat", "/etc/release", "/etc/machine").split() == ["12.5", machine]

    ok(depot_yard, "build", BASE, "--builder", "depot")
    assert set(depot_yard.row_outcomes().values()) == {"skipped"}
    assert len(depot_yard.builds) == 1
    assert held(depot_yard.state, TOKEN) == []


def test_only_what_is_missing_is_built(depot_yard: DepotYard) -> None:
    ok(depot_yard, "build", BASE, "--builder", "depot", "--arch", "arm64")
    ok(depot_yard, "build", BASE, "--builder", "depot")
    assert depot_yard.row_outcomes() == {(BASE, "amd64"): "published", (BASE, "arm64"): "skipped"}
    assert depot_yard.builds == [("pbranch", ["arm64"]), ("pbranch", ["amd64"])]


def test_children_are_built_on_both_published_parents(depot_yard: DepotYard) -> None:
    ok(depot_yard, "build", TOOL, "--builder", "depot")
    assert set(depot_yard.row_outcomes().values()) == {"published"}
    assert depot_yard.builds == [("pbranch", BOTH), ("pbranch", BOTH)]
    for arch in BOTH:
        parent, child = (manifest(depot_yard.at(depot_yard.tag(name, arch)))["layers"] for name in (BASE, TOOL))
        assert child[: len(parent)] == parent

    depot_yard.write("tool/word", "another\n")
    ok(depot_yard, "build", TOOL, "--builder", "depot")
    assert depot_yard.builds[2:] == [("pbranch", BOTH)]
    assert depot_yard.row_outcomes()[BASE, "arm64"] == "skipped"


def test_parents_of_the_other_repository_are_built_on_once_they_are_promoted(depot_yard: DepotYard) -> None:
    """A run that may only write branches reads both: the index of a parent there is the one that was promoted."""
    ok(depot_yard, "build", BASE, "--builder", "depot", "--at", "trusted")
    assert depot_yard.builds == [("ptrusted", BOTH)]
    script = (
        "from imageyard.plan.trust import Decision; from imageyard.project.options import BuildOptions;"
        "from imageyard.building.rows import build_rows; from imageyard.project.project import find_project;"
        "from imageyard.project.recipes import recipes_of; from imageyard.run.services import begin;"
        "p = find_project(); d = Decision('branch', 'pull_request', 'a test', push='branch',"
        " reads=('trusted', 'branch'));"
        f"o = BuildOptions(builder='depot', decision=d); rows = p.rows('{TOOL}');"
        "raise SystemExit(build_rows(p, recipes_of(p), begin(p), rows, o))"
    )
    for promoted, builds in ((False, [["amd64"], ["arm64"]]), (True, [BOTH])):
        if promoted:
            ok(depot_yard, "promote", BASE, "--at", "trusted")
            depot_yard.write("tool/word", "another\n")
        before = len(depot_yard.builds)
        done = depot_yard.run(["python", "-c", script])
        assert done.code == 0, done.all
        assert [builders for _, builders in depot_yard.builds[before:]] == builds
        assert ("no index that may be used has its parents" in done.err) is not promoted
        outcomes = depot_yard.row_outcomes()
        assert (outcomes[BASE, "amd64"], outcomes[TOOL, "arm64"]) == ("skipped", "published")


def test_checks_at_depot_keep_a_row_that_fails_them_from_its_tag(depot_yard: DepotYard) -> None:
    depot_yard.edit("images.yml", "defaults:", "defaults:\n  remote_checks: yes")
    depot_yard.edit("base/Dockerfile", "echo 12.5 >", "([ $(uname -m) = x86_64 ] && echo 12.5 || echo 13.1) >")
    done = depot_yard.inv("build", BASE, "--builder", "depot")
    assert done.code == 6, done.all
    assert "release: expected 12, found 13.1" in done.err
    assert depot_yard.row_outcomes() == {(BASE, "amd64"): "published", (BASE, "arm64"): "check failed"}
    assert depot_yard.record(BASE, "amd64")["findings"][0]["ok"]
    assert depot_yard.record(BASE, "amd64")["remarks"] == []
    assert depot_yard.builds == [("pbranch", BOTH), ("pbranch", ["amd64"]), ("pbranch", ["arm64"])]
    assert depot_yard.inv("resolve", BASE, "--arch", "arm64", "--at", "branch").code == 7


def test_architectures_with_other_arguments_are_built_apart(depot_yard: DepotYard) -> None:
    depot_yard.edit("base/Dockerfile", "COPY --from", "ARG WORD\nCOPY --from")
    words = "args: {WORD: a}\n    per_arch: {arm64: {args: {WORD: b}}}"
    depot_yard.edit("images.yml", "dockerfile: base/Dockerfile", f"dockerfile: base/Dockerfile\n    {words}")
    done = depot_yard.inv("build", BASE, "--builder", "depot")
    assert done.code == 0, done.all
    assert "one build cannot make them all: amd64, arm64" in done.err
    assert depot_yard.builds == [("pbranch", ["amd64"]), ("pbranch", ["arm64"])]
    assert set(depot_yard.row_outcomes().values()) == {"published"}


@pytest.mark.parametrize("fallback", ["", ", fallback: buildx"])
def test_a_failed_build_is_never_run_again(depot_yard: DepotYard, registry: Served, fallback: str) -> None:
    depot_yard.edit("images.yml", "branch: pbranch", f"branch: pbranch{fallback}")
    depot_yard.edit(
        "base/Dockerfile", "RUN echo base", "RUN echo unexpected EOF: connection reset; false\nRUN echo base"
    )
    done = depot_yard.inv("build", TOOL, "--builder", "depot")
    assert done.code == 5, done.all
    assert "unexpected EOF: connection reset" in done.err
    assert depot_yard.builds == [("pbranch", BOTH)]
    outcomes = depot_yard.row_outcomes()
    assert {outcomes[BASE, arch] for arch in BOTH} == {"failed"}
    assert {outcomes[TOOL, arch] for arch in BOTH} == {"blocked"}
    assert depot_yard.docker_calls == ""
    assert depot_yard.inv("resolve", BASE, "--arch", "amd64", "--at", "branch").code == 7


def test_a_build_whose_machine_is_lost_is_built_again_where_the_image_says_so(
    depot_yard: DepotYard, worker_engines: Mapping[Arch, PrivateEngine], tmp_path: Path
) -> None:
    """As a build of its own, at Depot: the engine that may stand in is for builds that never began."""
    yard = depot_yard
    yard.edit("images.yml", "branch: pbranch", "branch: pbranch, fallback: buildx")
    yard.edit("base/Dockerfile", "RUN echo base", f"RUN : {yard.key}; sleep 100; true\nRUN echo base")
    yard.edit("images.yml", "dockerfile: base/Dockerfile", "dockerfile: base/Dockerfile\n    attempts: 2")
    assert yard.plane is not None
    second_machine = yard.plane.workers["amd64"]
    relay = Relay(tmp_path / "machine.sock", worker_engines["amd64"].host.removeprefix("unix://"))
    with remote_buildkit(relay.path) as yard.plane.workers["amd64"]:
        argv = [sys.executable, "-m", "invoke", "build", BASE, "--builder", "depot", "--arch", "amd64"]
        child = yard.start(argv)
        first = wait_for(lambda: running_steps(f": {yard.key}"), child)
        yard.plane.workers["amd64"] = second_machine
        relay.cut()
        second = wait_for(lambda: [pid for pid in running_steps(f": {yard.key}") if pid != first], child)
        os.kill(wait_for(lambda: children_of(second), child), signal.SIGTERM)
        out, err = child.communicate(timeout=120)
    assert child.returncode == 0, out + err
    assert "attempt 1 of 2 was lost with its builder: " in err
    assert yard.builds == [("pbranch", ["amd64"])] * 2
    assert yard.row_outcomes() == {(BASE, "amd64"): "published"}
    assert (yard.record(BASE, "amd64")["attempts"], yard.docker_calls) == (2, "")


def test_depot_that_does_not_let_us_in_or_is_not_there(depot_yard: DepotYard) -> None:
    argv = ("build", BASE, "--builder", "depot", "--arch", "amd64")
    for env, code, words in (
        ({"DEPOT_TOKEN": "wrong"}, 8, "the token of DEPOT_TOKEN"),
        ({"DEPOT_TOKEN": ""}, 8, "a token is looked for in this order: DEPOT_TOKEN, then what `depot login` wrote"),
        ({"DEPOT_API_URL": "http://127.0.0.1:1"}, 9, "Depot could not be reached: unavailable: dial tcp"),
    ):
        done = depot_yard.inv(*argv, env=env)
        assert done.code == code, done.all
        assert words in done.err
        assert depot_yard.row_outcomes() == {(BASE, "amd64"): "blocked"}
    assert depot_yard.plane is not None
    depot_yard.plane.refusing["GetBuildKitConnection"] = "unavailable", "no machine is free"
    lost = depot_yard.inv(*argv)
    assert (lost.code, "no machine is free" in lost.err) == (9, True), lost.all
    assert len(depot_yard.builds) == 1
    (depot_yard.home / "bin" / "depot").unlink()
    absent = depot_yard.inv(*argv)
    assert (absent.code, "install-cli.sh" in absent.err) == (4, True), absent.all
    assert depot_yard.docker_calls == ""


def test_fallback_to_buildx_where_no_build_was_created(depot_yard: DepotYard) -> None:
    depot_yard.docker = True
    depot_yard.edit("images.yml", "branch: pbranch", "branch: pbranch, fallback: buildx")
    done = depot_yard.inv("build", BASE, "--builder", "depot", "--arch", "amd64", env={"DEPOT_TOKEN": "wrong"})
    assert done.code == 0, done.all
    assert "Depot refused the login" in done.err
    record = depot_yard.record(BASE, "amd64")
    assert (record["builder"], record["outcome"], len(record["findings"])) == ("local", "published", 1)
    assert record["remarks"][0].startswith("built by docker buildx: Depot refused the login")
    assert depot_yard.builds == []
    assert manifest(depot_yard.at(depot_yard.tag(BASE, "amd64")))
    assert depot_yard.plane is not None
    depot_yard.plane.refusing["CreateBuild"] = "resource_exhausted", "the plan has no minutes left"
    refused = depot_yard.inv("build", TOOL, "--builder", "depot", "--arch", "amd64")
    assert (refused.code, "the plan has no minutes left" in refused.err) == (9, True), refused.all
    assert depot_yard.row_outcomes() == {(BASE, "amd64"): "skipped", (TOOL, "amd64"): "blocked"}


def test_a_place_without_a_project(depot_yard: DepotYard) -> None:
    depot_yard.edit("images.yml", ", branch: pbranch", "")
    done = depot_yard.inv("build", BASE, "--builder", "depot")
    assert done.code == 2, done.all
    assert "builders.depot names no project for branch" in done.err
    assert "DEPOT_PROJECT_ID does not count" in done.err
    assert depot_yard.builds == []


def test_jobs_of_a_workflow_log_in_by_oidc_and_build_at_the_project_of_their_trust(
    depot_yard: DepotYard, tmp_path: Path
) -> None:
    assert depot_yard.plane is not None
    with oidc_served.served("repo:example@1/yard@2:ref:refs/heads/main") as oidc:
        depot_yard.plane.knows = lambda token: (
            bool(claims := claims_of(token, oidc.key)) and (claims["aud"] == "https://depot.dev")
        )
        job = {**oidc.env, "DEPOT_TOKEN": ""}
        ok(depot_yard, "build", BASE, "--arch", "amd64", **job, **push(tmp_path))
        assert depot_yard.builds == [("ptrusted", ["amd64"])]
        ok(depot_yard, "build", TOOL, "--arch", "amd64", **job, **pull_request(tmp_path))
        assert depot_yard.builds[1:] == [("pbranch", ["amd64"])]
        assert depot_yard.row_outcomes() == {(BASE, "amd64"): "skipped", (TOOL, "amd64"): "published"}
        assert len(oidc.issued) == 2
        assert [held(depot_yard.state, token) for token in (oidc.bearer, *oidc.issued)] == [[]] * 3


def test_a_run_of_a_fork_builds_in_the_engine(depot_yard: DepotYard, tmp_path: Path) -> None:
    depot_yard.docker = True
    ok(depot_yard, "build", BASE, "--arch", "amd64", **pull_request(tmp_path, head="mallory/yard"))
    assert depot_yard.record(BASE, "amd64")["builder"] == "local"
    assert depot_yard.builds == []


def test_nox_builds_a_row(depot_yard: DepotYard) -> None:
    done = depot_yard.nox("-s", f"build_image(arch='arm64', image='{BASE}')", "--", "--builder", "depot")
    assert done.code == 0, done.all
    assert depot_yard.builds == [("pbranch", ["arm64"])]
    assert depot_yard.row_outcomes() == {(BASE, "arm64"): "published"}


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_cancels_the_build_at_depot(depot_yard: DepotYard, how: signal.Signals, code: int) -> None:
    seconds = str(100_000 + int(depot_yard.key[:6], 16))
    depot_yard.edit("base/Dockerfile", "RUN echo base", f"RUN sleep {seconds}\nRUN echo base")
    argv = [sys.executable, "-m", "invoke", "build", BASE, "--builder", "depot", "--arch", "amd64"]
    with depot_yard.start(argv) as child:
        deadline = time.monotonic() + 120
        while not _runs(seconds):
            assert child.poll() is None, child.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(child.pid, how)
        _, err = child.communicate(timeout=120)
    assert child.returncode == code, err
    assert depot_yard.plane is not None
    assert [build.result for build in depot_yard.plane.builds] == ["canceled"]
    assert depot_yard.row_outcomes() == {(BASE, "amd64"): "interrupted"}
    assert list(depot_yard.runs[-1].glob("rows/imageyard-*")) == []


def _runs(seconds: str) -> bool:
    """Whether the step is at work: a builder's processes are this machine's."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if file.read_bytes().split(b"\0")[-2:-1] == [seconds.encode()]:
                return True
        except OSError:
            continue
    return False
