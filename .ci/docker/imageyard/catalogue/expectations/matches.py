"""`matches: EXPRESSION`: the command passes, and a regular expression is found in what it writes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from imageyard.catalogue import scalars
from imageyard.catalogue.expectations.base import Verdict, exit_words, first_words
from imageyard.catalogue.expectations.kind import ExpectationKind, Fill, as_text
from imageyard.catalogue.fill import Known, RowBeingFilled
from imageyard.catalogue.kinds import Field, Scalar
from imageyard.catalogue.nodes import Node, Text, error_at
from imageyard.errors import ConfigurationError
from imageyard.ran import Ended

__all__ = ["MATCHES", "MatchExpected"]


@dataclass(frozen=True)
class MatchExpected:
    """The output matches an expression: standard output and then standard error, without line feeds at their ends."""

    expression: str

    @property
    def keys(self) -> Mapping[str, object]:
        """The key `matches`."""
        return {"matches": self.expression}

    def expected(self, args: Mapping[str, str]) -> str:
        """Name the expression. Raises ConfigurationError where it is no regular expression."""
        return f"output matching {self._pattern().pattern!r}"

    def judge(self, ended: Ended, args: Mapping[str, str]) -> Verdict:
        """Judge the output of a command that passed; that of one that failed is not looked at."""
        if ended.code != 0:
            return Verdict(False, exit_words(ended.code))
        output = "\n".join(part for part in (ended.out.rstrip("\n"), ended.err.rstrip("\n")) if part)
        return Verdict(self._pattern().search(output) is not None, first_words(ended))

    def _pattern(self) -> re.Pattern[str]:
        try:
            return re.compile(self.expression)
        except re.error as error:
            raise ConfigurationError(f"matches {self.expression!r} is no regular expression: {error}") from None


def _read(check: str, node: Node, known: Known) -> Fill:
    assert isinstance(node, Text)

    def fill(row: RowBeingFilled) -> MatchExpected:
        return MatchExpected(_expression(node, row))

    return fill


def _expression(node: Text, row: RowBeingFilled) -> str:
    """Return a regular expression in which values stand for themselves: the dot of `3.10` is a dot."""
    if node.parts is None:
        assert node.text is not None
        expression = node.text
    else:
        parts = enumerate(node.parts)
        expression = "".join(re.escape(row.value(part, node)) if index % 2 else part for index, part in parts)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(expression)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise error_at(node, f"not a regular expression: {error}") from None
    return expression


MATCHES = ExpectationKind(
    Field(Scalar("a regular expression", scalars.arg_value, fill=True), "what the output must match"),
    _read,
    unfilled=as_text,
)
