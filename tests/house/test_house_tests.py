"""What lies where among the tests, and that none is forgotten in a part of a run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support.shards import shards, slow_files


def rooms(top: Path) -> set[str]:
    package = top / ".ci" / "docker" / "imageyard"
    return {path.name for path in package.iterdir()} | {path.stem for path in package.glob("*.py")} | {"base"}


@pytest.mark.parametrize("kind", ["unit", "contract", "real"])
def test_tests_are_in_the_rooms_of_the_code(kind: str, top: Path, tracked: list[str]) -> None:
    tests = [path.split("/") for path in tracked if re.match(rf"tests/{kind}/.*test_\w+\.py$", path)]
    assert tests
    assert not [path for path in tests if len(path) != 4 or path[2] not in rooms(top)]


def test_fixtures_come_from_folders(top: Path, tracked: list[str]) -> None:
    """A module that names plugins brings fixtures that a reader of its folder does not find."""
    modules = [path for path in tracked if re.match(r"tests/.*\.py$", path) and not path.startswith("tests/house/")]
    assert len(modules) > 100
    assert not [path for path in modules if "pytest_plugins" in (top / path).read_text()]


def test_the_slow_files_are_there_and_in_order(tracked: list[str]) -> None:
    slow = slow_files()
    assert set(slow) <= set(tracked)
    assert list(slow.values()) == sorted(slow.values(), reverse=True)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_file_is_in_one_shard(count: int, tracked: list[str]) -> None:
    files = [path for path in tracked if re.match(r"tests/real/.*test_\w+\.py$", path)]
    parts = shards(files, slow_files(), count)
    assert sorted(file for part in parts for file in part) == sorted(files)
    seconds = [sum(slow_files().get(file, 1) for file in part) for part in parts]
    assert max(seconds) - min(seconds) <= max(slow_files().values())


def test_the_workflow_runs_every_test(top: Path, tracked: list[str]) -> None:
    """Each folder of tests in some job, and every shard."""
    text = (top / ".github" / "workflows" / "tests.yml").read_text()
    named = re.findall(r'"shard":"(\d)/(\d)"', text)
    assert named == [(str(number), str(len(named))) for number in range(1, len(named) + 1)]
    own = "tests/real/building/test_own_images.py"
    assert text.count(f"--ignore {own}") == 1, "it has a job of its own"
    assert f"-- {own}" in text
    folders = {"/".join(path.split("/")[:2]) for path in tracked if re.match(r"tests/.*/test_\w+\.py$", path)}
    assert folders == set(re.findall(r"(?<= )tests/\w+(?=\s)", text))


ROOMS = ("project", "run", "building", "publishing", "queries", "access", "keep", "lanes", "workbench")


def test_every_module_of_the_rooms_above_is_imported_by_a_test_without_an_engine(top: Path) -> None:
    """What only an engine can start is hard to change: its logic is tested on registries and engines in memory."""
    imported: set[str] = set()
    for path in [*(top / "tests" / "unit").rglob("*.py"), *(top / "tests" / "contract").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    package = top / ".ci" / "docker" / "imageyard"
    modules = {f"imageyard.{room}.{path.stem}" for room in ROOMS for path in (package / room).glob("[!_]*.py")}
    assert len(modules) > 50
    assert sorted(modules - imported) == []
