"""`version: TEXT`: the command passes, and the first version that it writes agrees with this one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from imageyard.catalogue.expectations.base import Verdict, exit_words, first_words
from imageyard.catalogue.expectations.kind import ExpectationKind, Fill, as_text
from imageyard.catalogue.fill import Known, RowBeingFilled
from imageyard.catalogue.forms import FILLED
from imageyard.catalogue.kinds import Field
from imageyard.catalogue.nodes import Node, Text, error_at
from imageyard.errors import ConfigurationError
from imageyard.ran import Ended

__all__ = ["VERSION", "VersionExpected"]

_DOTTED = re.compile(r"[0-9]+(?:\.[0-9]+)+")
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class VersionExpected:
    """The output shows a version: its first dotted number, else its first number; standard output comes first.

    Versions are compared on the components that both have: 12 = 12.2.0, 12.8.1 = 12.8, 3.1 is not 3.11.
    """

    version: str

    @property
    def keys(self) -> Mapping[str, object]:
        """The key `version`."""
        return {"version": self.version}

    def expected(self, args: Mapping[str, str]) -> str:
        """Return the number that is compared. Raises ConfigurationError where there is none."""
        number = _first_version(self.version)
        if number is None:
            raise ConfigurationError(
                f"version {self.version!r} has no number to compare",
                hint="write a version such as 12 or 3.11, or use matches:",
            )
        return number

    def judge(self, ended: Ended, args: Mapping[str, str]) -> Verdict:
        """Judge the output of a command that passed; one that failed shows no version."""
        if ended.code != 0:
            return Verdict(False, exit_words(ended.code))
        shown = _first_version(ended.out) or _first_version(ended.err)
        if shown is None:
            return Verdict(False, f"no number in {first_words(ended)}")
        return Verdict(_agree(self.expected(args), shown), shown)


def _first_version(text: str) -> str | None:
    match = _DOTTED.search(text) or _NUMBER.search(text)
    return match[0] if match else None


def _agree(expected: str, shown: str) -> bool:
    pairs = zip(expected.split("."), shown.split("."))  # noqa: B905 - the longer one's rest is not compared
    return all(ours.lstrip("0") == theirs.lstrip("0") for ours, theirs in pairs)


def _read(check: str, node: Node, known: Known) -> Fill:
    assert isinstance(node, Text)

    def fill(row: RowBeingFilled) -> VersionExpected:
        version = row.text(node)
        if not re.search("[0-9]", version):
            hint = f"remove the check there with: {check}: ~"
            raise error_at(node, f"{version[:80]!r} is not a version, in {row.image}", hint=hint)
        return VersionExpected(version)

    return fill


VERSION = ExpectationKind(
    Field(FILLED, "the version that the output must show, compared by components"), _read, unfilled=as_text
)
