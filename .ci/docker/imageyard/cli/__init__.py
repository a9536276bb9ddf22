"""Invoke tasks, one module a floor; each parses, calls one flow and returns its result."""

from __future__ import annotations

from invoke.collection import Collection

__all__ = ["namespace"]


def namespace() -> Collection:
    """All tasks, for `tasks.py`."""
    from imageyard.cli import adopting, building, describing, machine, planning, publishing

    tasks = [*describing.TASKS, *building.TASKS, *planning.TASKS, *publishing.TASKS, *machine.TASKS, *adopting.TASKS]
    return Collection(*tasks)
