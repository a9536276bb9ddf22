"""Invoke tasks, one module a floor; each parses, calls one flow and returns its result."""

from __future__ import annotations

from invoke.collection import Collection

from imageyard.console import guard_log

__all__ = ["namespace"]


def namespace() -> Collection:
    """All tasks, for `tasks.py`."""
    from imageyard.cli import (
        access,
        adopting,
        backups,
        building,
        caching,
        comparing,
        deciding,
        describing,
        keeping,
        lane_proofs,
        lanes,
        machine,
        planning,
        publishing,
        sharing,
        taking_back,
        workflows,
    )

    guard_log()
    rooms = (
        describing,
        building,
        planning,
        publishing,
        comparing,
        access,
        sharing,
        keeping,
        backups,
        machine,
        adopting,
    )
    groups = {"cache": (caching,), "ci": (deciding, workflows), "lane": (lanes, lane_proofs, taking_back)}
    found = Collection(*(task for room in rooms for task in room.TASKS))
    for name, members in groups.items():
        found.add_collection(Collection(name, *(task for room in members for task in room.TASKS)))
    for room in (*rooms, *(room for members in groups.values() for room in members)):
        for task in room.TASKS:
            task.other_tasks = frozenset(found.task_names)
    return found
