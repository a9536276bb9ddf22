"""The machine underneath: doctor."""

from __future__ import annotations

from invoke.context import Context

from imageyard.cli.entry import JSON, task
from imageyard.errors import ConfigurationError

__all__ = ["TASKS"]


@task(changes=False, json=JSON)
def doctor(context: Context, json: bool = False) -> None:
    """Look at engine, buildx, image store, disk, emulators and Python; say what is wrong and what to type."""
    from imageyard.doctor import examine
    from imageyard.project.project import find_project

    try:
        arches = [row.arch for row in find_project().catalogue.rows]
    except ConfigurationError:  # the machine is examined also where there is no catalogue, or a wrong one
        arches = []
    examine(arches, as_json=json)


TASKS = [doctor]
