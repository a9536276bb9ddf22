"""What the runner of our tests takes, and that it refuses the rest with its line: a workflow must not pass by luck."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.workflow import runner as workflow_runner
from support.workflow.expressions import Status, Unsupported, asks_status, evaluate, interpolate
from support.workflow.runner import Event, Machine
from support.workflow.syntax import load

HEAD = """\
name: some
on:
  push:
    branches: [main]
permissions: {}
jobs:
"""
JOB = """\
  one:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    permissions: {}
    steps:
      - run: echo one
"""
CONTEXTS: dict[str, Any] = {
    "github": {"event_name": "push", "ref_type": "branch", "event": {"pull_request": {"number": 17}}},
    "needs": {"decide": {"result": "success", "outputs": {"has_rows_0": "true", "rows": '{"include": [{"a": 1}]}'}}},
    "matrix": {"address": "", "timeout": 75, "force": True},
    "secrets": {},
}


def write(folder: Path, text: str) -> Path:
    file = folder / "some.yml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"),
        ("github.event_name == 'PUSH'", True),
        ("github.event_name != 'push'", False),
        ("github.ref_type == 'tag' && '0' || '2'", "2"),
        ("matrix.address != '' && 'container' || ''", ""),
        ("needs.decide.outputs.has_rows_0 == 'true'", True),
        ("!cancelled() && needs.decide.outputs.has_rows_0 == 'true'", True),
        ("(failure() || false) && true", False),
        ("fromJSON(needs.decide.outputs.rows)", {"include": [{"a": 1}]}),
        ("github.event.pull_request.number", 17),
        ("github.event.nothing.here", None),
        ("secrets.NONE", None),
        ("${{ matrix.force }}", True),
    ],
)
def test_an_expression(text: str, value: Any) -> None:
    assert evaluate(text, CONTEXTS, Status()) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("contains(github.ref)", "no function contains()"),
        ("github.ref < 3", "has '< 3'"),
        ("env.HOME", "no context 'env'"),
        ("runner.temp", "no context 'runner'"),
        ("github['ref']", """has "['ref']\""""),
        ("needs.*.result", "has '*.result'"),
        ("'a' 'b'", "goes on with"),
        ("(true", "')' is missing"),
        ("true &&", "ends early"),
        ("matrix.timeout == '75'", "compares int with str"),
    ],
)
def test_an_expression_that_is_refused(text: str, words: str) -> None:
    with pytest.raises(Unsupported) as refused:
        evaluate(text, CONTEXTS, Status())
    assert words in str(refused.value)


def test_a_status_function_where_there_is_no_status() -> None:
    with pytest.raises(Unsupported, match="cannot stand here"):
        interpolate("${{ failure() }}", CONTEXTS)
    assert asks_status("!cancelled() && true")
    assert not asks_status("needs.decide.outputs.failure == 'x'")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  push:", "  workflow_run:", "some.yml:3: the event workflow_run"),
        ("    branches: [main]", "    paths: [docs]", "some.yml:4: the key paths"),
        ("permissions: {}\njobs", "permissions: {contents: read}\njobs", "does not begin with `permissions: {}`"),
        ("permissions: {}\njobs", "defaults: {}\njobs", "some.yml:5: the key defaults"),
        ("    timeout-minutes: 5\n", "", "a job without `timeout-minutes`"),
        ("    timeout-minutes: 5", "    services: {}", "some.yml:9: the key services"),
        ("    permissions: {}\n    steps", "    permissions: {deployments: write}\n    steps", "the key deployments"),
        ("      - run: echo one", "      - run: echo ${{ github.ref }}", "some.yml:12: an expression in a script"),
        ("      - run: echo one", "      - {run: echo, shell: sh}", "some.yml:12: the key shell"),
        ("      - run: echo one", "      - uses: docker/login-action@v3", "the action docker/login-action"),
        ("      - run: echo one", "      - uses: actions/checkout@v7", "actions/checkout without a commit"),
        (
            "      - run: echo one",
            f"      - {{uses: actions/checkout@{'a' * 40}, with: {{lfs: true}}}}",
            "the input lfs of",
        ),
        ("      - run: echo one", "      - name: nothing", "a step that is not either"),
        ("    steps:", "    strategy: {matrix: {os: [a]}}\n    steps:", "a matrix that is not the whole"),
    ],
)
def test_a_file_that_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in HEAD + JOB
    with pytest.raises(Unsupported) as refused:
        load(write(tmp_path, (HEAD + JOB).replace(old, new)))
    assert words in str(refused.value)


def machine(folder: Path) -> Machine:
    (folder / "runner").mkdir()
    return Machine(
        folder / "runner", folder, "acme/images", folder, {}, {}, lambda *_: {}, {"some": {"MARK": "the mark"}}
    )


