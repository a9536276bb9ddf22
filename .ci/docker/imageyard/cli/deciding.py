"""What this run may do."""

from __future__ import annotations

from invoke.context import Context

from imageyard.cli.entry import CATALOGUE, JSON, task

__all__ = ["TASKS"]


@task(changes=False, json=JSON, catalogue=CATALOGUE)
def decide(context: Context, json: bool = False, catalogue: str | None = None) -> object:
    """Print what this run may build, write, read and mirror, and why: by its event in GitHub Actions."""
    from dataclasses import asdict

    from imageyard.ci import event
    from imageyard.layout import aligned
    from imageyard.project.checkout import find_checkout

    found = asdict(event.decision(find_checkout(catalogue)))
    if json:
        return found
    return "\n".join(aligned(("what", "decision"), [(key.replace("_", " "), _word(found[key])) for key in found]))


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)


TASKS = [decide]
"""The tasks of `inv ci.…`."""
