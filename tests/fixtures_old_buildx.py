"""The oldest buildx that is supported, from the machine's apt sources where they have it."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def old_buildx(shared_tmp: Path) -> str:
    """buildx 0.13, the oldest that is supported, as Debian trixie has it."""
    folder = shared_tmp / "buildx-0.13"
    with (shared_tmp / "buildx-0.13.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            known = subprocess.run(["apt-cache", "madison", "docker-buildx"], capture_output=True, check=False).stdout
            versions = [line.split("|")[1].strip() for line in known.decode().splitlines() if "|" in line]
            version = next((version for version in versions if version.startswith("0.13.")), None)
            if version is None:
                pytest.skip("the apt sources of this machine have no docker-buildx 0.13")
            download = shared_tmp / "buildx-0.13-package"
            download.mkdir()
            apt = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", f"docker-buildx={version}"]
            subprocess.run(apt, cwd=download, check=True, capture_output=True)
            (package,) = download.glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
    return str(next(folder.rglob("cli-plugins/docker-buildx")))
