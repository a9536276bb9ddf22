"""Runs our workflows as they are written, off GitHub: their scripts for real, their actions stood in for by name.

What it supports is listed in `syntax` (keys, events, actions) and `expressions`; the rest is refused
with its line. What it does not have: runners of other kinds and containers (a job with a container runs here, without
what `engine_env` gives the others), concurrency, timeouts, rules of environments but for their refs. Jobs run one
after the other; those of one matrix, which share nothing but what they ask, as many at once as the machine says.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from support.github.files import read
from support.workflow.actions import EMULATED, Failed
from support.workflow.expressions import Status, Unsupported, asks_status, evaluate, interpolate, truthy
from support.workflow.syntax import Job, Step, Workflow, load, load_action

__all__ = ["Ended", "Event", "Machine", "Run", "run"]

Result: TypeAlias = Literal["success", "failure", "skipped"]

_TYPES = ("opened", "synchronize", "reopened")  # docs.github.com, "Events that trigger workflows", pull_request
_TIMEOUT = 600.0  # seconds a step may take
_MOST = 1024 * 1024
"""The most bytes of a job's outputs, in UTF-16, and of a step's summary.

docs.github.com, "Workflow syntax", `jobs.<job_id>.outputs`, and "Workflow commands", "Step isolation and limits".
"""


@dataclass(frozen=True)
class Event:
    """What happened: its name, the ref and commit that are checked out, and the payload as GitHub sends it."""

    name: str
    ref: str
    sha: str
    payload: Mapping[str, Any]
    trusted: bool = True  # a pull request from a fork gets no secrets and no token for a role

    @property
    def variables(self) -> dict[str, str]:
        kind = "tag" if self.ref.startswith("refs/tags/") else "branch"
        short = re.sub("^refs/(heads|tags|pull)/", "", self.ref)
        found = {
            "GITHUB_EVENT_NAME": self.name,
            "GITHUB_REF": self.ref,
            "GITHUB_REF_NAME": short,
            "GITHUB_REF_TYPE": kind,
            "GITHUB_SHA": self.sha,
        }
        if pull := self.payload.get("pull_request"):
            found |= {"GITHUB_BASE_REF": pull["base"]["ref"], "GITHUB_HEAD_REF": pull["head"]["ref"]}
        return found


@dataclass(frozen=True)
class Machine:
    """What the runner's machine has; nothing else of this process's environment is in a job.

    `variables` are those of the repository under "", and those of an environment under its name.
    `env` is in every job, `engine_env` in those without a container, `token_env(file, event, environment)` where a job
    has `id-token: write`, `file` being that of the workflow; `secrets` are those of an environment, by its name, and
    `refs` the patterns of the refs that may be in it, all where it has none. `python` is a folder of programs that
    `actions/setup-python` puts first on PATH.
    """

    folder: Path
    origin: Path
    repository: str
    python: Path
    env: Mapping[str, str]
    engine_env: Mapping[str, str]
    token_env: Callable[[str, Event, str], Mapping[str, str]]
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    refs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    token: str = "github-token-of-the-job"
    at_once: int = 1  # jobs of one matrix


@dataclass
class Ended:
    """A job that ended; `code` and `failed` are those of the step that failed.

    `runs_on` is the runner that it asked for: a label, a list of labels, or a map of group and labels.
    """

    name: str
    result: Result
    outputs: Mapping[str, str] = field(default_factory=dict)
    matrix: Mapping[str, Any] = field(default_factory=dict)
    runs_on: Any = None
    log: str = ""
    summary: str = ""
    failed: str = ""
    code: int = 0
    folder: Path | None = None


@dataclass
class Run:
    """A run of a workflow: its jobs (each of a matrix on its own), artifacts as folders, and masked words."""

    workflow: Workflow
    event: Event
    number: int
    jobs: dict[str, list[Ended]] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    masks: set[str] = field(default_factory=set)
    outputs: dict[str, str] = field(default_factory=dict)

    def result(self, job: str) -> Result:
        """What `needs.JOB.result` is: that of all jobs of its matrix."""
        results = [one.result for one in self.jobs[job]]
        return "failure" if "failure" in results else "success" if "success" in results else "skipped"

    @property
    def results(self) -> dict[str, Result]:
        return {job: self.result(job) for job in self.jobs}

    @property
    def started(self) -> list[str]:
        """The jobs that took a machine."""
        return [one.name for ended in self.jobs.values() for one in ended if one.result != "skipped"]

    @property
    def failed(self) -> list[str]:
        return [one.name for ended in self.jobs.values() for one in ended if one.result == "failure"]

    def job(self, name: str) -> Ended:
        """A job by its name, with its matrix in it: `rows-0 linux-base amd64`."""
        return next(one for ended in self.jobs.values() for one in ended if one.name == name)

    @property
    def log(self) -> str:
        return "\n".join(one.log for ended in self.jobs.values() for one in ended)

    @property
    def summary(self) -> str:
        return "\n".join(one.summary for ended in self.jobs.values() for one in ended)


def run(
    machine: Machine, path: Path, event: Event, *, inputs: Mapping[str, str] | None = None, rerun: Run | None = None
) -> Run | None:
    """Run a workflow for an event; None where it does not start on it.

    `inputs` are those of a call. `rerun`: only what failed in that run and what hangs on it is run, as GitHub's "Re-run
    failed jobs" does; artifacts and the outputs of the others are kept.
    """
    workflow = load(path)
    if not _starts(workflow, event, called=inputs is not None):
        return None
    number = rerun.number if rerun else len(list(machine.folder.glob("run-*"))) + 1
    made = Run(workflow, event, number)
    if rerun:
        made.artifacts, made.masks = dict(rerun.artifacts), set(rerun.masks)
    given = _inputs(workflow, event, inputs)
    for job in _ordered(workflow):
        made.jobs[job.id] = _Running(machine, made, job, given, rerun).all()
    made.outputs = {
        name: interpolate(text, {"jobs": {id_: {"outputs": _outputs(made, id_)} for id_ in made.jobs}})
        for name, text in workflow.outputs.items()
    }
    return made


def _starts(workflow: Workflow, event: Event, *, called: bool) -> bool:
    if called:
        return "workflow_call" in workflow.on
    if event.name not in workflow.on:
        return False
    filters = workflow.on[event.name] or {}
    if event.name == "pull_request":
        return event.payload["action"] in filters.get("types", _TYPES)
    if event.name == "push" and filters:
        kind, _, short = event.ref.removeprefix("refs/").partition("/")
        patterns = filters.get({"heads": "branches", "tags": "tags"}[kind], [])
        return any(_matches(short, pattern) for pattern in patterns)
    return True


def _matches(name: str, pattern: str) -> bool:
    """A filter pattern without what ours do not use; `*` stops at a slash."""
    if re.search(r"[?+!\[\]]|\*\*", pattern):
        raise Unsupported(f"the pattern {pattern!r} is not supported")
    return fnmatch.fnmatchcase(name, pattern) and name.count("/") == pattern.count("/")


def _inputs(workflow: Workflow, event: Event, inputs: Mapping[str, str] | None) -> dict[str, Any]:
    where = "workflow_call" if inputs is not None else "workflow_dispatch"
    known = (workflow.on.get(where) or {}).get("inputs") or {}
    given = inputs if inputs is not None else event.payload.get("inputs") or {}
    if unknown := sorted(given.keys() - known.keys()):
        raise Unsupported(f"{workflow.file}: there is no input {unknown[0]}")
    return {name: _typed(one or {}, given.get(name)) for name, one in known.items()}


def _typed(declared: Mapping[str, str], given: str | None) -> str | bool:
    """An input as expressions have it (docs.github.com, "Contexts", `inputs`): a boolean one is no text."""
    value = declared.get("default", "") if given is None else given
    return value == "true" if declared.get("type") == "boolean" else value


def _ordered(workflow: Workflow) -> Iterator[Job]:
    done: set[str] = set()
    left = dict(workflow.jobs)
    while left:
        ready = [job for job in left.values() if set(job.needs) <= done]
        if not ready:
            raise Unsupported(f"{workflow.file}: {', '.join(left)} need one another, or a job that is not there")
        for job in ready:
            yield left.pop(job.id)
            done.add(job.id)


def _outputs(made: Run, job: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in made.jobs[job]:
        found |= one.outputs
    return found


class _Running:
    """One job of the file: its condition, its matrix, and each of the jobs that come of it."""

    def __init__(self, machine: Machine, made: Run, job: Job, inputs: Mapping[str, Any], rerun: Run | None) -> None:
        self.machine = machine
        self.made = made
        self.job = job
        self.rerun = rerun
        event = made.event
        self.contexts: dict[str, Any] = {
            "github": {
                "event_name": event.name,
                "event": event.payload,
                "ref": event.ref,
                "ref_type": event.variables["GITHUB_REF_TYPE"],
                "ref_name": event.variables["GITHUB_REF_NAME"],
                "sha": event.sha,
                "repository": machine.repository,
                "run_id": str(made.number),
                "run_attempt": "2" if rerun else "1",
                "token": machine.token,
            },
            "needs": {id_: {"result": made.result(id_), "outputs": _outputs(made, id_)} for id_ in job.needs},
            "inputs": inputs,
            "secrets": {"GITHUB_TOKEN": machine.token},
            "vars": machine.variables.get("", {}),
        }

    def all(self) -> list[Ended]:
        job = self.job
        if not self._wanted():
            return [Ended(job.id, "skipped")]
        if job.calls:
            raise Unsupported(f"{job.where}: a job that calls a workflow is not supported")
        legs: list[Mapping[str, Any]] = [{}]
        if job.matrix:
            matrix = evaluate(job.matrix, self.contexts)
            if set(matrix) != {"include"} or not matrix["include"]:
                raise Unsupported(f"{job.where}: the matrix is {matrix!r}; only a list of `include` is supported")
            legs = matrix["include"]
            if len(legs) > 256:
                raise Unsupported(f"{job.where}: {len(legs)} jobs of one matrix")
        if len(legs) > 1 and job.fail_fast:
            raise Unsupported(f"{job.where}: fail-fast is not supported")
        # as GitHub, where all of them run at once: folders are numbered before
        numbered = [(leg, self._kept(leg), self._folder(leg, number)) for number, leg in enumerate(legs)]
        with ThreadPoolExecutor(self.machine.at_once) as pool:
            return list(pool.map(lambda one: one[1] or self._leg(one[0], one[2]), numbered))

    def _kept(self, leg: Mapping[str, Any]) -> Ended | None:
        """What a rerun does not run again: what succeeded, unless something that it needs did not."""
        if self.rerun is None or any(self.rerun.result(id_) == "failure" for id_ in self.job.needs):
            return None
        before = self.rerun.jobs.get(self.job.id, [])
        return next((one for one in before if one.matrix == leg and one.result == "success"), None)

    def _wanted(self) -> bool:
        before = self._before(self.job)
        failed = any(self.made.result(id_) == "failure" for id_ in before)
        success = all(self.made.result(id_) == "success" for id_ in self.job.needs)
        status = Status(success=success, failure=failed)
        condition = self.job.condition
        if not condition:
            return success
        return truthy(evaluate(condition, self.contexts, status)) and (success or asks_status(condition))

    def _before(self, job: Job) -> set[str]:
        found = set(job.needs)
        for id_ in job.needs:
            found |= self._before(self.made.workflow.jobs[id_])
        return found

    def _name(self, leg: Mapping[str, Any]) -> str:
        return " ".join([self.job.id, *([leg["name"]] if "name" in leg else [])])

    def _folder(self, leg: Mapping[str, Any], number: int) -> Path:
        number += len(list(self.machine.folder.glob(f"run-{self.made.number}-*")))
        return self.machine.folder / f"run-{self.made.number}-{number:03d}-{self._name(leg).replace(' ', '-')}"

    def _leg(self, leg: Mapping[str, Any], folder: Path) -> Ended:
        job, contexts = self.job, {**self.contexts, "matrix": leg}
        name = self._name(leg)
        image, environment = interpolate(job.image, contexts), interpolate(job.environment, contexts)
        refs, ref = self.machine.refs.get(environment), self.made.event.ref
        if refs is not None and not any(_matches(ref, pattern) for pattern in refs):
            failed = f"{ref} is not allowed to deploy to {environment} due to environment protection rules"
            return Ended(name, "failure", matrix=leg, log=failed, failed=failed, code=1)
        if self.made.event.trusted:
            contexts["secrets"] = {**contexts["secrets"], **self.machine.secrets.get(environment, {})}
        contexts["vars"] = {**contexts["vars"], **self.machine.variables.get(environment, {})}
        runs_on = _runner(job, contexts)
        machine = _JobMachine(self.machine, self.made, job, folder, environment, in_container=bool(image))
        machine.env |= {key: interpolate(value, contexts) for key, value in job.env.items()}
        ended = machine.steps(job.steps, contexts)
        outputs = {key: interpolate(value, machine.contexts) for key, value in job.outputs.items()}
        if (size := sum(len((key + value).encode("utf-16-le")) for key, value in outputs.items())) > _MOST:
            raise Unsupported(f"{job.where}: {size} bytes of outputs of a job")
        return replace(ended, name=name, outputs=outputs, matrix=leg, runs_on=runs_on, folder=folder)


def _runner(job: Job, contexts: Mapping[str, Any]) -> Any:
    """What `runs-on` says, as GitHub takes it: what an expression is as a whole need not be text."""
    found = job.runs_on
    if isinstance(found, str):
        found = evaluate(found, contexts) if found.startswith("${{") else found
    match found:
        case {"group": str(), **rest} if not rest or (set(rest) == {"labels"} and _labels(rest["labels"])):
            return found
        case _ if _labels(found):
            return found
        case _:
            raise Unsupported(f"{job.where}: no runner is {found!r}")


def _labels(value: Any) -> bool:
    listed = value if isinstance(value, list) else [value]
    return bool(listed) and all(isinstance(one, str) and one for one in listed)


class _JobMachine:
    """The machine of one job: its folders, its environment, its log; `steps` runs them in order."""

    def __init__(
        self, machine: Machine, made: Run, job: Job, folder: Path, environment: str, *, in_container: bool
    ) -> None:
        self.machine = machine
        self.made = made
        self.event = made.event
        self.workspace, self.temp = folder / "workspace", folder / "temp"
        self.lines: list[str] = []
        self.contexts: dict[str, Any] = {}
        for made_folder in (self.workspace, self.temp, folder / "home", folder / "files"):
            made_folder.mkdir(parents=True)
        self.files = folder / "files"
        payload = self.files / "event.json"
        payload.write_text(json.dumps(self.event.payload))
        self.env: dict[str, str] = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_EVENT_PATH": str(payload),
            "GITHUB_REPOSITORY": machine.repository,
            "GITHUB_ACTOR": "somebody",
            "GITHUB_RUN_ID": str(made.number),
            "GITHUB_WORKFLOW": made.workflow.name,
            "GITHUB_SERVER_URL": "https://github.example",
            "RUNNER_TEMP": str(self.temp),
            **self.event.variables,
            **machine.env,
            **({} if in_container else machine.engine_env),
        }
        if job.permissions.get("id-token") == "write" and self.event.trusted:
            self.env |= machine.token_env(made.workflow.file, self.event, environment)

    def steps(self, steps: Sequence[Step], contexts: Mapping[str, Any]) -> Ended:
        self.contexts = {**contexts, "steps": {}}
        summary: list[str] = []
        ended = self._all(steps, Ended("", "success"), summary)
        return replace(ended, log="\n".join(self.lines), summary="".join(summary))

    def _all(self, steps: Sequence[Step], ended: Ended, summary: list[str], prefix: str = "") -> Ended:
        """Run the steps of a job, or of an action of ours."""
        for number, step in enumerate(steps):
            failing = ended.result == "failure"
            status = Status(success=not failing, failure=failing)
            wanted = not failing
            if step.condition:
                asked = asks_status(step.condition)
                wanted = truthy(evaluate(step.condition, self.contexts, status)) and (asked or not failing)
            outputs: dict[str, str] = {}
            if wanted and step.uses.startswith("./"):
                ended = self._composite(step, ended, summary, f"{prefix}{number}.")
            elif wanted:
                self.lines.append(f"##[group]{step.name}")
                code = self._step(step, f"{prefix}{number}", outputs, summary)
                goes_on = bool(step.may_fail) and truthy(evaluate(step.may_fail, self.contexts))
                if code and not failing and not goes_on:
                    ended = replace(ended, result="failure", failed=step.name, code=code)
            if step.id:
                self.contexts["steps"][step.id] = {"outputs": outputs}
        return ended

    def _composite(self, step: Step, ended: Ended, summary: list[str], prefix: str) -> Ended:
        """An action of the repository itself, as it is checked out (docs.github.com, "Creating a composite action")."""
        action = load_action(self.workspace / step.uses / "action.yml")
        given = {key: interpolate(value, self.contexts) for key, value in step.with_.items()}
        if unknown := sorted(given.keys() - action.inputs.keys()):
            raise Unsupported(f"{step.where}: {step.uses} has no input {unknown[0]}")
        if lacking := [key for key, default in action.inputs.items() if default is None and not given.get(key)]:
            raise Unsupported(f"{step.where}: {step.uses} needs the input {lacking[0]}")
        if step.env:
            raise Unsupported(f"{step.where}: an environment for {step.uses} is not supported")
        caller = self.contexts
        self.contexts = {"github": caller["github"], "inputs": {**action.inputs, **given}, "steps": {}}
        try:
            return self._all(action.steps, ended, summary, prefix)
        finally:
            self.contexts = caller

    def _step(self, step: Step, number: str, outputs: dict[str, str], summary: list[str]) -> int:
        env = self.env | {key: interpolate(value, self.contexts) for key, value in step.env.items()}
        if step.uses:
            given = {key: interpolate(value, self.contexts) for key, value in step.with_.items()}
            try:
                self.lines += EMULATED[step.uses](self, given)
            except Failed as failed:
                self.lines.append(f"Error: {failed}")
                return 1
            return 0
        files = {name: self.files / f"{number}-{name}" for name in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")}
        for name, file in files.items():
            file.touch()
            env[f"GITHUB_{name}"] = str(file)
        script = self.files / f"{number}.sh"
        script.write_text(step.run)
        code = self._bash(script, env)
        outputs |= read(files["OUTPUT"].read_text())
        self.env |= read(files["ENV"].read_text())
        for folder in files["PATH"].read_text().splitlines():
            self.env["PATH"] = f"{folder}{os.pathsep}{self.env['PATH']}"
        if (size := files["STEP_SUMMARY"].stat().st_size) > _MOST:
            raise Unsupported(f"{step.where}: {size} bytes of a summary")
        summary.append(files["STEP_SUMMARY"].read_text())
        return code

    def _bash(self, script: Path, env: Mapping[str, str]) -> int:
        """As GitHub starts a script without `shell:` (docs.github.com, "Workflow syntax": `bash -e {0}`)."""
        argv = ["bash", "-e", str(script)]
        with subprocess.Popen(
            argv,
            cwd=self.workspace,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as child:
            try:
                out, _ = child.communicate(timeout=_TIMEOUT)
            except BaseException:
                os.killpg(child.pid, signal.SIGKILL)
                raise
        for line in out.splitlines():
            if match := re.match(r"\s*::add-mask::(.*)", line):
                self.made.masks.add(match[1].replace("%25", "%").replace("%0D", "\r").replace("%0A", "\n"))
            else:
                self.lines.append(line)
        self.lines.append(f"##[endgroup] ended with {child.returncode}")
        return child.returncode
