"""Which arguments can change what a build reads: rows that agree on those share one reading."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from imageyard.recipe.dockerfile.instructions import Arg, Copy, Env, Expanded, Instruction, Onbuild, RunInstruction
from imageyard.recipe.dockerfile.stages import Dockerfile

__all__ = ["live_names"]

_SETS = re.compile(r"\A\s*(ARG|ENV)\b", re.IGNORECASE)
_NAME = re.compile(r"\$\{?(\d+|\w+)")


def live_names(dockerfile: Dockerfile) -> frozenset[str] | None:
    """Names whose values decide paths, images or errors; more than needed rather than fewer. None: any may.

    A name is live where a word that is read uses it, where `${NAME?}` may fail on it, and where a live name's value
    is made of it. All global arguments are, because they decide which others count.
    """
    live: set[str] = set()
    made_of: dict[str, set[str]] = {}
    for arg in dockerfile.global_args:
        for name, default in arg.pairs:
            live |= {name, *_names((default or "",))}
    for stage in dockerfile.stages:
        live |= _names((stage.origin.base, stage.origin.platform))
        for instruction in stage.instructions:
            for name, value in _pairs(instruction):
                if "$" in name:
                    return None
                used = _names((value,))
                made_of.setdefault(name, set()).update(used)
                live |= used if "?" in value else set()
            live |= _names(_words(instruction))
            if isinstance(instruction, Onbuild) and _SETS.search(instruction.trigger):
                return None
    todo = list(live)
    while todo:
        more = made_of.get(todo.pop(), set()) - live
        live |= more
        todo += more
    return frozenset(live)


def _names(words: Iterable[str]) -> set[str]:
    return {name for word in words for name in _NAME.findall(word)}


def _pairs(instruction: Instruction) -> Iterator[tuple[str, str]]:
    if isinstance(instruction, Env):
        yield from instruction.pairs
    elif isinstance(instruction, Arg):
        yield from ((name, default or "") for name, default in instruction.pairs)


def _words(instruction: Instruction) -> tuple[str, ...]:
    match instruction:
        case Copy():
            return (*instruction.sources, *instruction.rest, instruction.chmod, instruction.checksum)
        case RunInstruction():
            return instruction.mounts
        case Expanded():
            return instruction.words
        case Onbuild():
            return (instruction.trigger,)
        case _:
            return ()
