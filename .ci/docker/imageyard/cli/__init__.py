"""Invoke tasks, one module a floor; each parses, calls one flow and returns its result."""

from __future__ import annotations

from invoke.collection import Collection

__all__ = ["namespace"]


def namespace() -> Collection:
    """All tasks, for `tasks.py`."""
    from imageyard.cli import adopting, building, describing, machine, planning, publishing, sharing

    rooms = (describing, building, planning, publishing, sharing, machine, adopting)
    return Collection(*(task for room in rooms for task in room.TASKS))