def event(name: str = "push", ref: str = "refs/heads/main", **payload: Any) -> Event:
    return Event(name, ref, "0" * 40, payload)


def job(name: str, *lines: str, steps: tuple[str, ...] = ("run: 'true'",)) -> str:
    head = [f"  {name}:", "    runs-on: ubuntu-latest", "    timeout-minutes: 5", "    permissions: {}"]
    body = [f"    {line}" for line in lines]
    return "\n".join([*head, *body, "    steps:", *(f"      - {{{step}}}" for step in steps), ""])


def test_outputs_environment_and_summary_travel(tmp_path: Path) -> None:
    first = job(
        "first",
        "outputs: {word: '${{ steps.make.outputs.word }}'}",
        steps=(
            'id: make, run: \'printf "word<<end\\\\nit is=this\\\\nend\\\\n" >> "$GITHUB_OUTPUT"\'',
            "run: 'echo LATER=yes >> \"$GITHUB_ENV\"'",
            'run: \'echo "later $LATER" | tee -a "$GITHUB_STEP_SUMMARY"\'',
        ),
    )
    second = job(
        "second",
        "needs: first",
        steps=("env: {WORD: '${{ needs.first.outputs.word }}'}, run: 'echo \"got $WORD and ${LATER:-nothing}\"'",),
    )
    run = workflow_runner.run(machine(tmp_path), write(tmp_path, HEAD + first + second), event())
    assert run
    assert run.results == {"first": "success", "second": "success"}
    assert run.job("first").summary == "later yes\n"
    assert "got it is=this and nothing" in run.job("second").log


@pytest.mark.parametrize(
    ("condition", "after", "result"),
    [
        ("", "'true'", "success"),
        ("", "'false'", "skipped"),
        ("${{ !cancelled() }}", "'false'", "success"),
        ("${{ failure() }}", "'false'", "success"),
        ("${{ failure() }}", "'true'", "skipped"),
        ("${{ github.event_name == 'push' }}", "'false'", "skipped"),
        ("${{ github.event_name == 'schedule' }}", "'true'", "skipped"),
    ],
)
def test_conditions_of_jobs(tmp_path: Path, condition: str, after: str, result: str) -> None:
    lines = ["needs: one", *([f'if: "{condition}"'] if condition else [])]
    text = HEAD + job("one", steps=(f"run: {after}",)) + job("two", *lines)
    run = workflow_runner.run(machine(tmp_path), write(tmp_path, text), event())
    assert run
    assert run.results["two"] == result


def test_steps_after_one_that_failed(tmp_path: Path) -> None:
    steps = ("run: 'exit 7'", "run: 'echo not this'", "if: '${{ failure() }}', run: 'echo but this'")
    run = workflow_runner.run(machine(tmp_path), write(tmp_path, HEAD + job("one", steps=steps)), event())
    assert run
    ended = run.job("one")
    assert (ended.result, ended.code) == ("failure", 7)
    assert "not this" not in ended.log
    assert "but this" in ended.log


@pytest.mark.parametrize(("name", "result"), [("push", "success"), ("schedule", "failure")])
def test_a_step_that_may_fail(tmp_path: Path, name: str, result: str) -> None:
    may = "continue-on-error: '${{ github.event_name == ''push'' }}', run: 'exit 7'"
    steps = (may, "run: 'echo and on'")
    text = HEAD.replace("on:\n", "on:\n  schedule:\n    - cron: 1 2 3 4 5\n") + job("one", steps=steps)
    run = workflow_runner.run(machine(tmp_path), write(tmp_path, text), event(name))
    assert run
    assert run.results == {"one": result}
    assert ("and on" in run.job("one").log) is (result == "success")


def test_a_matrix_and_the_rerun_of_what_failed(tmp_path: Path) -> None:
    matrix = '\'{"include": [{"name": "a"}, {"name": "b"}]}\''
    text = (
        HEAD
        + job(
            "one",
            'strategy: {fail-fast: false, matrix: "${{ fromJSON(' + matrix.replace('"', '\\"') + ') }}"}',
            steps=(f"env: {{IMAGE: '${{{{ matrix.name }}}}'}}, run: 'test $IMAGE = a || test -e {tmp_path}/mended'",),
        )
        + job("two", "needs: one")
    )
    own = machine(tmp_path)
    run = workflow_runner.run(own, write(tmp_path, text), event())
    assert run
    assert run.failed == ["one b"]
    assert run.results["two"] == "skipped"
    (tmp_path / "mended").touch()
    again = workflow_runner.run(own, tmp_path / "some.yml", event(), rerun=run)
    assert again
    assert again.results == {"one": "success", "two": "success"}
    assert again.job("one a").folder == run.job("one a").folder
    assert again.job("one b").folder != run.job("one b").folder


