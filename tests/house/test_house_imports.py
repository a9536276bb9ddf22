"""Who may import whom: arrows point down, and what is heavy or dangerous has one place."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

FLOORS = """
    __init__
    errors
    names
    signals
    process
    layout exact_json
    board
    ci.providers.log
    ci.providers.github.log
    ci.providers.logs
    console
    files git aws
    git_changes
    git_blobs digest_cache path_problems repository_paths
    parallel
    http oci
    bucket
    treebase
    git_tree
    tree
    ran
    fact_lines
    records
    runs
    catalogue
    recipe
    plan
    registry
    ci.providers
    iam
    daemon docker_answers
    engine
    builders
    checks
    stack adopt
    doctor
    project
    run access
    publishing
    building keep lanes
    queries
    ci workbench
    nox_call
    cli sessions
    __main__
"""
"""A module imports only from lines above its own; modules of one package may import one another, without cycles."""

FLOOR = {room: number for number, line in enumerate(FLOORS.strip().splitlines()) for room in line.split()}

STRANGERS = {
    "http": ("registry", "catalogue", "recipe", "plan"),
    "oci": ("registry", "http", "catalogue", "recipe", "plan"),
    "bucket": ("registry", "catalogue", "recipe", "plan"),
    "registry": ("catalogue", "recipe", "plan"),
    "daemon": ("catalogue", "recipe", "plan"),
    "docker_answers": ("catalogue", "recipe", "plan"),
    "engine": ("catalogue", "recipe", "plan"),
    "builders": ("catalogue", "recipe", "plan"),
    "checks": ("catalogue", "recipe", "plan"),
}
"""They take a Reference, a BuildRequest, a Check, and know nothing of where it came from."""

ONLY_IN = {
    "subprocess": "process",
    "multiprocessing": None,
    "asyncio": None,
    "pty": None,
    "urllib.request": "http.connections",
    "http.client": None,
    "boto3": "aws",
    "cryptography": "lanes.signatures",
    "botocore": "aws",
    "fcntl": "files",
    "difflib": "catalogue.suggest",
    "jinja2": "keep.page_html",
    "packaging": "lanes.standard",
    "rich": "board",
    "urllib3": "http.connections",
    "yaml": "catalogue.text",
}

HEAVY = ("boto3", "botocore", "cryptography", "jinja2", "rich", "urllib3", "yaml")


PLUGS = {"stack": {"doctor", "project.recipes", "run.services", "sessions", "workbench.local_stack"}}
"""Who may import from a room that stands apart, and ask it nothing that `recipe.stand_ins` could ask: what reads the
stand-ins of this machine, what looks for its engine, and what is about the machine itself."""


def imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every module that is imported, anywhere in the file, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield node.module or "", node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def ours(tree: ast.Module, known: set[str]) -> set[str]:
    """The modules of the package that a file imports, by their names under it."""
    names = {name.removeprefix("imageyard.") for name, _ in imports(tree) if name.startswith("imageyard.")}
    return {name for name in names if name in known}


def room(module: str) -> str:
    """The room of a module: its package at the top, or a room within it that has a floor of its own."""
    inner = [name for name in FLOOR if "." in name and f"{module}.".startswith(f"{name}.")]
    return max(inner, key=len, default=module.partition(".")[0])


def test_every_module_has_a_floor(module: str) -> None:
    assert room(module) in FLOOR, f"{room(module)} is not in the picture of the house"


def test_the_picture_in_the_documentation_is_this_one(top: Path) -> None:
    """Its lines are coarser, and in the same order."""
    text = (top / "docs" / "architecture.md").read_text().partition("## One picture")[2].partition("\n## ")[0]
    drawn = re.findall(r"^    ((?:[\w/]+(?:\.py|/) +)+)", text, re.MULTILINE)
    lines = [[FLOOR[name.rstrip("/").removesuffix(".py").replace("/", ".")] for name in line.split()] for line in drawn]
    assert len(lines) > 10
    assert all(max(above) < min(below) for above, below in pairwise(lines))


def test_arrows_point_down(module: str, tree: ast.Module, trees: dict[str, ast.Module]) -> None:
    mine = room(module)
    upward = [name for name in ours(tree, set(trees)) if room(name) != mine and FLOOR[room(name)] >= FLOOR[mine]]
    assert not upward, f"{module} imports {', '.join(upward)} from its own floor or one above it"


LATE = {
    "project.row_list": {"imageyard.catalogue"},
    "building.table": {"imageyard.building"},
    "building.local": {"imageyard.building.repository_place", "imageyard.publishing"},
    "run.services": {"imageyard.registry.client"},
    "stack.stand_ins": {"imageyard.stack"},
}
"""What a module outside of AT_START imports inside a function: what most calls need not load.

