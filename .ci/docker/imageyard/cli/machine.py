"""The machine underneath: doctor."""

from __future__ import annotations

from invoke.context import Context

from imageyard.cli.entry import JSON, task

__all__ = ["TASKS"]


@task(changes=False, json=JSON)
def doctor(context: Context, json: bool = False) -> None:
    """Look at engine, buildx, image store, disk, emulators and Python; say what is wrong and what to type."""
    from imageyard.doctor import examine

    examine(as_json=json)


TASKS = [doctor]
