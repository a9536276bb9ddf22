"""The record that is published with an image: that of the build which gave it its tag in the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from imageyard.errors import ConfigurationError
from imageyard.records import Record, from_json

if TYPE_CHECKING:
    from imageyard.engine import LoadedImage
    from imageyard.project.project import Project

__all__ = ["built_here", "record"]


def record(project: Project, pushed: Record, loaded: LoadedImage, *, dated: bool = True) -> Record:
    """The newest record of a build of this row under this tag; what the image itself says where none was kept.

    The same image gives the same record, however often it is pushed; but one that is not `dated`, a reproducible one,
    does not say when it was built, and the time of the push has to do.
    """
    for found in built_here(project, pushed.image, pushed.arch):
        if found.outcome == "built" and found.tag == pushed.tag and found.recipe == pushed.recipe:
            return replace(found, log=None, forced=found.forced or pushed.forced)
    return Record(
        pushed.image,
        pushed.arch,
        "built",
        0,
        "",
        started=loaded.created if dated else pushed.started,
        recipe=pushed.recipe,
        tag=pushed.tag,
        why="built elsewhere, or so long ago that its record is gone",
        size=loaded.size,
        forced=pushed.forced,
    )


def built_here(project: Project, image: str, arch: str) -> Iterator[Record]:
    """The records of a row in the runs of this checkout that built it, the newest first."""
    for path in sorted((project.state / "runs").glob(f"*/rows/{image}.{arch}.json"), reverse=True):
        with suppress(OSError, ConfigurationError):
            found = from_json(path.read_bytes(), str(path))
            if found.outcome in ("built", "published"):
                yield found
