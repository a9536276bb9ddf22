"""What differs between the instructions of two recipes, in words for a person."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imageyard.layout import visible
from imageyard.recipe.dockerfile import lines
from imageyard.recipe.dockerfile.canonical import Instructions

__all__ = ["changes", "unseen"]

_CREDENTIALS = re.compile(r"://[^/@\s]+@")
_WIDTH = 100
_LINES = 8


def changes(old: Sequence[Instructions], new: Sequence[Instructions]) -> Iterator[str]:
    """What became different, one line each, worded so that `since main` can follow."""
    if list(old) == list(new):
        return
    before, after = Counter(_lines(old)), Counter(_lines(new))
    found = [("lost", line) for line in before - after] + [("gained", line) for line in after - before]
    yield from (f"Dockerfile {what} `{_short(line)}`" for what, line in found[:_LINES])
    if len(found) > _LINES:
        yield f"Dockerfile changed in {len(found) - _LINES} more instructions"
    if not found:
        yield "Dockerfile has its instructions in another order or place"


def unseen(old: bytes, new: bytes) -> str | None:
    """What became different between two texts of a Dockerfile that make the same image; None where nothing did."""
    if old == new:
        return None
    before, after = (lines.read(text, "Dockerfile") for text in (old, new))
    if [line.original.strip() for line in before.lines] == [line.original.strip() for line in after.lines]:
        return "only comments changed"
    if [_parsed(line) for line in before.lines] == [_parsed(line) for line in after.lines]:
        return "only the way it is written changed"
    return "only what the image does not need changed"


def _parsed(line: lines.Line) -> tuple[object, ...]:
    return line.keyword, line.flags, line.rest, line.bodies


def _lines(variants: Sequence[Instructions]) -> list[str]:
    found: list[str] = []
    for each in variants:
        variant: Mapping[str, Any] = each
        found += [f"ARG {_pair(pair)}" for pair in variant["globals"]]
        for stage in variant["stages"]:
            platform = f"--platform={stage['platform']} " if "platform" in stage else ""
            start = f"stage {stage['from'] + 1}" if isinstance(stage["from"], int) else stage["from"]
            found.append(f"FROM {platform}{start}")
            found += [_instruction(instruction) for instruction in stage.get("do", ())]
    return found


def _instruction(instruction: Sequence[Any]) -> str:
    keyword, flags, *words = instruction
    given = [f"--{name}={value}" for name, values in flags.items() if name != "mounted" for value in _each(values)]
    if keyword in ("ARG", "ENV", "LABEL"):
        shown = [_pair(word) if not isinstance(word, str) else "" for word in words]
    else:
        shown = [word if isinstance(word, str) else " ".join(map(str, word)) for word in words]
    return " ".join(filter(None, (keyword, *given, *shown)))


def _each(values: object) -> Sequence[object]:
    return values if isinstance(values, (list, tuple)) else (values,)


def _pair(pair: Sequence[Any]) -> str:
    name, value = pair
    return f"{name}={value}" if isinstance(value, str) else str(name)


def _short(line: str) -> str:
    line = _CREDENTIALS.sub("://***@", visible(" ".join(line.split())))
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
