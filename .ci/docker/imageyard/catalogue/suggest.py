"""The nearest known word, for errors that name an unknown one."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def nearest(word: str, known: Iterable[str], *, count: int = 1, cutoff: float = 0.7) -> list[str]:
    """Up to `count` known words that look like `word`, nearest first; swapped letters are the likeliest slip."""
    import difflib  # only an error needs it

    words = list(known)
    swapped = [other for other in words if len(other) == len(word) and sorted(other) == sorted(word)]
    close = difflib.get_close_matches(word[:200], words, count, cutoff)
    return list(dict.fromkeys([*swapped, *close]))[:count]


def did_you_mean(word: str, known: Iterable[str], *, listed: bool = True, cutoff: float = 0.7) -> str:
    """`did you mean 'x'?`; where none is near, the known words if they are few and `listed`, or nothing."""
    words = list(known)
    if close := nearest(word, words, cutoff=cutoff):
        return f"did you mean {close[0]!r}?"
    if listed and words and len(words) <= 30:
        return f"known: {', '.join(words)}"
    return ""
