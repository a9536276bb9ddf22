"""Wheels of tiny projects by real build tools, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["build_with_setuptools", "build_with_uv", "clean_env", "uv"]

_PROJECT = """\
[build-system]
requires = ["{requires}"]
build-backend = "{backend}"

[project]
name = "{name}"
version = "{version}"
description = "tiny"
requires-python = ">=3.8"
dependencies = [{dependencies}]
{more}
"""


def uv() -> str:
    return str(Path(sys.executable).parent / "uv")


def clean_env() -> dict[str, str]:
    """No index, and no configuration, of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    return {
        **kept,
        "PIP_CONFIG_FILE": os.devnull,
        "UV_NO_CONFIG": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def build_with_setuptools(folder: Path, name: str, version: str, *dependencies: str, more: str = "") -> Path:
    tree = _tree(folder, name, version, dependencies, "setuptools", "setuptools.build_meta", more)
    argv = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-q", "-w"]
    return _built([*argv, str(tree / "dist"), str(tree)], tree)


def build_with_uv(folder: Path, name: str, version: str, *dependencies: str, more: str = "") -> Path:
    said = subprocess.run([uv(), "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    minor = said.rpartition(".")[0]
    tree = _tree(folder, name, version, dependencies, f"uv_build>={minor}", "uv_build", more)
    argv = [uv(), "build", "--wheel", "--offline", "--no-cache", "--python", sys.executable, "-q"]
    return _built([*argv, "--out-dir", str(tree / "dist"), str(tree)], tree)


def _tree(
    folder: Path, name: str, version: str, dependencies: tuple[str, ...], requires: str, backend: str, more: str
) -> Path:
    tree = folder / f"{name}-{version}"
    module = name.replace("-", "_")
    code = tree / "src" / module
    code.mkdir(parents=True)
    (code / "__init__.py").write_text(f"VERSION = {version!r}\n")
    (code / "data.txt").write_text("some, data\n" * 1000)
    (tree / "tool.sh").write_text("#!/bin/sh\n")
    wanted = ", ".join(f'"{each}"' for each in dependencies)
    (tree / "pyproject.toml").write_text(
        _PROJECT.format(name=name, version=version, requires=requires, backend=backend, dependencies=wanted, more=more)
    )
    return tree


def _built(argv: list[str], tree: Path) -> Path:
    done = subprocess.run(argv, env=clean_env(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tree / "dist").glob("*.whl")
    return wheel
