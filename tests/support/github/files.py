"""GitHub's files for outputs and variables, read as its runner reads them."""

from __future__ import annotations


def read(text: str) -> dict[str, str]:
    """`NAME=VALUE`, and `NAME<<END`, lines, `END` (actions/runner, FileCommandManager.cs)."""
    found: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in filter(None, lines):
        name, heredoc, end = line.partition("<<")
        if not heredoc or "=" in name:
            name, _, plain = line.partition("=")
            found[name] = plain
            continue
        value = []
        for inner in lines:
            if inner == end:
                break
            value.append(inner)
        else:
            raise AssertionError(f"{name} is never ended by {end}")
        found[name] = "\n".join(value)
    return found
