"""The options of a build, declared once for Invoke and for Nox; both import this at start, so it imports little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["BUILD_OPTIONS", "SET_HELP", "CommandOption", "OptionKind"]

OptionKind: TypeAlias = Literal["flag", "text", "list"]
"""A flag is False unless it is there; a text is None unless it is there; a list has a text for each time."""

SET_HELP = "NAME=VALUE, a build arg for this call only; the tag changes and ends in -local"


@dataclass(frozen=True)
class CommandOption:
    """One option of a command: `--NAME`, its help in `inv --help`, and the shorter one of a Nox session.

    `metavar` is what a Nox session calls its value, NAME unless given.
    """

    name: str
    kind: OptionKind
    help: str
    session_help: str
    metavar: str | None = None

    @property
    def default(self) -> Literal[False] | None:
        """The value of an option that is not on the command line."""
        return False if self.kind == "flag" else None


BUILD_OPTIONS = (
    CommandOption("force", "flag", "build although the tag is there", "build although the tag is there"),
    CommandOption(
        "expect",
        "text",
        "fail unless this is the tag, or one of these: TAG,TAG",
        "fail unless this is the tag, or one of these (the plan gives them)",
        metavar="TAG[,TAG]",
    ),
    CommandOption("set", "list", SET_HELP, "a build arg", metavar="NAME=VALUE"),
    CommandOption(
        "builder",
        "text",
        "local, remote or depot; default: as REMOTE_BUILDKIT says, else builders.depot in CI, else local",
        "local, remote or depot",
    ),
    CommandOption(
        "address",
        "text",
        "a BuildKit worker, tcp://HOST:PORT, instead of the catalogue's builders.remote",
        "a BuildKit worker instead of the catalogue's: tcp://HOST:PORT",
    ),
    CommandOption(
        "at",
        "text",
        "publish there: trusted or branch; default: where the run may; for remote builders outside CI branch, "
        "else nowhere",
        "publish there: trusted or branch",
    ),
)
"""The options of `inv build` and of the session `build_image`, in the order in which an error lists them."""
