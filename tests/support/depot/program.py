"""The real Depot CLI."""

from __future__ import annotations

import fcntl
import platform
import subprocess
import tarfile
from pathlib import Path

import pytest
from support.registry.served import lacking

__all__ = ["VERSION", "depot_program"]

VERSION = "2.102.12"
_PACKAGES = {"x86_64": "@depot/cli-linux-x64", "aarch64": "@depot/cli-linux-arm64"}


def depot_program(shared: Path) -> str:
    """The program, from the registry that npm on this machine is configured for; unpacked once in `shared`."""
    folder = shared / f"depot-{VERSION}"
    with (shared / "depot.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder_before = shared / "depot-unpacked"
            folder_before.mkdir(exist_ok=True)
            package = f"{_PACKAGES[platform.machine()]}@0.0.1-cli.{VERSION}"
            argv = ["npm", "pack", "--silent", "--pack-destination", str(folder_before), package]
            try:
                done = subprocess.run(argv, cwd=folder_before, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                lacking("npm")
            if done.returncode:
                pytest.skip(f"npm has no {package}: {done.stderr.strip().splitlines()[-1:]}")
            with tarfile.open(folder_before / done.stdout.split()[-1]) as archive:
                archive.extractall(folder_before, filter="data")
            folder_before.rename(folder)
    return str(folder / "package" / "bin" / "depot")
