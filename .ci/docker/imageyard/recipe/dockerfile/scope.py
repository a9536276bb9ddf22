"""The arguments that hold before the first FROM, and which of the given ones a value came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.lexer import substitute
from imageyard.recipe.dockerfile.stages import Dockerfile

__all__ = ["Globals", "asks_for_builder", "automatic", "globals_of", "substitution"]


@dataclass(frozen=True)
class Globals:
    """Values of the global arguments, and for each the names of all arguments that decide it."""

    values: Mapping[str, str]
    decided_by: Mapping[str, frozenset[str]]


_BUILDERS = re.compile(r"\bBUILD(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT)\b")


def asks_for_builder(text: str) -> bool:
    """Whether a text names one of the arguments that hold the platform of the machine that builds."""
    return _BUILDERS.search(text) is not None


def automatic(platform: str, target: str, builder: str) -> dict[str, str]:
    """The arguments that BuildKit sets by itself (BuildKit 0.25, dockerfile2llb/platform.go)."""
    values = {"TARGETSTAGE": target or "default"}
    for side, of in (("BUILD", builder), ("TARGET", platform)):
        system, _, arch = of.partition("/")
        arch, _, variant = arch.partition("/")
        values |= {
            f"{side}PLATFORM": of,
            f"{side}OS": system,
            f"{side}OSVERSION": "",
            f"{side}ARCH": arch,
            f"{side}VARIANT": variant,
        }
    return values


def substitution(values: Mapping[str, str], escape: str, seen: set[str] | None = None) -> Callable[[str], str]:
    """A function that substitutes in a word; names that were looked up go to `seen`."""
    if seen is None:
        return lambda word: substitute(word, values.get, escape)

    def lookup(name: str) -> str | None:
        seen.add(name)
        return values.get(name)

    return lambda word: substitute(word, lookup, escape)


def globals_of(dockerfile: Dockerfile, args: Mapping[str, str], platform: str, target: str, builder: str) -> Globals:
    """The global arguments of a file. Raises ConfigurationError for a default that cannot be substituted."""
    values = automatic(platform, target, builder)
    values |= {name: args[name] for name in values if name in args}
    decided_by = {name: frozenset((name,)) for name in values}
    for instruction in dockerfile.global_args:
        for name, default in instruction.pairs:
            deciders = frozenset((name,))
            if name in args:
                values[name] = args[name]
            elif default is not None:
                seen: set[str] = set()
                try:
                    values[name] = substitution(values, dockerfile.escape, seen)(default)
                except Fault as fault:
                    raise fault.at(dockerfile.file, instruction.line) from None
                deciders = deciders.union(*(decided_by.get(each, frozenset((each,))) for each in seen))
            decided_by[name] = deciders
    return Globals(values, decided_by)
