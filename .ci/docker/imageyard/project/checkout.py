"""Where a command stands: the file of a catalogue, and the repository around it. Nothing of either is read here."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.names import Arch, as_arch
from imageyard.repository_paths import from_top

__all__ = ["LANE", "Checkout", "chosen_lane", "find_checkout", "this_arch"]

LANE = "IMAGEYARD_LANE"
"""The variable that names the lane whose images a run is about; without it a run is about images of no lane."""
_DEFAULT = Path(".ci", "docker", "images.yml")


def this_arch() -> Arch:
    """The architecture of this machine. Raises ConfigurationError where no image is ever built for it."""
    return as_arch(platform.machine())


def chosen_lane(environ: Mapping[str, str] = os.environ) -> str | None:
    """The lane that a run is about, None where it is about images of no lane."""
    return environ.get(LANE) or None


@dataclass(frozen=True)
class Checkout:
    """A catalogue's file, and the top of the repository that holds it. Both paths are absolute."""

    file: Path
    top: Path

    @property
    def folder(self) -> str:
        """The catalogue's folder relative to the repository's top, POSIX; `.` for the top itself."""
        return self.file.parent.relative_to(self.top).as_posix()

    @property
    def state(self) -> Path:
        """The folder that holds the runs, records and locks of this checkout."""
        return self.top / ".imageyard"

    def in_repository(self, *parts: str) -> str:
        """A path that is relative to the catalogue's folder, as a person types it at the repository's top.

        A part that begins with a slash counts from the top itself.
        """
        return from_top(self.folder, *parts) or "."


def find_checkout(catalogue: str | None = None, start: Path | None = None) -> Checkout:
    """Find the catalogue that is named, or IMAGEYARD_CATALOGUE, or the nearest `.ci/docker/images.yml` upwards.

    Raises EnvironmentLacks where there is none, ConfigurationError where the named one is missing. The repository's
    top is looked for without asking git: `nox -l` comes through here.
    """
    start = (start or Path.cwd()).resolve()
    named = catalogue or os.environ.get("IMAGEYARD_CATALOGUE")
    if named:
        file = (start / named).resolve()
        if not file.is_file():
            raise ConfigurationError(f"there is no catalogue {named}", hint="name an images.yml, or leave it out")
    else:
        files = (folder / _DEFAULT for folder in (start, *start.parents))
        nearest = next((file for file in files if file.is_file()), None)
        if nearest is None:
            raise EnvironmentLacks(
                f"there is no {_DEFAULT} here or above",
                hint=["cd into the repository", "or write a first one: python -m imageyard init"],
            )
        file = nearest.resolve()
    top = next((folder for folder in file.parents if (folder / ".git").exists()), None)
    return Checkout(file, top or file.parent)
