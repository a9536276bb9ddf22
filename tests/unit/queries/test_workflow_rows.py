"""What the job of a row is told: its runner and its worker, for each architecture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imageyard.ci.providers.github.matrix import outputs
from imageyard.ci.providers.github.provider import RUNNERS
from imageyard.names import ARCHES
from imageyard.plan.decision import Decision
from imageyard.queries.workflow_plan import workflow_plan
from support.building.checkout import CATALOGUE, scene_of
from support.registry.memory import MemoryRegistry

PUSH = Decision("trusted", "push", "main is protected", "missing", "trusted", ("trusted",))
EVERY = CATALOGUE.replace("[amd64, arm64]", f"[{', '.join(ARCHES)}]")


def rows(top: Path, catalogue: str, decision: Decision = PUSH) -> dict[str, dict[str, Any]]:
    """The rows of the base image as the workflow gets them, by architecture."""
    work = scene_of(top, MemoryRegistry().client(), **{"images.yml": catalogue})
    plan = workflow_plan(work.project, work.recipes, work.services, decision, "linux-base")
    found = json.loads(outputs(plan.jobs, plan.delivered)["rows_0"])["include"]
    return {row["arch"]: row for row in found}


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
