"""Words that hang on what a base sets where that is not known: marked, carried along, and refused as a path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.lexer import substitute

__all__ = ["decided_part", "require_decided", "substitution_over"]

_MARK = "\0"  # no Dockerfile that BuildKit builds has one


class _Undecided(Exception):
    """A variable that the base may set was looked up."""


def substitution_over(bases: Sequence[str], values: Mapping[str, str], escape: str) -> Callable[[str], str]:
    """A function that substitutes in a word of a stage whose `bases` may set more than `values` has.

    A word that needs such a variable is substituted as if that were not set, and marked. So is one that needs a
    value which is marked.
    """

    def lookup(name: str) -> str:
        value = values.get(name)
        if value is None:
            raise _Undecided(_MARK.join(("", name, bases[0])))
        if _MARK in value:
            raise _Undecided(value[value.index(_MARK) :])
        return value

    def substituted(word: str) -> str:
        try:
            return substitute(word, lookup, escape)
        except _Undecided as undecided:
            return _as_if_unset(word, values, escape) + str(undecided)

    return substituted


def _as_if_unset(word: str, values: Mapping[str, str], escape: str) -> str:
    try:
        return substitute(word, lambda name: decided_part(values.get(name, "")), escape)
    except Fault:  # ${NAME?}: the base may have it
        return ""


def decided_part(text: str) -> str:
    """A text without its mark."""
    return text.partition(_MARK)[0]


def require_decided(path: str) -> None:
    """Raise Fault for a path that is marked, naming the variable and the base."""
    _, marked, about = path.partition(_MARK)
    if marked:
        name, _, base = about.partition(_MARK)
        raise Fault(
            f"{name} decides which files are read, and whether {base} sets it is not known",
            ("inv lock    (asks what the base sets)", f"or give it a value here: ENV {name}=..., or ARG {name}=..."),
        )
