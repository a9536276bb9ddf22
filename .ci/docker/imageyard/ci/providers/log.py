"""A log of a CI system, which takes lines of a certain form for commands."""

from __future__ import annotations

from typing import Protocol

__all__ = ["LogCommands"]


class LogCommands(Protocol):
    """Writes lines that a CI system's log takes for commands, and keeps other lines from being taken for one."""

    def annotation(self, level: str, message: str, file: str | None, line: int | None) -> str:
        """Return the line that shows a message at a place of the repository."""

    def masks(self, secret: str) -> list[str]:
        """Return the lines that have the log hide a secret from here on."""

    def open_fold(self, title: str) -> str:
        """Return the line that begins a part which the log shows folded."""

    def close_fold(self) -> str:
        """Return the line that ends the folded part."""

    def harmless(self, line: str) -> str:
        """Return the line in a form that is not taken for a command."""

    def harmless_json(self, text: str) -> str:
        """Return JSON that says the same, and has no line that is taken for a command."""
