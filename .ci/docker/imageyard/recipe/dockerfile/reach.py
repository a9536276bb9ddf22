"""Which stages a target needs: by FROM, COPY --from and mounts, ONBUILD of stages in the file among them.

Modelled on BuildKit 0.25, frontend/dockerfile/dockerfile2llb/convert.go (buildDispatchStates to resolveStages).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from imageyard.errors import ConfigurationError
from imageyard.recipe.dockerfile.fault import Fault, suggestion
from imageyard.recipe.dockerfile.instructions import Copy, Instruction, RunInstruction
from imageyard.recipe.dockerfile.references import familiar
from imageyard.recipe.dockerfile.scope import Globals, substitution
from imageyard.recipe.dockerfile.stages import Bases, Dockerfile, parsed_triggers, triggers

__all__ = ["Linked", "link", "reached"]

_INDEX = re.compile(r"[+-]?[0-9]+")
_PLATFORM = re.compile(r"[A-Za-z0-9_.-]+(?:\([A-Za-z0-9_.-]*\))?(/[A-Za-z0-9_.-]+){0,2}")


@dataclass
class Linked:
    """A stage with its FROM resolved. `base` is a stage's index, else `image` names what it starts from."""

    index: int
    name: str
    line: int
    image: str  # empty: a stage, or scratch
    base: int | None
    platform: str
    seen: frozenset[str]  # names that its FROM looked up
    platform_names: frozenset[str]  # of these, the ones in its `--platform`
    replaced: bool  # by a named context: nothing is run in it
    instructions: tuple[Instruction, ...]
    count: int  # of all stages
    names: Mapping[str, int] = field(repr=False)  # of all stages, in lower case; a later one hides an earlier one

    def stage_of(self, origin: str, *, numbers: bool) -> int | None:
        """The stage that a `from` means, or None for an image. Raises Fault for a number that no stage has."""
        if numbers and _INDEX.fullmatch(origin):
            if len(origin) > 9 or not 0 <= int(origin) < self.count:
                hint = f"stages are counted from 0 to {self.count - 1}"
                raise Fault(f"--from={origin[:20]}: there is no such stage", hint)
            return int(origin)
        return self.names.get(origin.lower())


def link(dockerfile: Dockerfile, scope: Globals, contexts: Collection[str]) -> list[Linked]:
    """Resolve the FROM of every stage. `contexts` are the named contexts, which replace stages of their name.

    Raises ConfigurationError: an empty base name, a malformed platform.
    """
    found: list[Linked] = []
    names: dict[str, int] = {}
    for index, stage in enumerate(dockerfile.stages):
        origin = stage.origin
        seen: set[str] = set()
        in_platform: set[str] = set()
        try:
            base = substitution(scope.values, dockerfile.escape, seen)(origin.base)
            if not base:
                raise _empty(origin.base, seen, scope)
            wanted = substitution(scope.values, dockerfile.escape, in_platform)(origin.platform)
            platform = _platform(wanted, origin.platform) if origin.platform else ""
        except Fault as fault:
            raise fault.at(dockerfile.file, origin.line) from None
        replaced = bool(origin.name) and familiar(origin.name) in contexts
        linked = Linked(
            index,
            origin.name,
            origin.line,
            image=origin.name if replaced else "" if base in names or base == "scratch" else base,
            base=None if replaced else names.get(base),
            platform=platform,
            seen=frozenset(seen | in_platform),
            platform_names=frozenset(in_platform),
            replaced=replaced,
            instructions=() if replaced else stage.instructions,
            count=len(dockerfile.stages),
            names=names,
        )
        found.append(linked)
        if origin.name:
            names[origin.name] = index
    return found


def _empty(written: str, seen: Collection[str], scope: Globals) -> Fault:
    unset = sorted(name for name in seen if not scope.values.get(name))
    if not unset:
        return Fault(f"the base name ({written[:100]}) is empty", "name an image")
    hint = suggestion(unset[0], [name for name in scope.values if name not in unset])
    return Fault(
        f"the base name ({written[:100]}) is empty: {', '.join(unset)} has no value here",
        (f"declare it before the first FROM (ARG {unset[0]}=...), or give it in the catalogue's args", hint),
    )


def _platform(platform: str, written: str) -> str:
    if not platform or not _PLATFORM.fullmatch(platform):
        raise Fault(f"--platform={written[:100]} is no platform: {platform[:100]!r}", "write it as linux/amd64")
    return platform


def target_of(dockerfile: Dockerfile, linked: list[Linked], target: str | None) -> int:
    """The stage to build. Raises ConfigurationError for one that does not exist."""
    if not target:
        return len(linked) - 1
    names = linked[0].names
    if (index := names.get(target.lower())) is None:
        raise ConfigurationError(
            f"{dockerfile.file} has no stage {target!r}",
            doing="choosing the target",
            at=f"{dockerfile.file}:1",
            hint=suggestion(target, names) or f"its named stages: {', '.join(names) or 'none'}",
        )
    return index


def reached(dockerfile: Dockerfile, linked: list[Linked], target: int, bases: Bases) -> list[Linked]:
    """The stages that `target` needs, itself last, with the ONBUILD triggers they inherit at their start.

    `bases` says what images leave.
    Raises ConfigurationError: a stage used before it is defined, a stage number that does not exist.
    """
    order: list[Linked] = []
    todo, done = [target], set[int]()
    while todo:
        index = todo.pop()
        if index in done:
            continue
        done.add(index)
        stage = linked[index]
        if stage.base is not None:
            begin = triggers(dockerfile, dockerfile.stages[stage.base], stage.line)
            stage.instructions = begin + stage.instructions
            todo.append(stage.base)
        elif stage.image and not stage.replaced:
            left = bases(stage.image, stage.platform)
            texts = [(each, f"the trigger is in {stage.image}") for each in left.triggers]
            stage.instructions = parsed_triggers(dockerfile, texts, stage.line) + stage.instructions
        for line, used in _used(dockerfile, stage):
            if used >= index:
                name = linked[used].name or str(used)
                raise Fault(
                    f"stage {name!r} is used before it is defined"
                    if used > index
                    else f"stage {name!r} depends on itself",
                    "move its FROM in front of this stage",
                ).at(dockerfile.file, line)
            todo.append(used)
        order.append(stage)
    for stage in linked:
        if stage.index not in done:
            _check_unreached(dockerfile, linked, stage)
    return sorted(order, key=lambda stage: stage.index)


def _used(dockerfile: Dockerfile, stage: Linked) -> Iterator[tuple[int, int]]:
    for instruction in stage.instructions:
        try:
            match instruction:
                case Copy(origin=origin) if origin and (used := stage.stage_of(origin, numbers=True)) is not None:
                    yield instruction.line, used
                case RunInstruction(origins=origins):
                    for origin in filter(None, origins):
                        if (used := stage.stage_of(origin, numbers=False)) is not None:
                            yield instruction.line, used
                case _:
                    pass
        except Fault as fault:
            raise fault.at(dockerfile.file, instruction.line) from None


def _check_unreached(dockerfile: Dockerfile, linked: list[Linked], stage: Linked) -> None:
    """BuildKit refuses a circle of stages wherever it is."""
    for line, used in _used(dockerfile, stage):
        todo, done = [used], set[int]()
        while used >= stage.index and todo:
            index = todo.pop()
            if index == stage.index:
                raise Fault("the stage depends on itself", "remove one of the two uses").at(dockerfile.file, line)
            if index not in done:
                done.add(index)
                base = linked[index].base
                todo += [base] if base is not None else []
                todo += [each for _, each in _used(dockerfile, linked[index])]
