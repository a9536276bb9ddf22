"""The workflows of lanes: in which environment each is, and what its commands are called with, whatever inputs say."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from imageyard.cli import namespace
from imageyard.lanes.model import RoleJob
from invoke.parser import Parser
from support.lanes.catalogues import UPLOAD, of
from support.workflow.expressions import Status, evaluate, interpolate, truthy
from support.workflow.syntax import Job, load

TOP = Path(__file__).parents[3]
FOLDER = TOP / ".github" / "workflows"
INV = """\
#!/bin/sh
printf '%s\\0' "$@" >> "$CALLS"
printf '\\n\\0' >> "$CALLS"
"""
STRANGE = "--yes $(touch evil) `touch evil` '; \" é --centre"


def job(name: str, job: str) -> Job:
    return load(FOLDER / f"{name}.yml").jobs[job]


@pytest.mark.parametrize(
    ("name", "id", "role"),
    [
        ("lane-index", "index", of().indexer),
        ("lane-purge", "purge", of().purge),
        ("lane-upload", "upload", of().lane("acme").job),
        ("lane-upload", "request", of().lane("acme").job),
        ("lane-upload", "upload", of().lane("globex").job),
        ("lane-upload", "request", of().lane("globex").job),
    ],
)
def test_each_is_the_job_that_a_role_trusts(name: str, id: str, role: RoleJob) -> None:
    """By the file that lanes.yml derives, and in its environment; a job of this file can do no more than take it."""
    assert role.workflow == UPLOAD.replace("lane-upload", name)
    usual = load(FOLDER / "lane-upload.yml").on["workflow_call"]["inputs"]["environment"]["default"]
    said = usual if role == of().lane("acme").job else role.environment  # by the caller, where it is another one
    assert interpolate(job(name, id).environment, {"inputs": {"environment": said}}) == role.environment
    assert job(name, id).permissions == {"contents": "read", "id-token": "write"}


@pytest.mark.parametrize("name", ["lane-index", "lane-purge"])
def test_there_is_one_at_a_time_and_none_is_stopped(name: str) -> None:
    text = (FOLDER / f"{name}.yml").read_text()
    assert f"  group: {name} #" in text
    assert "  cancel-in-progress: false\n" in text


def test_a_run_of_the_indexer_does_all_that_one_before_it_would_have_done() -> None:
    """So a waiting run that GitHub drops loses nothing; and nothing runs by schedule before it is let."""
    workflow = load(FOLDER / "lane-index.yml")
    assert "inputs" not in (FOLDER / "lane-index.yml").read_text(), "always for all lanes"
    assert [step.run for step in workflow.jobs["index"].steps][-2:] == ["inv lane.index", "inv lane.page"]
    for event, variable, runs in (
        ("schedule", "", False),
        ("schedule", "on", True),
        ("workflow_dispatch", "", True),
    ):
        contexts = {"github": {"event_name": event}, "vars": {"LANE_INDEX": variable}}
        condition = workflow.jobs["index"].condition
        assert truthy(evaluate(condition, contexts, Status(success=True, failure=False, cancelled=False))) is runs


@pytest.mark.parametrize(
    ("status", "runs"),
    [
        (Status(success=True, failure=False, cancelled=False), True),
        (Status(success=False, failure=True, cancelled=False), True),
        (Status(success=False, failure=False, cancelled=True), False),
    ],
)
def test_the_page_is_written_where_an_index_has_a_fault_too(status: Status, runs: bool) -> None:
    assert truthy(evaluate(job("lane-index", "index").steps[-1].condition, {}, status)) is runs


def test_a_caller_can_hand_on_the_key_that_signs() -> None:
    """GitHub gives a called workflow no secret that it does not declare ("Reuse workflows", "Passing inputs and
    secrets to a reusable workflow"). Every secret that its steps name is declared, and none has to be there."""
    file = FOLDER / "lane-upload.yml"
    declared = load(file).on["workflow_call"]["secrets"]
    assert set(re.findall(r"secrets\.(\w+)", file.read_text())) == set(declared) == {"LANE_SIGNING_KEY"}
    assert {one["required"] for one in declared.values()} == {"false"}


def calls(tmp_path: Path, name: str, id: str, inputs: dict[str, str]) -> list[list[str]]:
    """What `inv` is called with by the last steps of a job, which Bash runs with these inputs."""
    program = tmp_path / "inv"
    program.write_text(INV)
    program.chmod(0o755)
    one = job(name, id)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    for step in one.steps:
        if not re.search("^ *inv ", step.run, re.MULTILINE):
            continue
        assert "${{" not in step.run, "inputs come by the environment alone"
        contexts = {"inputs": inputs, "secrets": {"LANE_SIGNING_KEY": "a key"}}
        env = {key: interpolate(value, contexts) for key, value in {**one.env, **step.env}.items()}
        given = {"PATH": path, "CALLS": str(tmp_path / "calls"), **env}
        subprocess.run(["bash", "-e", "-c", step.run], check=True, cwd=tmp_path, env=given)
    assert not (tmp_path / "evil").exists()
    return [line.split("\0")[:-1] for line in (tmp_path / "calls").read_text().split("\n\0")[:-1]]


def parsed(argv: list[str]) -> dict[str, object]:
    """The arguments as the command has them."""
    contexts = namespace().to_contexts()
    (found,) = Parser(contexts=contexts).parse_argv(argv)
    return {"name": found.name, **{arg.name: arg.value for arg in found.args.values() if arg.value}}


NO_INPUTS = dict.fromkeys(load(FOLDER / "lane-upload.yml").on["workflow_call"]["inputs"], "")


@pytest.mark.parametrize(
    ("action", "more"),
    [
        ("yank", {}),
        ("withdraw", {}),
        ("withdraw", {"disclosure": STRANGE}),
        ("withdraw", {"disclosure": "2026-12-31", "channel": STRANGE}),
        ("restore", {}),
    ],
)
def test_what_a_vendor_asks_for_is_what_it_says(tmp_path: Path, action: str, more: dict[str, str]) -> None:
    """Nothing in an input is a further option, and nothing is run."""
    inputs = {**NO_INPUTS, "lane": "acme", "request": action, "file": STRANGE, "reason": STRANGE, **more}
    (argv,) = calls(tmp_path, "lane-upload", "request", inputs)
    said = {"lane": "acme", "file": STRANGE, "reason": STRANGE, "yes": True, **more}
    assert parsed(argv) == {"name": f"lane.{action}", **said}


def test_the_result_of_tests_is_what_it_says(tmp_path: Path) -> None:
    inputs = {**NO_INPUTS, "lane": "acme", "request": "result", "file": STRANGE, "outcome": STRANGE, "url": STRANGE}
    (argv,) = calls(tmp_path, "lane-upload", "request", inputs)
    said = {"lane": "acme", "file": STRANGE, "outcome": STRANGE, "url": STRANGE}
    assert parsed(argv) == {"name": "lane.result", **said}


def test_a_request_that_there_is_not_is_an_error(tmp_path: Path) -> None:
    inputs = {**NO_INPUTS, "lane": "acme", "request": "purge", "file": STRANGE}
    with pytest.raises(subprocess.CalledProcessError) as failed:
        calls(tmp_path, "lane-upload", "request", inputs)
    assert failed.value.returncode == 2
    assert not (tmp_path / "calls").exists()


@pytest.mark.parametrize(("request_", "runs"), [("", "upload"), ("yank", "request")])
def test_a_call_uploads_or_asks(request_: str, runs: str) -> None:
    status = Status(success=True, failure=False, cancelled=False)
    jobs = load(FOLDER / "lane-upload.yml").jobs
    contexts = {"inputs": {"request": request_}}
    assert [name for name, one in jobs.items() if truthy(evaluate(one.condition, contexts, status))] == [runs]


def test_a_purge_is_told_first_and_done_where_it_is_wanted(tmp_path: Path) -> None:
    inputs = {"lane": "acme", "file": STRANGE, "reason": STRANGE, "disclosure": "2026-12-31", "channel": ""}
    told, done = calls(tmp_path, "lane-purge", "purge", inputs)
    expected = {"lane": "acme", "file": STRANGE, "reason": STRANGE, "disclosure": "2026-12-31"}
    assert parsed(told) == {"name": "lane.purge", **expected}
    assert parsed(done) == {"name": "lane.purge", **expected, "yes": True}
    last = job("lane-purge", "purge").steps[-1]
    assert re.sub(r"[${} ]", "", last.condition) == "inputs.delete"
