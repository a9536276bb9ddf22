"""Brace lists: `{a,b}`, `{,-x}` and `{axis}`, each on its own, none inside another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from imageyard.catalogue.scalars import FieldFault
from imageyard.catalogue.suggest import did_you_mean

__all__ = ["EXPANSION_LIMIT", "Part", "product", "split", "words_of"]

EXPANSION_LIMIT = 20_000
"""How many names one catalogue may hold; a slip of braces gives millions."""

Part: TypeAlias = "str | tuple[str, ...]"
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._*{},-]")


def split(pattern: str) -> list[Part]:
    """Literal text and brace lists, in turn; a list of one alternative is `{axis}`. Raises Fault."""
    if match := re.search(r"\s", pattern):
        raise FieldFault(f"{pattern[:100]!r} holds a space", "write {a,b} without spaces")
    parts: list[Part] = []
    rest = pattern
    while rest:
        literal, opened, rest = rest.partition("{")
        if "}" in literal:
            raise FieldFault(f"'}}' without '{{' in {pattern[:100]!r}")
        if literal:
            parts.append(literal)
        if not opened:
            break
        inside, closed, rest = rest.partition("}")
        if "{" in inside:
            raise FieldFault(f"a brace list within a brace list in {pattern[:100]!r}", "write the alternatives out")
        if not closed:
            raise FieldFault(f"'{{' is not closed in {pattern[:100]!r}")
        if not inside:
            raise FieldFault(f"an empty brace list in {pattern[:100]!r}", "write {a,b}, {,-x} or {axis}")
        alternatives = tuple(inside.split(","))
        if len(set(alternatives)) < len(alternatives):
            raise FieldFault(f"an alternative stands twice in '{{{inside[:100]}}}'")
        parts.append(alternatives)
    for part in parts:
        for text in (part,) if isinstance(part, str) else part:
            if (match := _NOT_IN_NAMES.search(text)) and not (len(part) == 1 and match[0] == "_"):
                raise FieldFault(f"the character {match[0]!r} cannot be part of a name, in {pattern[:100]!r}")
    return parts


def words_of(axis: str, axes: Mapping[str, Sequence[str]], pattern: str, otherwise: str = "") -> tuple[str, ...]:
    """The alternatives that `{axis}` in a pattern is short for: the words of that axis.

    Raises FieldFault for an axis that is not declared; its hint is `otherwise` where none is near and they are many.
    """
    if axis not in axes:
        hint = did_you_mean(axis, axes) or otherwise
        raise FieldFault(f"unknown axis {axis[:100]!r} in {pattern[:100]!r}", hint)
    return tuple(axes[axis])


def product(parts: Sequence[Part], pattern: str, room: int = 2_000) -> list[str]:
    """Every combination, the last list varying fastest. Raises Fault for more than `room`."""
    total = 1
    for part in parts:
        total *= 1 if isinstance(part, str) else len(part)
        if total > room:
            raise FieldFault(f"{pattern[:100]!r} stands for more than {room:,} names", "split it up")
    names = [""]
    for part in parts:
        alternatives = (part,) if isinstance(part, str) else part
        names = [name + text for name in names for text in alternatives]
    return names
