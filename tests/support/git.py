"""A git for tests that make repositories; the fixture `home` keeps everybody's configuration from it."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["sh"]


def sh(top: Path, *args: str) -> str:
    return subprocess.run(["git", "-C", str(top), *args], check=True, capture_output=True, text=True).stdout.strip()
