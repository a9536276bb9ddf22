"""GitHub's runner: that it started us, which attempt of a run it is at, and the commands in its log."""

from __future__ import annotations

import re
from collections.abc import Mapping

from imageyard.layout import lines

__all__ = ["GitHubLog", "is_runner", "run_attempt"]


def is_runner(environ: Mapping[str, str]) -> bool:
    """Whether GitHub's runner started this process: it sets the variable to exactly this word."""
    return environ.get("GITHUB_ACTIONS") == "true"


def run_attempt(environ: Mapping[str, str]) -> int:
    """How often the run was begun, its first attempt being 1 (docs.github.com, "Variables", GITHUB_RUN_ATTEMPT)."""
    text = environ.get("GITHUB_RUN_ATTEMPT", "")
    return int(text) if re.fullmatch("[1-9][0-9]{0,8}", text) else 1


class GitHubLog:
    """Writes workflow commands (docs.github.com, "Workflow commands").

    GitHub has no groups in groups: a second `::group::` ends the first.
    """

    def annotation(self, level: str, message: str, file: str | None, line: int | None) -> str:
        """Return the command that makes an annotation."""
        places = {"file": file, "line": line} if file else {}
        pairs = ",".join(f"{name}={_property(str(value))}" for name, value in places.items() if value is not None)
        text = _data(_without_old_commands("\n".join(lines(message))))
        return f"::{level}{' ' if pairs else ''}{pairs}::{text}"

    def masks(self, secret: str) -> list[str]:
        """Return the commands that have the runner show `***` for each line of a secret.

        The runner takes the line out of its log (docs.github.com, "Workflow commands", "Masking a value in a log").
        """
        return [f"::add-mask::{_data(line)}" for line in secret.splitlines() if line]

    def open_fold(self, title: str) -> str:
        """Return the command that begins a group."""
        return f"::group::{_data(_without_old_commands(' '.join(lines(title))))}"

    def close_fold(self) -> str:
        """Return the command that ends a group."""
        return "::endgroup::"

    def harmless(self, line: str) -> str:
        """Return a line that GitHub's runner does not take for a command.

        Its parsers want `::` after white space at the start of a line, or the older `##[` anywhere in it
        (actions/runner, ActionCommand.cs). `::stop-commands::` would do it too, but not for rows whose output is mixed.
        """
        line = _without_old_commands(line)
        return f"| {line}" if re.match(r"\W*::", line) else line

    def harmless_json(self, text: str) -> str:
        """Return JSON in which no string holds the `##[` of a command: RFC 8259, section 7 has another form for it.

        A line of JSON begins with no `::`, and has a `#` only in a string.
        """
        return text.replace("##[", "#\\u0023[")


def _without_old_commands(text: str) -> str:
    return text.replace("##[", "# #[")


def _data(text: str) -> str:
    """GitHub's escapes for the message of a workflow command (actions/runner, ActionCommand.cs)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """GitHub's escapes for a property of a workflow command (actions/runner, ActionCommand.cs)."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
