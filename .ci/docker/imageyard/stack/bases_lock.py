"""Which stand-in bases this machine has, as their `bases.lock` says; read by each call, so it loads little."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imageyard.catalogue import lock

if TYPE_CHECKING:
    from imageyard.catalogue.lock import Lock
    from imageyard.names import Arch
    from imageyard.stack.state import Folders

__all__ = ["ENVIRONMENT", "lock_file", "read_lock"]

ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
"""The variables of every stand-in; none has ONBUILD triggers."""


def lock_file(folders: Folders, arch: Arch) -> Path:
    """The `bases.lock` of one architecture: making another's base must not change what this one's rows are."""
    return folders.state / "bases" / arch / "bases.lock"


def read_lock(folders: Folders, arch: Arch) -> Lock:
    """The stand-ins of an architecture; none where none were made."""
    return lock.read(lock_file(folders, arch))
