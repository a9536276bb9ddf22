"""The engine of a bench: the one that answers, else one that is started for it and gone after it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imageyard.console import Story
from imageyard.engine import Engine
from imageyard.errors import EnvironmentLacks
from imageyard.project.checkout import this_arch
from imageyard.stack import local
from imageyard.stack.state import Folders

__all__ = ["installed", "running_engine"]


def installed(*programs: str) -> None:
    """Raises EnvironmentLacks with what to type where a program is not on PATH."""
    if missing := [program for program in programs if not shutil.which(program)]:
        raise EnvironmentLacks(f"{', '.join(missing)} not installed", hint="nox -s install_stack")


@contextmanager
def running_engine() -> Iterator[Engine]:
    """The engine that every command finds, else one of its own. Raises EnvironmentLacks with what to type."""
    try:
        found = Engine.find(Folders.of_user().socket)
    except EnvironmentLacks as error:
        if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("docker"):
            raise
        print(f"bench: {error.headline}: one is started for the benches, and stopped after them", file=sys.stderr)
    else:
        yield found
        return
    # Not below the folder of the bench: sockets have short paths (unix(7)).
    state = Path(tempfile.mkdtemp(prefix="imageyard-bench-"))
    folders = Folders(state, Path("/run") / state.name)
    try:
        local.start(Story(), (), this_arch(), folders)
        yield Engine.find(folders.socket)
    finally:
        local.stop(Story(), purge=True, folders=folders)
