"""The words of names: what the axes declare, and how a name is read as a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from imageyard.catalogue import braces
from imageyard.catalogue.grammar import ARGS, NAME
from imageyard.catalogue.kinds import check
from imageyard.catalogue.nodes import Map, Text, error_at, place
from imageyard.catalogue.scalars import FieldFault
from imageyard.catalogue.suggest import did_you_mean, nearest

__all__ = ["PLAIN", "Word", "Words"]

PLAIN = "plain"
"""The axis whose words say nothing of each other: a name may hold several of them."""
RESERVED = ("image", "arch")


class Word(NamedTuple):
    """A word, its axis, its args with `{}` filled, and the axis' node and key that declare it."""

    name: str
    axis: str
    args: Mapping[str, Text]
    node: Map
    key: str


class Words:
    """All words of a catalogue. Raises ConfigurationError for a word that is declared twice or badly."""

    def __init__(self, axes: Map | None) -> None:
        self.by_name: dict[str, Word] = {}
        self.axes: dict[str, tuple[str, ...]] = {}
        self.longest = 1  # in dashes + 1
        for axis, node in axes.items.items() if axes else ():
            assert axes is not None
            if axis in RESERVED:
                raise error_at(axes, f"an axis cannot be called {axis!r}: {{{axis}}} means the {axis}", key=axis)
            assert isinstance(node, Map)
            self.axes[axis] = tuple(word for key in node.items for word in self._declare(axis, node, key))

    def _declare(self, axis: str, node: Map, key: str) -> Iterator[str]:
        for name, alternative in _alternatives(node, key):
            if not re.fullmatch(NAME, name):
                hint = "lower-case letters, digits, '.', '_', and dashes between them"
                raise error_at(node, f"{name[:100]!r} cannot be a word", key=key, hint=hint)
            if other := self.by_name.get(name):
                hint = f"it is a word of {other.axis!r} at {place(other.node, other.key)} already"
                raise error_at(node, f"the word {name!r} is declared twice", key=key, hint=hint)
            if len(self.by_name) >= braces.EXPANSION_LIMIT:
                raise error_at(node, f"more than {braces.EXPANSION_LIMIT:,} words", key=key)
            self.by_name[name] = Word(name, axis, _args(node, key, alternative), node, key)
            self.longest = max(self.longest, name.count("-") + 1)
            yield name

    def expand(self, pattern: str, room: int) -> list[str]:
        """The names that a pattern stands for. Raises Fault."""
        if "{" not in pattern and "}" not in pattern:
            return [pattern]
        parts: list[braces.Part] = []
        for part in braces.split(pattern):
            if isinstance(part, tuple) and len(part) == 1:
                part = braces.words_of(part[0], self.axes, pattern, otherwise="a brace list of one names an axis")
            parts.append(part)
        return braces.product(parts, pattern, room)

    def read(self, name: str) -> tuple[Word, ...]:
        """The words of a name, longest first, at most one of an axis but `plain`. Raises Fault."""
        pieces = name.split("-")
        found = self._read(pieces, 0, set())
        if found is None:
            raise self._unreadable(name, pieces)
        taken: dict[str, str] = {}
        for word in found:
            if word.axis != PLAIN and taken.setdefault(word.axis, word.name) != word.name:
                both = f"{taken[word.axis]!r} and {word.name!r}"
                raise FieldFault(
                    f"{both} are both words of the axis {word.axis!r}, in {name!r}", "a name has one of an axis"
                )
        axes = [word.axis for word in found if word.axis != PLAIN]
        if len(set(axes)) < len(axes):
            raise FieldFault(f"a word stands twice in {name!r}", "a name has one word of an axis")
        return found

    def _read(self, pieces: list[str], start: int, dead: set[int]) -> tuple[Word, ...] | None:
        if start == len(pieces):
            return ()
        if start in dead:
            return None
        for end in range(min(len(pieces), start + self.longest), start, -1):
            word = self.by_name.get("-".join(pieces[start:end]))
            if word and (rest := self._read(pieces, end, dead)) is not None:
                return (word, *rest)
        dead.add(start)
        return None

    def _unreadable(self, name: str, pieces: list[str]) -> FieldFault:
        """Point at the first piece that no reading of what stands before it gets past."""
        reached = {0}
        for start in range(len(pieces)):
            if start in reached:
                ends = range(start + 1, min(len(pieces), start + self.longest) + 1)
                reached |= {end for end in ends if "-".join(pieces[start:end]) in self.by_name}
        start = max(reached - {len(pieces)})
        best = pieces[start]
        for end in range(start + 1, min(len(pieces), start + self.longest) + 1):
            text = "-".join(pieces[start:end])
            if nearest(text, self.by_name, cutoff=0.75):
                best = text
        if not best:
            return FieldFault(f"an empty word in {name[:120]!r}", "one dash stands between two words")
        hint = did_you_mean(best, self.by_name) or "declare it in axes"
        return FieldFault(f"unknown word {best[:100]!r} in the name {name[:120]!r}", hint)


def _alternatives(node: Map, key: str) -> list[tuple[str, str | None]]:
    """A word's spellings, each with the alternative that was taken. Raises ConfigurationError."""
    if "{" not in key and "}" not in key:
        return [(key, None)]
    try:
        parts = braces.split(key)
    except FieldFault as fault:
        raise error_at(node, fault.headline, key=key, hint=fault.hint) from None
    lists = [part for part in parts if isinstance(part, tuple)]
    if len(lists) > 1:
        hint = "write the word out for each alternative of one of them"
        raise error_at(node, f"the word {key[:100]!r} holds two brace lists", key=key, hint=hint)
    if len(lists[0]) == 1:
        hint = "write {a,b}; an axis cannot be named here"
        raise error_at(node, f"the brace list of {key[:100]!r} has one alternative", key=key, hint=hint)
    before, _, rest = key.partition("{")
    after = rest.partition("}")[2]
    return [(before + alternative + after, alternative) for alternative in lists[0]]


def _args(node: Map, key: str, alternative: str | None) -> dict[str, Text]:
    """A word's args, `{}` filled. Raises ConfigurationError where there is nothing to fill it with."""
    declared = node.items[key]
    args: dict[str, Text] = {}
    for name, value in declared.items.items() if isinstance(declared, Map) else ():
        assert isinstance(value, Text)
        if value.text is not None and "{}" in value.text:
            if alternative is None:
                headline = f"'{{}}' stands for the alternative of a word's brace list; the word {key!r} has none"
                raise error_at(value, headline)
            value = value.copy(value.text.replace("{}", alternative))
            check(ARGS.value, value)
        args[name] = value
    return args
