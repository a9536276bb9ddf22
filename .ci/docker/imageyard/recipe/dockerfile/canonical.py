"""The instructions of a Dockerfile as a recipe holds them: what BuildKit parses them to, however they are written.

Comments, blank lines, how lines are continued, the letters of keywords, the names of stages, stages that only give
another name to what they start from, and what is not reached are no part of it: they change no layer and nothing in the
image's config (tried on BuildKit 0.25).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from imageyard.recipe.dockerfile import flags, split
from imageyard.recipe.dockerfile.instructions import Arg, Copy, Instruction, Onbuild, RunInstruction, parse
from imageyard.recipe.dockerfile.lines import Line
from imageyard.recipe.dockerfile.reach import Linked
from imageyard.recipe.dockerfile.references import familiar, is_reference
from imageyard.recipe.dockerfile.scope import Globals
from imageyard.recipe.dockerfile.stages import Dockerfile

__all__ = ["Instructions", "instructions"]

Instructions: TypeAlias = Mapping[str, object]
"""Plain values, as JSON has them: `escape`, where it is not the backslash; `globals`, those before the first FROM that
reach a stage; `stages`, the reached ones, of which the last is built."""

_ABSENT = ["given"]
"""In place of a default: the argument is given, and its value stands among the recipe's args."""


def instructions(
    dockerfile: Dockerfile, reached: Sequence[Linked], scope: Globals, args: Collection[str]
) -> Instructions:
    """The instructions that make the image; `args` are the names of the arguments that are given."""
    used = {name for stage in reached for name in _looked_up(dockerfile, stage, args)}
    names = set[str]().union(*(scope.decided_by.get(name, {name}) for name in used))
    before = [_pair(pair, args) for arg in dockerfile.global_args for pair in arg.pairs if pair[0] in names]
    before += [[name, scope.values[name]] for name in names & {"TARGETSTAGE"} if name not in args]
    # a trigger names stages in its text, which alone says nothing of what is under a name
    named = any(len(stage.instructions) > len(dockerfile.stages[stage.index].instructions) for stage in reached)
    own = [stage for stage in reached if named or stage is reached[-1] or not _is_name(dockerfile, stage)]
    place = _places(reached, own)
    stages = [_stage(dockerfile, stage, place, args, named=named) for stage in own]
    escape = {} if dockerfile.escape == "\\" else {"escape": dockerfile.escape}
    return {**escape, "globals": before, "stages": stages}


def _places(reached: Sequence[Linked], own: Sequence[Linked]) -> Mapping[int, object]:
    """What stands for each stage: its number among `own`, or, for one that is only a name, what it is a name of."""
    place: dict[int, object] = {stage.index: number for number, stage in enumerate(own)}
    for stage in reached:
        if stage.index not in place:
            place[stage.index] = _start(stage, place)
    return place


def _is_name(dockerfile: Dockerfile, stage: Linked) -> bool:
    """Whether a stage does nothing but give what it starts from another name."""
    written = dockerfile.stages[stage.index]
    return not (written.lines or stage.instructions or written.origin.platform or stage.replaced)


def _start(stage: Linked, place: Mapping[int, object]) -> object:
    if stage.base is not None:
        return place[stage.base]
    if stage.image:
        return familiar(stage.image) if is_reference(stage.image) else stage.image
    return "scratch"


def _looked_up(dockerfile: Dockerfile, stage: Linked, args: Collection[str]) -> set[str]:
    """The arguments that stand before the first FROM and that a stage looks up."""
    found = set(stage.platform_names)
    for instruction in stage.instructions:
        if isinstance(instruction, Arg):
            found |= {name for name, default in instruction.pairs if default is None and name not in args}
    return found


def _stage(
    dockerfile: Dockerfile, stage: Linked, place: Mapping[int, object], args: Collection[str], *, named: bool
) -> dict[str, object]:
    written = dockerfile.stages[stage.index]
    record: dict[str, object] = {"from": _start(stage, place)}
    if written.origin.platform:
        record["platform"] = written.origin.platform
    if named and stage.name:
        record["name"] = stage.name
    if not stage.replaced:
        origin = _origins(stage, place)
        record["do"] = [_instruction(line, dockerfile.escape, origin, args) for line in written.lines]
    return record


def _origins(stage: Linked, place: Mapping[int, object]) -> Callable[[str, bool], object]:
    """What a `from` of a stage means: the place of a reached stage, or a name."""

    def origin(written: str, numbers: bool) -> object:
        index = stage.stage_of(written, numbers=numbers)
        if index is not None:
            return place[index]
        return familiar(written) if is_reference(written) else written

    return origin


def _instruction(line: Line, escape: str, origin: Callable[[str, bool], object], args: Collection[str]) -> list[object]:
    given: dict[str, object] = dict(flags.parse(line.keyword, line.flags))
    parsed = parse(line, escape)
    if isinstance(parsed, Copy) and "from" in given:
        given["from"] = origin(parsed.origin, True)
    if isinstance(parsed, RunInstruction):
        given["mounted"] = [origin(each, False) if each else "" for each in parsed.origins]
    return [line.keyword, given, *_words(line, parsed, escape, args), *line.bodies]


def _words(line: Line, parsed: Instruction | None, escape: str, args: Collection[str]) -> list[object]:
    match line.keyword:
        case "ARG" if isinstance(parsed, Arg):
            return [_pair(pair, args) for pair in parsed.pairs]
        case "ENV" | "LABEL":
            pairs: list[object] = [list(pair) for pair in split.pairs(line.rest, escape, line.keyword)]
            return pairs if "=" in split.words(line.rest, escape)[0] else ["old form", *pairs]
        case "ADD" | "COPY" | "VOLUME" | "SHELL":
            listed = split.json_list(line.rest)
            return [listed if listed is not None else split.blanks(line.rest)]
        case "RUN" | "CMD" | "ENTRYPOINT":
            return _command(line.rest)
        case "HEALTHCHECK":
            kind, *command = split.blanks(line.rest, 1)
            return [kind.upper(), *(_command(command[0]) if command else ())]
        case "EXPOSE":
            return [split.blanks(line.rest)]
        case "ONBUILD" if isinstance(parsed, Onbuild):
            return [parsed.trigger]
        case _:
            return [line.rest]


def _command(text: str) -> list[object]:
    """A command as a list, or as text for a shell."""
    listed = split.json_list(text)
    return [text if listed is None else listed]


def _pair(pair: tuple[str, str | None], args: Collection[str]) -> list[object]:
    name, default = pair
    return [name, _ABSENT if name in args else default]
