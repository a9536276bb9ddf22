"""The oldest engine, docker CLI and buildx that are supported, from the machine's apt sources where they have them."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.engine.private import Programs

OLDEST: Mapping[str, str] = {
    "docker.io": "26.1.",
    "docker-cli": "26.1.",
    "docker-buildx": "0.13.",
    "containerd": "1.7.",
}
"""Packages of Debian 13, and how their versions start."""


def oldest_programs(shared: Path) -> Programs:
    """The oldest programs that are supported, unpacked once in a test run; skips where no apt source has them.

    They need libc 2.34, which Debian 12 has, and take runc from this machine.
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
