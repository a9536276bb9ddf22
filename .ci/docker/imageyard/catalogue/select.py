"""The one selector language: names with `{a,b}` and `*`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from imageyard.catalogue import braces
from imageyard.catalogue.scalars import FieldFault
from imageyard.catalogue.suggest import nearest
from imageyard.errors import ConfigurationError

__all__ = ["select"]


def select(pattern: str, names: Iterable[str], axes: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """The names that a pattern selects, in the order given.

    `*` stands for any text, also for none; `{a,b}` and `{,-x}` for their alternatives; `{axis}` for the words of an
    axis, where `axes` says what they are. Raises ConfigurationError where nothing is selected, or where an
    alternative that was written out selects nothing: it is a slip then, and must not narrow a run in silence.
    """
    known = list(names)
    if pattern in known:
        return [pattern]
    try:
        parts, written = _parts(pattern, axes or {})
        texts = braces.product(parts, pattern)
    except FieldFault as fault:
        raise ConfigurationError(fault.headline, doing="reading a pattern of images", hint=fault.hint) from None
    matched = _matched(texts, known)
    if not matched:
        raise _nothing(pattern, texts, known)
    for index in written:
        for alternative in parts[index]:
            one = [*parts[:index], alternative, *parts[index + 1 :]]
            if not _matched(braces.product(one, pattern), matched):
                headline = f"the alternative {alternative!r} of {pattern!r} selects no image"
                pieces = dict.fromkeys(piece for name in known for piece in name.split("-"))
                close = nearest(alternative.strip("-"), pieces)
                hint = f"did you mean {close[0]!r}?" if close else "leave it out, or see: inv list"
                raise ConfigurationError(headline, doing="reading a pattern of images", hint=hint)
    return matched


def _parts(pattern: str, axes: Mapping[str, Sequence[str]]) -> tuple[list[braces.Part], list[int]]:
    """The parts of a pattern, and which of them are lists that were written out. Raises Fault."""
    if not pattern:
        raise FieldFault("the pattern is empty", "write '*' for all images")
    parts: list[braces.Part] = []
    written: list[int] = []
    for part in braces.split(pattern):
        if isinstance(part, tuple) and len(part) == 1:
            part = braces.words_of(part[0], axes, pattern)
        elif isinstance(part, tuple):
            written.append(len(parts))
        elif "," in part:
            raise FieldFault(f"a comma outside braces in {pattern[:100]!r}", "write one pattern: '{a,b}'")
        parts.append(part)
    return parts, written


def _matched(texts: Sequence[str], names: Sequence[str]) -> list[str]:
    exact = {text for text in texts if "*" not in text}
    globs = [text.split("*") for text in texts if "*" in text]
    return [name for name in names if name in exact or any(_fits(name, pieces) for pieces in globs)]


def _fits(name: str, pieces: Sequence[str]) -> bool:
    """Whether a name holds the pieces in turn, with anything between: each taken at its first chance."""
    first, *middle, last = pieces
    if len(name) < len(first) + len(last) or not (name.startswith(first) and name.endswith(last)):
        return False
    start, end = len(first), len(name) - len(last)
    for piece in middle:
        found = name.find(piece, start, end)
        if found < 0:
            return False
        start = found + len(piece)
    return True


def _nothing(pattern: str, texts: Sequence[str], known: Sequence[str]) -> ConfigurationError:
    close = nearest(texts[0].replace("*", ""), known, count=3, cutoff=0.5)
    hints = [f"did you mean {', '.join(map(repr, close))}?"] if close else []
    shown = repr(pattern[:120])
    literal = texts == [pattern] and "*" not in pattern
    headline = f"no image is called {shown}" if literal else f"{shown} selects no image"
    return ConfigurationError(headline, hint=[*hints, "see all of them with: inv list"])
