"""The package as the house's rules see it: one parameter a module, and the files that git tracks."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PACKAGE = TOP / ".ci" / "docker" / "imageyard"


@cache
def modules() -> dict[str, Path]:
    """Every module by its dotted name under `imageyard`; the package itself is `__init__`."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)] = path
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "module" in metafunc.fixturenames:
        metafunc.parametrize("module", modules())


@pytest.fixture
def top() -> Path:
    return TOP


@pytest.fixture
def path(module: str) -> Path:
    return modules()[module]


@pytest.fixture(scope="session")
def trees() -> dict[str, ast.Module]:
    return {name: ast.parse(path.read_text(), str(path)) for name, path in modules().items()}


@pytest.fixture
def tree(module: str, trees: dict[str, ast.Module]) -> ast.Module:
    return trees[module]


@pytest.fixture(scope="session")
def tracked() -> list[str]:
    """The paths that git tracks and that are still there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, check=True).stdout
    paths = [path for path in listed.decode().split("\0") if path and (TOP / path).exists()]
    assert "pyproject.toml" in paths
    return paths
