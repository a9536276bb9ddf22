"""What the job of a row is told: its runner and its worker, for each architecture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from imageyard.ci.providers.github import matrix
from imageyard.ci.providers.github.provider import RUNNERS
from imageyard.names import ARCHES
from imageyard.plan.decision import Decision
from imageyard.queries import plan as plans
from imageyard.queries.plan import Asked
from imageyard.queries.workflow_plan import plain, workflow_plan
from support.building.checkout import CATALOGUE, scene_of
from support.registry.memory import MemoryRegistry

PULL = Decision("branch", "pull_request", "a pull request", "missing", "branch", ("trusted", "branch"))
FORK = Decision("fork", "pull_request", "from a fork", "all")
PUSH = Decision("trusted", "push", "main is protected", "missing", "trusted", ("trusted",))
EVERY = CATALOGUE.replace("[amd64, arm64]", f"[{', '.join(ARCHES)}]")


def rows(top: Path, catalogue: str, decision: Decision = PUSH) -> dict[str, dict[str, Any]]:
    """The rows of the base image as the workflow gets them, by architecture."""
    work = scene_of(top, MemoryRegistry().client(), **{"images.yml": catalogue})
    plan = workflow_plan(work.project, work.recipes, work.services, decision, "linux-base")
    jobs = matrix.jobs(plan.jobs, plan.delivered)
    found = {job["name"]: job for job in json.loads(matrix.outputs(jobs)["rows_0"])["include"]}
    planned = cast("list[dict[str, Any]]", plain(plan, jobs, 1)["rows"])
    return {row["arch"]: row | found[row["job"]] for row in planned if row["level"] == 0}


def test_a_row_without_a_machine_of_its_own_is_emulated(tmp_path: Path) -> None:
    found = rows(tmp_path, EVERY)
    assert {arch: row["runner"] for arch, row in found.items()} == {
        arch: RUNNERS["arm64" if arch == "arm64" else "amd64"] for arch in ARCHES
    }
    assert all(found[arch]["tag"].startswith("linux-base-") for arch in ARCHES)
    assert len({row["tag"] for row in found.values()}) == len(ARCHES)


def test_each_architecture_has_its_runner_and_its_worker(tmp_path: Path) -> None:
    addresses = ", ".join(f"{arch}: 'tcp://{arch}.test:1'" for arch in ARCHES if arch != "armv6")
    runners = ", ".join(f"{arch}: {{runner: 'ours.{{arch}}', timeout: 1h}}" for arch in ARCHES if arch != "amd64")
    catalogue = f"builders: {{remote: {{{addresses}, insecure: yes, connect_timeout: 2h}}}}\n" + EVERY.replace(
        "defaults: {", f"defaults: {{per_arch: {{{runners}}}, "
    )
    assert {
        arch: (row["runner"], row["address"], row["timeout"]) for arch, row in rows(tmp_path, catalogue).items()
    } == {arch: (f"ours.{arch}", f"tcp://{arch}.test:1", 195) for arch in ARCHES} | {
        "amd64": (RUNNERS["amd64"], "tcp://amd64.test:1", 375),
        "armv6": ("ours.armv6", "", 75),
    }


@pytest.mark.parametrize(
    "runner",
    ["big", ["self-hosted", "linux", "gpu"], {"group": "large"}, {"group": "large", "labels": ["linux", "gpu"]}],
)
def test_a_runner_reaches_the_workflow_as_runs_on_takes_it(tmp_path: Path, runner: Any) -> None:
    catalogue = CATALOGUE.replace("defaults: {", f"defaults: {{runner: {json.dumps(runner)}, ")
    assert [row["runner"] for row in rows(tmp_path, catalogue).values()] == [runner, runner]


@pytest.mark.parametrize(
    ("decision", "address"), [(PUSH, "tcp://main.test:1"), (PULL, "tcp://pulls.test:1"), (FORK, "")]
)
def test_a_row_is_built_on_a_worker_of_its_trust(tmp_path: Path, decision: Decision, address: str) -> None:
    workers = (
        "{trusted: {amd64: 'tcp://main.test:1', insecure: yes}, branch: {amd64: 'tcp://pulls.test:1', insecure: yes}}"
    )
    catalogue = f"builders: {{remote: {workers}}}\n{CATALOGUE}"
    assert {arch: row["address"] for arch, row in rows(tmp_path, catalogue, decision).items()} == {
        "amd64": address,
        "arm64": "",
    }


def test_a_trust_without_workers_builds_on_the_runner(tmp_path: Path) -> None:
    catalogue = f"builders: {{remote: {{trusted: {{amd64: 'unix:///trusted.sock'}}}}}}\n{CATALOGUE}"
    assert rows(tmp_path, catalogue, PULL)["amd64"]["address"] == ""


def test_a_plan_names_the_runner_of_each_row(tmp_path: Path) -> None:
    catalogue = CATALOGUE.replace("defaults: {", "defaults: {per_arch: {arm64: {runner: [self-hosted, '{arch}']}}, ")
    work = scene_of(tmp_path, MemoryRegistry().client(), **{"images.yml": catalogue})
    actions = plans.plan(work.project, work.recipes, work.services, Asked("linux-base", at="trusted"))
    found = json.loads(plans.rendered(work.project.catalogue, actions, as_json=True))["rows"]
    assert {row["arch"]: row["runner"] for row in found} == {"amd64": None, "arm64": ["self-hosted", "arm64"]}
