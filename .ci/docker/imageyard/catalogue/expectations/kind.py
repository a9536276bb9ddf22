"""A kind of expectation: the key of a check that says it, and how a catalogue's node becomes the expectation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from imageyard.catalogue.expectations.base import Expectation
from imageyard.catalogue.fill import Known, RowBeingFilled
from imageyard.catalogue.kinds import Field
from imageyard.catalogue.nodes import Node, Seq, Text, error_at
from imageyard.catalogue.suggest import did_you_mean

__all__ = ["ExpectationKind", "Fill", "arg_names", "as_text", "no_args"]

Fill: TypeAlias = Callable[[RowBeingFilled], Expectation]
"""Fills the placeholders of an expectation for one row. Raises ConfigurationError."""


@dataclass(frozen=True)
class ExpectationKind:
    """A key of a check.

    `read` takes the check's name and the key's checked node, and raises ConfigurationError; it need not look for
    unknown placeholders. `unfilled` gives what `inv explain` shows where no expectation was made of the key: it takes
    the text that was written, None where there is none.
    """

    field: Field
    read: Callable[[str, Node, Known], Fill]
    unfilled: Callable[[str | None], object]


def as_text(text: str | None) -> object:
    """Show a key that holds text as it was written."""
    return text


def no_args(_: str | None) -> object:
    """Show a key that names args as if it named none."""
    return []


def arg_names(node: Node | None, known: Known) -> tuple[str, ...]:
    """Read names of args; none where the key is absent. Raises ConfigurationError for one that no image sets."""
    if node is None:
        return ()
    assert isinstance(node, Seq)
    names = []
    for item in node.items:
        assert isinstance(item, Text)
        assert item.text is not None
        if item.text not in known.args:
            hint = did_you_mean(item.text, sorted(known.args))
            raise error_at(item, f"no image sets the arg {item.text[:100]!r}", hint=hint)
        names.append(item.text)
    if not names:
        raise error_at(node, f"{node.key} is empty", hint="name an arg, or remove the key")
    return tuple(names)
