"""Which CI system's runner started us: whose log standard error is, which attempt of a run this is.

A new system adds a name and a line to each table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from imageyard.ci.providers.github.log import GitHubLog, is_runner, run_attempt
from imageyard.ci.providers.log import LogCommands

__all__ = ["LOGS", "LogName", "attempt", "in_ci", "log_name", "says_no"]

LogName: TypeAlias = Literal["github"]

LOGS: Mapping[str, LogCommands] = {"github": GitHubLog()}

_READ_BY: Mapping[LogName, Callable[[Mapping[str, str]], bool]] = {"github": is_runner}

_ATTEMPT_BY: Mapping[LogName, Callable[[Mapping[str, str]], int]] = {"github": run_attempt}


_NO = ("", "0", "false", "no", "off")


def says_no(word: str) -> bool:
    """Return whether the value of a variable switches off what the variable is for."""
    return word.strip().lower() in _NO


def in_ci(environ: Mapping[str, str]) -> bool:
    """Return whether this process runs in CI, of whichever system: all of them set the variable `CI`."""
    return not says_no(environ.get("CI", ""))


def log_name(environ: Mapping[str, str]) -> LogName | None:
    """Return the name of the system whose runner reads our log; None where no runner does."""
    return next((name for name, reads in _READ_BY.items() if reads(environ)), None)


def attempt(environ: Mapping[str, str]) -> int:
    """Return how often the system has begun the run that this process is of; 1 where no runner started us."""
    name = log_name(environ)
    return _ATTEMPT_BY[name](environ) if name else 1