`nox -l` calls the list of rows, and reads no YAML. A build on a laptop speaks to no registry, no Depot and no worker,
and half of its time would be for loading them.
"""

AT_START = (
    "__init__", "__main__", "adopt", "aws", "board", "catalogue", "ci", "cli", "console", "doctor", "nox_call", "runs",
    "sessions",
)  # fmt: skip
"""`nox -l` and `inv --list` import these, or parts of them: what takes long waits in the function that needs it."""


def test_imports_stand_at_the_top(module: str, tree: ast.Module) -> None:
    """A reader sees what a module needs in its first lines, and every arrow of a flow."""
    if room(module) in AT_START:
        return
    late = {
        node.module or ""
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("imageyard")
    }
    assert late == LATE.get(module, set())


def test_no_cycles(trees: dict[str, ast.Module]) -> None:
    graph = {name: ours(tree, set(trees)) - {name} for name, tree in trees.items()}
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert len(order) == len(trees)


def test_the_lower_rooms_do_not_know_the_catalogue(module: str, tree: ast.Module, trees: dict[str, ast.Module]) -> None:
    known = ours(tree, set(trees)) - {"catalogue", "catalogue.model"}  # the type of a Check
    met = [name for name in known if room(name) in STRANGERS.get(room(module), ())]
    assert not met


@pytest.mark.parametrize("apart", PLUGS)
def test_a_room_that_stands_apart_is_asked_by_few(apart: str, trees: dict[str, ast.Module]) -> None:
    askers = {name for name, tree in trees.items() if any(room(known) == apart for known in ours(tree, set(trees)))}
    assert {name for name in askers if room(name) != apart} == PLUGS[apart]


def test_what_has_one_place(module: str, tree: ast.Module) -> None:
    for name, line in imports(tree):
        assert one_place(name, module) == module, f"{module}, line {line} imports {name}"


def one_place(name: str, module: str) -> str | None:
    """The one module that may import `name`, by the longest rule that is about it; `module` where none is."""
    parts = name.split(".")
    rules = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((ONLY_IN[rule] for rule in rules if rule in ONLY_IN), module)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("boto3.session", "aws"),
        ("urllib.request", "http.connections"),
        ("urllib.request.urlopen", "http.connections"),
        ("http.client.HTTPConnection", None),
        ("urllib3.exceptions", "http.connections"),
        ("rich.live.Live", "board"),
        ("urllib.parse", "here"),
        ("http.server", "here"),
        ("json", "here"),
    ],
)
def test_a_rule_about_a_place_counts_for_what_is_below_it(name: str, place: str | None) -> None:
    assert one_place(name, "here") == place


def test_the_one_places_are_used(trees: dict[str, ast.Module]) -> None:
    """A rule about a module that nobody imports would hold by itself."""
    for name, place in ONLY_IN.items():
        if place is not None:
            imported = [f"{module}." for module, _ in imports(trees[place])]
            assert any(module.startswith(f"{name}.") for module in imported), f"{place} does not import {name}"


@pytest.mark.parametrize("room_at_start", ["console", "runs", "nox_call", "sessions", "cli", "__init__"])
def test_what_start_up_does_not_load(room_at_start: str, trees: dict[str, ast.Module]) -> None:
    """`nox -l` and `inv --list` import these: what takes long to import waits inside the function that needs it."""
    names = [name for name in trees if room(name) == room_at_start]
    assert names
    code = f"""
import sys, nox, invoke
before = set(sys.modules)
import {", ".join("imageyard" if name == "__init__" else f"imageyard.{name}" for name in names)}
print(*sorted({set(HEAVY)!r} & (set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
