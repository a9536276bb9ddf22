"""The nearest known word, for errors that name an unknown one."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def nearest(word: str, known: Iterable[str], *, count: int = 1, cutoff: float = 0.6) -> list[str]:
    """Up to `count` known words that look like `word`, nearest first."""
    import difflib  # only an error needs it

    return difflib.get_close_matches(word[:200], list(known), count, cutoff)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or the known words where none is near, or nothing where there are none or many."""
    words = list(known)
    if close := nearest(word, words):
        return f"did you mean {close[0]!r}?"
    if words and len(words) <= 30:
        return f"known: {', '.join(words)}"
    return ""
