"""GitHub's files for outputs, read as its runner reads them."""

from __future__ import annotations


def read(text: str) -> dict[str, str]:
    """As the runner reads it: `NAME<<END`, lines, `END` (actions/runner, FileCommandManager.cs)."""
    found: dict[str, str] = {}
    lines = iter(text.split("\n")[:-1])
    for line in lines:
        name, _, end = line.partition("<<")
        value = []
        for inner in lines:
            if inner == end:
                break
            value.append(inner)
        else:
            raise AssertionError(f"{name} never ends")
        found[name] = "\n".join(value)
    return found
