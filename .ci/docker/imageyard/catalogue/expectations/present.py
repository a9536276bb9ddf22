"""`present: [ARG]`: the command passes exactly when one of these args is set, and is absent otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imageyard.catalogue.expectations.base import Verdict, exit_words
from imageyard.catalogue.expectations.kind import ExpectationKind, Fill, arg_names, no_args
from imageyard.catalogue.fill import Known, RowBeingFilled
from imageyard.catalogue.forms import ARG_NAME
from imageyard.catalogue.kinds import Field, ListOf
from imageyard.catalogue.nodes import Node
from imageyard.ran import Ended

__all__ = ["PRESENT", "PresenceExpected"]


@dataclass(frozen=True)
class PresenceExpected:
    """A program is in the image exactly when one of `names` is set."""

    names: tuple[str, ...]

    @property
    def keys(self) -> Mapping[str, object]:
        """The key `present`."""
        return {"present": list(self.names)}

    def expected(self, args: Mapping[str, str]) -> str:
        """Say which side is expected, and for which arg."""
        for name in self.names:
            if args.get(name):
                return f"exit status 0 ({name} is set)"
        verb = "is" if len(self.names) == 1 else "are"
        return f"absent ({', '.join(self.names)} {verb} unset)"

    def judge(self, ended: Ended, args: Mapping[str, str]) -> Verdict:
        """Judge by the exit status; a program that is there and crashes is not absent: a signal satisfies no side."""
        if any(args.get(name) for name in self.names):
            return Verdict(ended.code == 0, exit_words(ended.code))
        if ended.code == 0:
            return Verdict(False, "present (exit status 0)")
        return Verdict(0 < ended.code <= 128, exit_words(ended.code))


def _read(check: str, node: Node, known: Known) -> Fill:
    expectation = PresenceExpected(arg_names(node, known))

    def fill(row: RowBeingFilled) -> PresenceExpected:
        return expectation

    return fill


PRESENT = ExpectationKind(
    Field(ListOf(ARG_NAME), "args: the command must pass exactly when one of them is set"), _read, unfilled=no_args
)
