"""Workflow files as the runner takes them: every key is in a list, and one that is not is refused with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imageyard.catalogue import text
from imageyard.catalogue.nodes import Map, Node, Seq, Text, place
from support.workflow.expressions import Unsupported

__all__ = ["Action", "Job", "Step", "Workflow", "load", "load_action"]

ON = {
    "push": {"branches", "tags"},
    "pull_request": {"types"},
    "merge_group": set(),
    "schedule": {"cron"},
    "workflow_dispatch": {"inputs"},
    "workflow_call": {"inputs", "outputs", "secrets"},
}
"""The events, and what may be said of each."""

WORKFLOW = {"name", "on", "concurrency", "permissions", "jobs"}
JOB = {
    "name", "needs", "if", "runs-on", "container", "timeout-minutes", "environment", "strategy", "permissions",
    "outputs", "steps", "env",
}  # fmt: skip
CALL = {"name", "needs", "if", "permissions", "uses", "with"}
STEP = {"name", "id", "if", "uses", "with", "env", "run", "continue-on-error"}
STRATEGY = {"fail-fast", "max-parallel", "matrix"}
CONTAINER = {"image"}
PERMISSIONS = {"actions", "contents", "id-token", "issues", "packages", "pull-requests"}
INPUT = {"description", "type", "default", "required"}
SECRET = {"description", "required"}
ACTION = {"name", "description", "inputs", "runs"}

ACTIONS: Mapping[str, frozenset[str]] = {
    "actions/cache/restore": frozenset({"path", "key", "restore-keys"}),
    "actions/cache/save": frozenset({"path", "key"}),
    "actions/checkout": frozenset({"fetch-depth", "persist-credentials", "repository", "ref"}),
    "actions/setup-python": frozenset({"python-version"}),
    "actions/upload-artifact": frozenset({"name", "path", "include-hidden-files", "if-no-files-found", "overwrite"}),
    "actions/download-artifact": frozenset({"name", "pattern", "path"}),
    "depot/setup-action": frozenset({"version"}),
}
"""The actions that are stood in for, each with the inputs that are."""


@dataclass(frozen=True)
class Step:
    """A step; `uses` is the name of an action without its version."""

    where: str
    name: str
    id: str
    condition: str
    uses: str
    with_: Mapping[str, str]
    env: Mapping[str, str]
    run: str
    may_fail: str = ""


@dataclass(frozen=True)
class Job:
    """A job, its texts not yet filled in."""

    id: str
    where: str
    needs: tuple[str, ...]
    condition: str
    matrix: str
    fail_fast: bool
    image: str
    permissions: Mapping[str, str]
    outputs: Mapping[str, str]
    env: Mapping[str, str]
    environment: str
    calls: str
    with_: Mapping[str, str]
    steps: tuple[Step, ...]
    runs_on: Any = None


@dataclass(frozen=True)
class Workflow:
    """A file; `on` has each event with its filters or inputs as plain values."""

    file: str
    name: str
    on: Mapping[str, Any]
    jobs: Mapping[str, Job]
    outputs: Mapping[str, str] = field(default_factory=dict)


def load(path: Path) -> Workflow:
    """Read a workflow. Raises Unsupported, with FILE:LINE, for whatever is not in the lists above."""
    root = text.parse(path.read_bytes(), path.name)
    _only(root, WORKFLOW)
    on = _map(root.items["on"])
    for event, node in on.items.items():
        if event not in ON:
            raise _unsupported(on, f"the event {event}", event)
        for one in node.items if isinstance(node, Seq) else [node]:
            if isinstance(one, Map):
                _only(one, ON[event])
                for name, given in _map(one.items.get("inputs")).items.items():
                    _only(_map(given), INPUT, name)
                for name, given in _map(one.items.get("secrets")).items.items():
                    _only(_map(given), SECRET, name)
    if "permissions" not in root.items or _map(root.items["permissions"]).items:
        raise _unsupported(root, "a workflow that does not begin with `permissions: {}`")
    jobs = {name: _job(name, _map(node)) for name, node in _map(root.items["jobs"]).items.items()}
    call = _map(on.items.get("workflow_call"))
    outputs = {name: _words(_map(node).items["value"]) for name, node in _map(call.items.get("outputs")).items.items()}
    return Workflow(path.name, _words(root.items["name"]), _plain(on), jobs, outputs)


@dataclass(frozen=True)
class Action:
    """An action of the repository itself; `inputs` has their defaults, None for a required one."""

    inputs: Mapping[str, str | None]
    steps: tuple[Step, ...]


def load_action(path: Path) -> Action:
    """Read a composite action. Raises Unsupported, with FILE:LINE, for whatever is not in the lists above."""
    root = text.parse(path.read_bytes(), f"{path.parent.name}/{path.name}")
    _only(root, ACTION)
    inputs: dict[str, str | None] = {}
    for name, node in _map(root.items["inputs"]).items.items():
        _only(_map(node), INPUT - {"type"}, name)
        required = _words(_map(node).items.get("required")) == "true"
        inputs[name] = None if required else _words(_map(node).items["default"])
    runs = _map(root.items["runs"])
    _only(runs, {"using", "steps"})
    if _words(runs.items["using"]) != "composite":
        raise _unsupported(runs, "an action that is not composite", "using")
    steps = runs.items["steps"]
    return Action(inputs, tuple(_step(_map(one), of_action=True) for one in getattr(steps, "items", ())))


def _job(name: str, node: Map) -> Job:
    calls = "uses" in node.items
    _only(node, CALL if calls else JOB)
    for key in ("permissions",) if calls else ("permissions", "timeout-minutes", "runs-on", "steps"):
        if key not in node.items:
            raise _unsupported(node, f"a job without `{key}`")
    permissions = _texts(node, "permissions")
    _only(_map(node.items["permissions"]), PERMISSIONS)
    strategy, container = _map(node.items.get("strategy")), _map(node.items.get("container"))
    _only(strategy, STRATEGY)
    _only(container, CONTAINER)
    if "matrix" in strategy.items and not isinstance(strategy.items["matrix"], Text):
        raise _unsupported(strategy, "a matrix that is not the whole of an expression", "matrix")
    needs = node.items.get("needs")
    listed = [needs] if isinstance(needs, Text) else needs.items if isinstance(needs, Seq) else []
    return Job(
        name,
        str(place(node)),
        tuple(_words(one) for one in listed),
        _words(node.items.get("if")),
        _words(strategy.items.get("matrix")),
        _words(strategy.items.get("fail-fast")) != "false",
        _words(container.items.get("image")),
        permissions,
        _texts(node, "outputs"),
        _texts(node, "env"),
        _words(node.items.get("environment")),
        _words(node.items.get("uses")),
        _texts(node, "with"),
        tuple(_step(_map(one)) for one in getattr(node.items.get("steps"), "items", ())),
        _plain(node.items["runs-on"]) if "runs-on" in node.items else None,
    )


def _step(node: Map, *, of_action: bool = False) -> Step:
    _only(node, STEP | {"shell"} if of_action else STEP)
    uses = _words(node.items.get("uses"))
    action, _, version = uses.partition("@")
    given = _texts(node, "with")
    if of_action and "run" in node.items and _words(node.items.get("shell")) != "bash":
        raise _unsupported(node, "a script of an action without `shell: bash`")
    if uses and not uses.startswith("./"):
        if action not in ACTIONS:
            raise _unsupported(node, f"the action {action}", "uses")
        if not re.fullmatch(r"[0-9a-f]{40}", version):
            raise _unsupported(node, f"the action {action} without a commit", "uses")
        if unknown := sorted(given.keys() - ACTIONS[action]):
            raise _unsupported(_map(node.items["with"]), f"the input {unknown[0]} of {action}", unknown[0])
    run = _words(node.items.get("run"))
    if bool(run) == bool(uses):
        raise _unsupported(node, "a step that is not either `run` or `uses`")
    if "${{" in run:
        raise _unsupported(node, "an expression in a script", "run")
    where = str(place(node))
    name = _words(node.items.get("name")) or action
    ids = _words(node.items.get("id"))
    may_fail = _words(node.items.get("continue-on-error"))
    return Step(where, name, ids, _words(node.items.get("if")), action, given, _texts(node, "env"), run, may_fail)


def _only(node: Map, known: set[str], under: str = "") -> None:
    for key in node.items:
        if key not in known:
            raise _unsupported(node, f"the key {under + '.' if under else ''}{key}", key)


def _unsupported(node: Node, what: str, key: str | None = None) -> Unsupported:
    where = place(node, key)
    return Unsupported(f"{where.file}:{where.line}: {what} is not supported")


def _map(node: Node | None) -> Map:
    if isinstance(node, Map):
        return node
    if node is None or (isinstance(node, Text) and node.text is None):
        return Map(0, 0, node.up if node else None, "")  # type: ignore[arg-type]
    raise _unsupported(node, "anything but a map here")


def _words(node: Node | None) -> str:
    if node is None:
        return ""
    if not isinstance(node, Text):
        raise _unsupported(node, "anything but text here")
    return node.text or ""


def _texts(node: Map, key: str) -> dict[str, str]:
    return {name: _words(value) for name, value in _map(node.items.get(key)).items.items()}


def _plain(node: Node) -> Any:
    match node:
        case Map():
            return {key: _plain(value) for key, value in node.items.items()}
        case Seq():
            return [_plain(value) for value in node.items]
        case _:
            return node.text
