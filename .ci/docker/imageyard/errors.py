"""One exception per kind of failure, each with what was being done, what happened and what to type next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

__all__ = [
    "EXIT_CODES",
    "Blocked",
    "BuildFailed",
    "CheckFailed",
    "ConfigurationError",
    "Denied",
    "EnvironmentLacks",
    "FailedBefore",
    "ImageyardError",
    "Interrupted",
    "NotFound",
    "NothingToDo",
    "PolicyRefused",
    "RevokedImage",
    "Terminated",
    "Transient",
    "assert_never",
    "exit_code",
    "refused_by_system",
]


class ImageyardError(Exception):
    """The base of every error that a person is meant to read.

    `headline` says in one line what happened; it travels in Nox's reason and in `result.json`.
    `doing` says what was being done when it happened, `at` is `FILE:LINE:COLUMN` where there is one, `detail` holds
    further lines (the last words of a failed step), and `hint` what to type or change next, one line each.
    `registry` is the host whose answer, or whose silence, this is. What follows from an error is decided by its class
    and its fields, never by its words.
    """

    def __init__(
        self,
        headline: str,
        *,
        doing: str = "",
        at: object = None,
        detail: Sequence[str] = (),
        hint: str | Sequence[str] = (),
        registry: str = "",
    ) -> None:
        super().__init__(headline)
        self.headline = headline
        self.doing = doing
        self.at = None if at is None else str(at)
        self.detail = tuple(detail)
        self.hint = (hint,) if isinstance(hint, str) else tuple(hint)
        self.registry = registry

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


class NothingToDo(ImageyardError):
    """There is nothing to do, and the caller asked to be told so by exit code."""


class EnvironmentLacks(ImageyardError):
    """A program, a service or a permission that the work needs is not there."""


def refused_by_system(error: OSError) -> EnvironmentLacks:
    """What the operating system refused (a full disk, a folder without permission), as an error to be read."""
    where = f"{error.filename}: " if error.filename else ""
    return EnvironmentLacks(f"{where}{error.strerror or error}")


class BuildFailed(ImageyardError):
    """A step of a Dockerfile failed, or the builder refused the Dockerfile."""


class CheckFailed(ImageyardError):
    """The image was built and is not what its name says."""


class NotFound(ImageyardError):
    """A registry or the engine answered that it does not have what was asked for."""


class Denied(ImageyardError):
    """A registry or a cloud refused our credentials, or there were none."""


class Transient(ImageyardError):
    """What failed may succeed when it is tried again: a network, a limit, a worker that went away."""


class PolicyRefused(ImageyardError):
    """It could be done and must not be: unlocked bases, a wrong tag, a forbidden place."""


class RevokedImage(PolicyRefused):
    """Somebody who may write to the repository revoked an image: nothing starts from it, and nothing copies it."""


class Interrupted(ImageyardError):
    """The user pressed Ctrl-C, or a SIGINT came from elsewhere."""


class Terminated(BaseException):
    """SIGTERM, raised where the program stands, so that every `finally` runs."""


class FailedBefore(ImageyardError):
    """A row failed earlier in this run; `recorded` is the exit code that its record holds."""

    def __init__(self, headline: str, *, recorded: int, doing: str = "") -> None:
        super().__init__(headline, doing=doing)
        self.recorded = recorded


class Blocked(ImageyardError):
    """A row cannot be built because `by`, a row that it starts from, failed with `cause`."""

    def __init__(self, headline: str, *, by: str, cause: ImageyardError, hint: str = "") -> None:
        super().__init__(headline, hint=hint)
        self.by = by
        self.cause = cause


EXIT_CODES: Mapping[type[BaseException], int] = {
    ConfigurationError: 2,
    NothingToDo: 3,
    EnvironmentLacks: 4,
    BuildFailed: 5,
    CheckFailed: 6,
    NotFound: 7,
    Denied: 8,
    Transient: 9,
    PolicyRefused: 10,
    Interrupted: 130,
    Terminated: 143,
}


def exit_code(error: ImageyardError | Terminated | None) -> int:
    """The exit code that an error calls for, as records and `result.json` hold it; 0 for none.

    It is for what leaves the program. Nothing is decided by it: that is what the classes are for.
    """
    match error:
        case None:
            return 0
        case Blocked(cause=cause):
            return exit_code(cause)
        case FailedBefore(recorded=recorded):
            return recorded
        case _:
            return next(EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES)


def assert_never(value: NoReturn) -> NoReturn:
    """Close a `match` that covers every case (`typing.assert_never`, which Python 3.10 lacks).

    Raises AssertionError: reaching it is a bug of ours.
    """
    raise AssertionError(f"unexpected value: {value!r}")
