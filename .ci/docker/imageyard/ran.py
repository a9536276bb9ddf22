"""What came of a command that was run in an image: it ended, it took too long, or its container did not start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Ended", "NotStarted", "Ran", "TimedOut"]


@dataclass(frozen=True)
class Ended:
    """The command ran to its end. `code` is its exit status; 128 and a signal's number where one ended it.

    `clipped`: the builder kept only the beginning of what it wrote.
    """

    code: int
    out: str
    err: str = ""
    clipped: bool = False


@dataclass(frozen=True)
class TimedOut:
    """The command ran and did not end within `seconds`."""

    seconds: float
    out: str = ""
    err: str = ""


@dataclass(frozen=True)
class NotStarted:
    """The container did not start, in the engine's words: nothing is known of the image."""

    why: str


Ran: TypeAlias = Ended | TimedOut | NotStarted
