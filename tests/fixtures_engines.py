"""Pairs of engine and buildx, each on both image stores: this machine's, and the oldest that is supported.

A test module takes the fixtures with `pytest_plugins = ("fixtures_engines",)`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from engine_private import PrivateEngine, Programs, private_engine
from imageyard.stack.health import numbers

OLDEST: Mapping[str, str] = {
    "docker.io": "26.1.",
    "docker-cli": "26.1.",
    "docker-buildx": "0.13.",
    "containerd": "1.7.",
}
"""Packages of Debian 13, and how their versions start."""


class Pair(NamedTuple):
    """An engine of some age with its own buildx, and one of its image stores."""

    age: Literal["current", "oldest"]
    store: Literal["containerd", "classic"]


PAIRS = [Pair(age, store) for age in ("current", "oldest") for store in ("containerd", "classic")]


@pytest.fixture(scope="session", params=PAIRS, ids=lambda pair: f"{pair.age}-{pair.store}")
def pair(request: pytest.FixtureRequest) -> Pair:
    """Each of the pairs in turn."""
    found: Pair = request.param
    return found


@pytest.fixture(scope="session")
def pair_engine(pair: Pair, shared_tmp: Path) -> Iterator[PrivateEngine]:
    """The engine of the pair; what is started in its `env` has the pair's docker and buildx."""
    if pair.age == "current":
        with private_engine(shared_tmp, pair.store) as engine:
            yield engine
    else:
        with private_engine(shared_tmp, pair.store, "oldest", oldest_programs(shared_tmp)) as engine:
            yield engine


def oldest_programs(shared: Path) -> Programs:
    """The oldest programs that are supported, unpacked once in a test run; skips where no apt source has them.

    They need libc 2.34, as those of Debian 12's newer relatives do, and take runc from this machine.
    """
    root = shared / "oldest-programs"
    with (shared / "oldest-programs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            versions = {package: _version(package, start) for package, start in OLDEST.items()}
            if lacking := [package for package, version in versions.items() if version is None]:
                words = ", ".join(f"{package} {OLDEST[package]}*" for package in lacking)
                pytest.skip(f"the apt sources of this machine have no {words} (nox -s install_stack adds them)")
            _unpack({package: str(version) for package, version in versions.items()}, root)
    return Programs(root)


def _version(package: str, start: str) -> str | None:
    if not shutil.which("apt-cache"):
        return None
    known = subprocess.run(["apt-cache", "madison", package], capture_output=True, check=False, text=True).stdout
    versions = [line.split("|")[1].strip() for line in known.splitlines() if "|" in line]
    return next((version for version in versions if version.startswith(start)), None)


def _unpack(versions: Mapping[str, str], root: Path) -> None:
    download = root.with_name("oldest-packages")
    download.mkdir(exist_ok=True)
    names = [f"{package}={version}" for package, version in versions.items()]
    apt = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *names]
    subprocess.run(apt, cwd=download, check=True, capture_output=True)
    part = root.with_suffix(".part")
    for package in download.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(part)], check=True)
        package.unlink()
    part.rename(root)


def same(found: str, wanted: str) -> bool:
    """Whether a version starts with the numbers of another."""
    return numbers(found)[: len(numbers(wanted))] == numbers(wanted)


def in_ci() -> bool:
    return os.environ.get("CI") == "true"
