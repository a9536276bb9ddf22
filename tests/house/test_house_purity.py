"""Modules that compute and do nothing else: no files, no time, no environment, no chance."""

from __future__ import annotations

import ast
from fnmatch import fnmatch

import pytest

PURE = (
    "errors",
    "names",
    "layout",
    "ran",
    "fact_lines",
    "records",
    "path_problems",
    "repository_paths",
    "treebase",
    "catalogue*",
    "recipe*",
    "plan*",
    "builders.rawjson",
    "builders.request",
    "builders.depot_request",
    "builders.plain",
    "builders.progress",
    "builders.vertex",
    "builders.outcome",
    "checks.judge",
    "oci.manifests",
    "iam",
    "access.aws_policies",
    "access.environments",
    "ci.providers.github.token_claims",
    "keep.retention*",
    "keep.pins",
    "keep.page*",
    "lanes.changes",
    "lanes.disclosure",
    "lanes.dsse",
    "exact_json",
    "lanes.in_toto",
    "lanes.lane_provenance",
    "lanes.lane_results",
    "lanes.lane_signer",
    "lanes.result_statement",
    "lanes.origin",
    "lanes.provenance_statement",
    "lanes.signatures",
    "lanes.document",
    "lanes.estate",
    "lanes.grammar",
    "lanes.model",
    "lanes.policies",
    "lanes.terraform",
    "lanes.channels",
    "lanes.index_pages",
    "lanes.lane_requests",
    "lanes.lane_rules",
    "lanes.lane_state",
    "lanes.lane_status",
    "lanes.listed_files",
    "lanes.people_page",
    "lanes.places",
    "lanes.purge_plan",
    "lanes.quota",
    "lanes.refusal",
    "lanes.simple_index",
    "lanes.standard",
    "lanes.status_page",
    "lanes.status_table",
    "lanes.wheel*",
    "lanes.zip_*",
)

READS = ("catalogue.text", "catalogue.expand", "catalogue.lock")
"""The catalogue is pure but for reading: these open what they are named after."""

WORLD = {
    "asyncio", "fcntl", "getpass", "glob", "multiprocessing", "os", "platform", "random", "secrets", "select",
    "selectors", "shutil", "signal", "socket", "ssl", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib.request", "urllib3", "uuid",
}  # fmt: skip

WORLDLY_FUNCTIONS = {"open", "input", "print", "exec", "eval"}

WORLDLY_METHODS = {
    "read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "touch", "rename", "iterdir", "rglob",
    "exists", "is_file", "is_dir", "stat", "lstat", "cwd", "home", "now", "utcnow", "today",
}  # fmt: skip


def pure(module: str) -> bool:
    return any(fnmatch(module, pattern) for pattern in PURE)


def worldly(tree: ast.AST) -> list[str]:
    """The calls that reach outside, with their lines."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in WORLDLY_FUNCTIONS:
                found.append(f"{function.id} in line {node.lineno}")
            elif isinstance(function, ast.Attribute) and function.attr in WORLDLY_METHODS:
                found.append(f".{function.attr} in line {node.lineno}")
    return found


def test_pure_modules_import_nothing_of_the_world(module: str, tree: ast.Module) -> None:
    if not pure(module) or module in READS:
        return
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    assert not {name for name in found if name in WORLD or name.partition(".")[0] in WORLD}


def test_pure_modules_touch_no_file_and_no_clock(module: str, tree: ast.Module) -> None:
    if not pure(module) or module in READS:
        return
    assert not worldly(tree)


@pytest.mark.parametrize(
    ("code", "refused"),
    [
        ("open('x')", True),
        ("Path('x').read_text()", True),
        ("datetime.now(timezone.utc)", True),
        ("tree.read('x')", False),
        ("open_tree(name)", False),
        ("text.split()", False),
    ],
)
def test_the_rule_itself(code: str, refused: bool) -> None:
    assert bool(worldly(ast.parse(code))) is refused


def test_the_list_is_about_modules_that_are_there(trees: dict[str, ast.Module]) -> None:
    assert {"errors", "names", "records", "checks.judge", "builders.request"} <= {name for name in trees if pure(name)}
