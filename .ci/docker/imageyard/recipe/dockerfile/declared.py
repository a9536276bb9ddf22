"""Which arguments a Dockerfile declares, in whatever stage, and those that its ONBUILD declares for a child."""

from __future__ import annotations

import re
from collections.abc import Iterable

from imageyard.recipe.dockerfile.instructions import Arg, Onbuild
from imageyard.recipe.dockerfile.stages import Dockerfile

__all__ = ["declared_args", "triggered_args"]

_ARG = re.compile(r"\s*ARG\s+(.*)", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def declared_args(dockerfile: Dockerfile) -> frozenset[str]:
    """The names that any ARG declares."""
    found = {name for arg in dockerfile.global_args for name, _ in arg.pairs}
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            if isinstance(instruction, Arg):
                found |= {name for name, _ in instruction.pairs}
            elif isinstance(instruction, Onbuild):
                found |= triggered_args((instruction.trigger,))
    return frozenset(found)


def triggered_args(triggers: Iterable[str]) -> set[str]:
    """The names that triggers may declare: more than they do rather than fewer."""
    return {name for trigger in triggers if (found := _ARG.match(trigger)) for name in _NAME.findall(found[1])}
