"""A git for tests that make repositories; the fixture `home` keeps everybody's configuration from it."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["commit_all", "sh"]

_AUTHOR = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")


def sh(top: Path, *args: str) -> str:
    return subprocess.run(["git", "-C", str(top), *args], check=True, capture_output=True, text=True).stdout.strip()


def commit_all(top: Path, message: str = "first") -> None:
    """Commit all that a folder has, by an author who needs no configuration."""
    sh(top, "add", "-A")
    sh(top, *_AUTHOR, "commit", "-qm", message)
