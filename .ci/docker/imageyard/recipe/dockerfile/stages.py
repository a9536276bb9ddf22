"""A Dockerfile as global arguments and stages, each with its instructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from imageyard.errors import ConfigurationError
from imageyard.recipe.dockerfile import lines
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.instructions import Arg, From, Instruction, Onbuild, parse

__all__ = ["Bases", "Dockerfile", "Inherited", "Stage", "parsed_triggers", "read", "triggers"]


@dataclass(frozen=True)
class Inherited:
    """What an image leaves to a stage that is built from it: its environment, and its ONBUILD triggers in order.

    `unknown` are the bases below it of which nobody has been asked: they may set more than `environment` holds.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    triggers: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """All of it, as a key."""
        return tuple(sorted(self.environment.items())), self.triggers, self.unknown


Bases: TypeAlias = Callable[[str, str], Inherited]
"""What an image leaves to a stage that starts from it: its name as it stands behind FROM, and `--platform` or ''."""


@dataclass(frozen=True)
class Stage:
    """A stage as written: its FROM, the instructions that decide what it reads, and the lines of all."""

    origin: From
    instructions: tuple[Instruction, ...]
    lines: tuple[lines.Line, ...] = ()


@dataclass(frozen=True)
class Dockerfile:
    """A whole Dockerfile; `file` is its name in errors."""

    file: str
    escape: str
    frontend: str | None
    global_args: tuple[Arg, ...]
    stages: tuple[Stage, ...]


def read(data: bytes, file: str) -> Dockerfile:
    """Read a Dockerfile as BuildKit would. Raises ConfigurationError with `FILE:LINE` and what to change."""
    text = lines.read(data, file)
    global_args: list[Arg] = []
    stages: list[tuple[From, list[Instruction], list[lines.Line]]] = []
    for line in text.lines:
        try:
            found = parse(line, text.escape)
        except Fault as fault:
            raise fault.at(file, line.number) from None
        if isinstance(found, From):
            stages.append((found, [], []))
        elif not stages:
            if not isinstance(found, Arg):
                early = Fault(f"no stage: {line.keyword} stands before the first FROM", "begin with FROM")
                raise early.at(file, line.number)
            global_args.append(found)
        else:
            stages[-1][1].extend([found] if found is not None else [])
            stages[-1][2].append(line)
    if not stages:
        raise Fault("no FROM: there is no stage to build", "add FROM IMAGE").at(file, text.lines[-1].number)
    return Dockerfile(
        file,
        text.escape,
        text.frontend,
        tuple(global_args),
        tuple(Stage(origin, tuple(instructions), tuple(written)) for origin, instructions, written in stages),
    )


def triggers(dockerfile: Dockerfile, base: Stage, line: int) -> tuple[Instruction, ...]:
    """What the ONBUILD instructions of `base` put at the start of a stage that begins at `line`.

    Raises ConfigurationError, at the FROM that brings it in, for a trigger that is no instruction.
    """
    own = [each for each in base.instructions if isinstance(each, Onbuild)]
    return parsed_triggers(dockerfile, [(each.trigger, f"the trigger is at line {each.line}") for each in own], line)


def parsed_triggers(dockerfile: Dockerfile, texts: Sequence[tuple[str, str]], line: int) -> tuple[Instruction, ...]:
    """Read triggers, each with words that say where it comes from, as if they stood at `line`.

    BuildKit reads each as a file of its own, whose escape character is always the backslash.
    Raises ConfigurationError for a trigger that is no instruction.
    """
    instructions: list[Instruction] = []
    for trigger, whence in texts:
        try:
            text = lines.read(trigger.encode(), dockerfile.file)
            if len(text.lines) != 1:
                raise Fault("an ONBUILD trigger is a single instruction")
            instruction = parse(text.lines[0], text.escape)
        except (Fault, ConfigurationError) as fault:
            more = (fault.hint,) if isinstance(fault.hint, str) else tuple(fault.hint)
            raise Fault(f"ONBUILD: {fault.headline}", (whence, *more)).at(dockerfile.file, line) from None
        if instruction is not None:
            instructions.append(replace(instruction, line=line))
    return tuple(instructions)
