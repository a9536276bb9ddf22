"""The protocol of an expectation, and the words that several kinds say of a command that ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from imageyard.ran import Ended

__all__ = ["Expectation", "Verdict", "exit_words", "first_words"]

_WIDTH = 80


class Verdict(NamedTuple):
    """Whether a command did what was expected of it, and what it did instead or as well, in words."""

    ok: bool
    actual: str


class Expectation(Protocol):
    """What must be true of a check's command, for one row.

    `args` are the build args of the image; an empty one counts as unset. Both `expected` and `judge` raise
    ConfigurationError where the expectation itself makes no sense; whoever asks adds the check's name and its place.
    """

    @property
    def keys(self) -> Mapping[str, object]:
        """The keys of a check that say so, with their values as plain ones: what `inv explain` shows."""

    def expected(self, args: Mapping[str, str]) -> str:
        """Say in words what is expected."""

    def judge(self, ended: Ended, args: Mapping[str, str]) -> Verdict:
        """Judge a command that ran to its end."""


def exit_words(code: int) -> str:
    """Say an exit status in words; a signal counts as such where the status stands for one."""
    if code == 127:
        return "no such program (exit status 127)"
    return f"exit status {code}" + (f" (signal {code - 128})" if 128 < code < 193 else "")


def first_words(ended: Ended) -> str:
    """Return the first line that a command wrote, quoted and cut; standard output counts before standard error."""
    lines = (*ended.out.splitlines(), *ended.err.splitlines())
    first = next((line.strip() for line in lines if line.strip()), "")
    if not first:
        return "no output"
    return repr(first if len(first) <= _WIDTH else f"{first[:_WIDTH]}...")