@pytest.mark.parametrize(
    ("name", "ref", "starts"),
    [
        ("push", "refs/heads/main", True),
        ("push", "refs/heads/topic", False),
        ("push", "refs/tags/main", False),
        ("schedule", "refs/heads/main", False),
    ],
)
def test_what_starts_it(tmp_path: Path, name: str, ref: str, starts: bool) -> None:
    run = workflow_runner.run(machine(tmp_path), write(tmp_path, HEAD + JOB), event(name, ref))
    assert (run is not None) is starts


@pytest.mark.parametrize(
    "runner", ["big", ["self-hosted", "linux"], {"group": "large"}, {"group": "large", "labels": ["linux", "gpu"]}]
)
def test_a_job_runs_on_a_label_on_labels_or_on_a_group(tmp_path: Path, runner: Any) -> None:
    """One that is given as it is written, and one by a matrix that is JSON in an output."""
    matrix = json.dumps({"include": [{"runner": runner}]})
    first = job("one", f"outputs: {{rows: '{matrix}'}}").replace("ubuntu-latest", json.dumps(runner))
    strategy = "strategy: {fail-fast: false, matrix: '${{ fromJSON(needs.one.outputs.rows) }}'}"
    asks = "${{ matrix.runner == 'big' && 'yes' || 'no' }}"
    second = job("two", "needs: one", strategy, f'outputs: {{big: "{asks}"}}')
    second = second.replace("ubuntu-latest", "${{ matrix.runner }}")
    run = workflow_runner.run(machine(tmp_path), write(tmp_path, HEAD + first + second), event())
    assert run
    assert [run.jobs[name][0].runs_on for name in ("one", "two")] == [runner, runner]
    assert run.jobs["two"][0].outputs == {"big": "yes" if runner == "big" else "no"}


@pytest.mark.parametrize("runner", ["", [], {}, {"labels": ["linux"]}, {"group": "a", "label": "b"}, [["a"]], 3])
def test_no_job_runs_on_anything_else(tmp_path: Path, runner: Any) -> None:
    matrix = json.dumps({"include": [{"runner": runner}]})
    strategy = "strategy: {fail-fast: false, matrix: '${{ fromJSON(needs.one.outputs.rows) }}'}"
    second = job("two", "needs: one", strategy).replace("ubuntu-latest", "${{ matrix.runner }}")
    text = HEAD + job("one", f"outputs: {{rows: '{matrix}'}}") + second
    with pytest.raises(Unsupported, match="no runner is"):
        workflow_runner.run(machine(tmp_path), write(tmp_path, text), event())


MARK = "env: {MARK: '${{ secrets.MARK }}'}, run: 'echo \"::add-mask::$MARK\"; echo on'"


def test_masks_are_kept_and_not_shown(tmp_path: Path) -> None:
    text = HEAD + job("one", "environment: some", steps=(MARK,))
    run = workflow_runner.run(machine(tmp_path), write(tmp_path, text), event())
    assert run
    assert run.masks == {"the mark"}
    assert "the mark" not in run.log


@pytest.mark.parametrize("environment", [None, "${{ github.event.nothing }}", "another"])
def test_the_secrets_of_an_environment_are_for_jobs_that_are_in_it(tmp_path: Path, environment: str | None) -> None:
    """An empty name is no environment."""
    lines = [f'environment: "{environment}"'] if environment else []
    run = workflow_runner.run(machine(tmp_path), write(tmp_path, HEAD + job("one", *lines, steps=(MARK,))), event())
    assert run
    assert run.masks == {""}


@pytest.mark.parametrize(("ref", "may"), [("refs/heads/main", True), ("refs/tags/1", False), ("refs/heads/a/b", False)])
def test_only_the_refs_of_an_environment_may_be_in_it(tmp_path: Path, ref: str, may: bool) -> None:
    text = f"{HEAD}{job('one', 'environment: some', steps=(MARK,))}".replace("push:\n    branches: [main]", "schedule:")
    runs = replace(machine(tmp_path), refs={"some": ["refs/heads/*"], "another": []})
    run = workflow_runner.run(runs, write(tmp_path, text), event("schedule", ref))
    assert run
    assert run.results == {"one": "success" if may else "failure"}
    assert run.masks == ({"the mark"} if may else set())


@pytest.mark.parametrize("file", ["docker-builds.yml", "docker-cache-cleanup.yml", "wait-for-image.yml", "tests.yml"])
def test_our_workflows_are_read(file: str) -> None:
    assert load(Path(__file__).parents[3] / ".github" / "workflows" / file).jobs
