"""Rows that remote workers build, from an orchestrator that has no Docker daemon in reach: what is published in the end."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from engine_private import PrivateEngine
from imageyard.names import Arch
from registry_served import tool
from yard_remote import BASE, TOOL, RemoteYard

pytestmark = [pytest.mark.engine]
pytest_plugins = ("fixtures_registry", "fixtures_remote")

NOT_CHECKED = "not checked: built by remote workers"


def test_one_orchestrator_makes_an_image_for_both_architectures(
    remote_yard: RemoteYard, worker_engines: Mapping[Arch, PrivateEngine]
) -> None:
    done = remote_yard.inv("build", BASE, "--builder", "remote")
    assert done.code == 0, done.all
    assert done.all.count(NOT_CHECKED) >= 2
    assert remote_yard.row_outcomes() == {(BASE, "amd64"): "published", (BASE, "arm64"): "published"}
    promoted = remote_yard.inv("promote", BASE, "--at", "branch")
    assert promoted.code == 0, promoted.all

    index = remote_yard.at(remote_yard.tag(BASE))
    tool("crane", "validate", "--remote", index)
    assert json.loads(tool("skopeo", "inspect", "--tls-verify=false", f"docker://{index}"))["Digest"]
    raw = json.loads(tool("crane", "manifest", index))
    rows = {entry["platform"]["architecture"]: entry["digest"] for entry in raw["manifests"]}
    assert rows == {arch: remote_yard.record(BASE, arch)["digest"] for arch in ("amd64", "arm64")}
    engine = worker_engines["amd64"]
    for arch, machine in (("amd64", "x86_64"), ("arm64", "aarch64")):
        run = ["run", "--rm", "--pull", "always", "--quiet", "--platform", f"linux/{arch}", str(index)]
        assert engine.docker(*run, "/bin/cat", "/etc/release", "/etc/machine").split() == ["12.5", machine]
        assert engine.docker(*run, "/bin/uname", "-m") == machine
    assert remote_yard.docker_calls == ""

    again = remote_yard.inv("build", BASE, "--builder", "remote")
    assert (again.code, remote_yard.docker_calls) == (0, "")
    assert remote_yard.row_outcomes() == {(BASE, "amd64"): "skipped", (BASE, "arm64"): "skipped"}
    assert f"at {remote_yard.repository}-branch" in again.err


def test_a_child_is_built_on_the_published_parent(remote_yard: RemoteYard) -> None:
    done = remote_yard.inv("build", TOOL, "--builder", "remote", "--arch", "amd64")
    assert done.code == 0, done.all
    assert remote_yard.outcomes() == {BASE: "published", TOOL: "published"}
    parent = remote_yard.at(remote_yard.tag(BASE, "amd64"))
    child = remote_yard.at(remote_yard.tag(TOOL, "amd64"))
    layers = [json.loads(tool("crane", "manifest", image))["layers"] for image in (parent, child)]
    assert layers[1][: len(layers[0])] == layers[0]
    (record,) = json.loads(remote_yard.inv("records", TOOL, "--arch", "amd64", "--at", "branch", "--json").out)
    assert (record["builder"], record["outcome"], record["remarks"]) == ("remote", "published", [NOT_CHECKED])
    assert record["reference"].endswith(record["digest"])

    remote_yard.write("tool/word", "another\n")
    done = remote_yard.inv("build", TOOL, "--builder", "remote", "--arch", "amd64")
    assert done.code == 0, done.all
    assert remote_yard.outcomes() == {BASE: "skipped", TOOL: "published"}


def test_a_failing_step_is_a_failed_build_without_a_tag(remote_yard: RemoteYard) -> None:
    remote_yard.edit("base/Dockerfile", "RUN echo base", "RUN echo last words; false\nRUN echo base")
    done = remote_yard.inv("build", TOOL, "--builder", "remote", "--arch", "amd64")
    assert done.code == 5, done.all
    assert "last words" in done.err
    assert ".ci/docker/base/Dockerfile:5" in done.err
    assert remote_yard.outcomes() == {BASE: "failed", TOOL: "blocked"}
    assert remote_yard.record(BASE, "amd64")["digest"] is None
    assert remote_yard.inv("resolve", BASE, "--arch", "amd64", "--at", "branch").code == 7


def test_nox_builds_all_rows_of_an_architecture(remote_yard: RemoteYard) -> None:
    done = remote_yard.nox("-j", "2", "-s", "build_image(arch='amd64')", env={"REMOTE_BUILDKIT": "1"})
    assert done.code == 0, done.all
    assert remote_yard.outcomes() == {BASE: "published", TOOL: "published"}
    assert remote_yard.docker_calls == ""
    forced = remote_yard.nox("-s", f"build_image(arch='amd64', image='{TOOL}')", "--", "--builder", "remote", "--force")
    assert forced.code == 0, forced.all
    assert remote_yard.outcomes() == {BASE: "skipped", TOOL: "published"}
    assert remote_yard.record(TOOL, "amd64")["forced"]
