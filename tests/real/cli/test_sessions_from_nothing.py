"""Every session of Nox, started once in a clone with nothing beside it: what it needs, it installs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nox.project import load_toml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[3]

INSTALLED = ("tests", "soak", "tests_newest", "tests_oldest", "lock_tests", "lint")
"""Their work is long, or is done by this very run: only what they install is tried."""
RUN = {
    "bench": ["--help"],
    "plan": ["--offline"],
    "test_dockerfile": ["--help"],
    "merge_image": ["--help"],
    "shell": ["--help"],
    "local_stack": ["status"],
}
"""The arguments with which a session does something that is quick."""
BY_CI = ("install_stack", "install_test_tools")
"""They change the machine, and have run on it before these tests: `.ci/run` names them."""


def nox(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTEST_", "NOX_"))
    }
    environment.pop("IMAGEYARD_RUN", None)
    environment["PIP_COMPILE"] = "0"  # half the time of an install; what is run compiles what it imports
    argv = [sys.executable, "-m", "nox", "--non-interactive", *arguments]
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that git tracks here, with what is not committed yet, in a repository of their own."""
    folder = tmp_path_factory.mktemp("clone") / "imageyard"
    subprocess.run(["git", "clone", "--quiet", str(TOP), str(folder)], check=True)
    changes = subprocess.run(["git", "diff", "--binary", "HEAD"], cwd=TOP, capture_output=True, check=True).stdout
    if changes:
        subprocess.run(["git", "apply", "--index"], cwd=folder, input=changes, check=True)
    return folder


@pytest.mark.mirror
@pytest.mark.parametrize("session", INSTALLED)
def test_a_session_installs_what_it_needs(clone: Path, session: str) -> None:
    done = nox(clone, "--install-only", "-s", session)
    assert done.returncode == 0, done.stderr


@pytest.mark.mirror
@pytest.mark.parametrize("session", RUN)
def test_a_session_does_something(clone: Path, session: str) -> None:
    done = nox(clone, "-s", session, "--", *RUN[session])
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_no_session_is_forgotten(clone: Path) -> None:
    names = set(re.findall(r"^[-*] (\w+)", nox(clone, "--list").stdout, re.MULTILINE))
    assert names - {*INSTALLED, *RUN, *BY_CI} == {"build_image"}, "which tests/real/building/test_own_images.py runs"
    ci = (TOP / ".ci" / "run").read_text()
    assert all(name in ci for name in BY_CI)


def test_the_lock_names_no_address() -> None:
    """A machine has its package index in its own configuration."""
    lock = (TOP / "tests" / "requirements.txt").read_text()
    assert "://" not in lock
    assert "--index" not in lock
    pinned = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert all("==" in line and line.endswith("\\") for line in pinned), "each with its hashes"


def test_the_lock_has_what_the_project_asks_for() -> None:
    """The package is installed without its dependencies: nobody else would tell that the lock is older than these."""
    project = load_toml(TOP / "pyproject.toml")
    groups = [entry for group in project["dependency-groups"].values() for entry in group if isinstance(entry, str)]
    lock = [
        Requirement(line.removesuffix("\\"))
        for line in (TOP / "tests" / "requirements.txt").read_text().splitlines()
        if line and not line.startswith((" ", "#"))
    ]
    for asked in map(Requirement, [*project["project"]["dependencies"], *groups]):
        found = [pin for pin in lock if canonicalize_name(pin.name) == canonicalize_name(asked.name)]
        versions = [specifier.version for pin in found for specifier in pin.specifier]
        assert versions, f"{asked}: nox -s lock_tests"
        assert all(map(asked.specifier.contains, versions)), f"{asked}, locked {versions}: nox -s lock_tests"
