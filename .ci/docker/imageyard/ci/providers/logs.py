"""Which CI system's log standard error is. A new system adds a name and a line to each table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from imageyard.ci.providers.github.log import GitHubLog, is_runner
from imageyard.ci.providers.log import LogCommands

__all__ = ["LOGS", "LogName", "log_name"]

LogName: TypeAlias = Literal["github"]

LOGS: Mapping[str, LogCommands] = {"github": GitHubLog()}

_READ_BY: Mapping[LogName, Callable[[Mapping[str, str]], bool]] = {"github": is_runner}


def log_name(environ: Mapping[str, str]) -> LogName | None:
    """Return the name of the system whose runner reads our log; None where no runner does."""
    return next((name for name, reads in _READ_BY.items() if reads(environ)), None)
