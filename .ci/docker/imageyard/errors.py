"""One exception per exit code, each with what was being done, what happened and what to type next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NoReturn

__all__ = [
    "Absent",
    "BuildFailed",
    "CheckFailed",
    "ConfigurationError",
    "Denied",
    "EnvironmentLacks",
    "ImageyardError",
    "Interrupted",
    "NothingToDo",
    "PolicyRefused",
    "Terminated",
    "Transient",
    "assert_never",
    "refused_by_system",
]


class ImageyardError(Exception):
    """The base of every error that a person is meant to read.

    `headline` says in one line what happened; it travels in Nox's reason and in `result.json`.
    `doing` says what was being done when it happened, `at` is `FILE:LINE:COLUMN` where there is one, `detail` holds
    further lines (the last words of a failed step), and `hint` what to type or change next, one line each.
    """

    code: ClassVar[int]

    def __init__(
        self,
        headline: str,
        *,
        doing: str = "",
        at: object = None,
        detail: Sequence[str] = (),
        hint: str | Sequence[str] = (),
    ) -> None:
        super().__init__(headline)
        self.headline = headline
        self.doing = doing
        self.at = None if at is None else str(at)
        self.detail = tuple(detail)
        self.hint = (hint,) if isinstance(hint, str) else tuple(hint)

    def __str__(self) -> str:
        where = f"{self.at}: " if self.at else ""
        lines = [f"error: {where}{self.headline}"]
        if self.doing:
            lines.append(f"  while: {self.doing}")
        lines += [f"  | {line}" for line in self.detail]
        lines += [f"  next: {line}" for line in self.hint if line]
        return "\n".join(lines)


class ConfigurationError(ImageyardError):
    """The catalogue, a Dockerfile or the command line says something that cannot be meant."""

    code = 2


class NothingToDo(ImageyardError):
    """There is nothing to do, and the caller asked to be told so by exit code."""

    code = 3


class EnvironmentLacks(ImageyardError):
    """A program, a service or a permission that the work needs is not there."""

    code = 4


def refused_by_system(error: OSError) -> EnvironmentLacks:
    """What the operating system refused (a full disk, a folder without permission), as an error to be read."""
    where = f"{error.filename}: " if error.filename else ""
    return EnvironmentLacks(f"{where}{error.strerror or error}")


class BuildFailed(ImageyardError):
    """A step of a Dockerfile failed, or the builder refused the Dockerfile."""

    code = 5


class CheckFailed(ImageyardError):
    """The image was built and is not what its name says."""

    code = 6


class Absent(ImageyardError):
    """A registry or the engine answered that it does not have what was asked for."""

    code = 7


class Denied(ImageyardError):
    """A registry or a cloud refused our credentials, or there were none."""

    code = 8


class Transient(ImageyardError):
    """What failed may succeed when it is tried again: a network, a limit, a worker that went away."""

    code = 9


class PolicyRefused(ImageyardError):
    """It could be done and must not be: unlocked bases, a wrong tag, a forbidden place."""

    code = 10


class Interrupted(ImageyardError):
    """The user pressed Ctrl-C, or a SIGINT came from elsewhere."""

    code = 130


class Terminated(BaseException):
    """SIGTERM, raised where the program stands, so that every `finally` runs. Its exit code is 143."""

    code: ClassVar[int] = 143


def assert_never(value: NoReturn) -> NoReturn:
    """Close a `match` that covers every case (`typing.assert_never`, which Python 3.10 lacks).

    Raises AssertionError: reaching it is a bug of ours.
    """
    raise AssertionError(f"unexpected value: {value!r}")
