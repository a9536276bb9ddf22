"""Edits of a Dockerfile: those that change nothing of what BuildKit parses, and those that may change anything."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

from imageyard.errors import ConfigurationError
from imageyard.recipe.dockerfile.lines import Line, read
from support.sealed.corpus import Case, recipe_of

__all__ = ["rewritten", "spoiled"]

_COMMENTS = ("# COPY nothing /here", "#", "  # why \\", "#!/bin/sh", "# syntax=docker/dockerfile:1", "\t#RUN exit 1")
_NUMBERED = re.compile(rb"from=[+-]?\d")
_PLAIN_FROM = re.compile(r"FROM ([^\s$]+)( AS \S+)?")
_KEYWORD = re.compile(r"([ \t]*)([A-Za-z]+)")


def rewritten(case: Case, random: Random) -> Case:
    """The case with another text that says the same: comments, blank lines, continuations, letters, unused stages."""
    text = _text(case)
    if text is None:
        return case
    physical, lines, escape, ending = text
    for line, end in lines:
        first = line.number - 1
        if random.random() < 0.5:
            _letters(physical, first, random)
        if random.random() < 0.5:
            _break(physical, first, end, escape, random)
        if random.random() < 0.5:
            _before(physical, first, random.choice((*_COMMENTS, "", "  ", "\t")))
    _unreached(case, physical, lines, random)
    data = ending.join(physical).encode()
    return replace(case, name=f"{case.name}, rewritten", dockerfile=_bom(case) + data)


def spoiled(case: Case, random: Random) -> Case | None:
    """The case with one edit that may change what it builds; None where none of some tries can be read."""
    text = _text(case)
    if text is None:
        return None
    for _ in range(8):
        physical = list(text[0])
        line, end = random.choice(text[1])
        first = line.number - 1
        match random.randrange(6):
            case 0:
                del physical[first:end]
            case 1:
                physical[end:end] = physical[first:end]
            case 2:
                physical[end:end] = [random.choice(("LABEL edited=yes", "ENV EDITED=1", "WORKDIR /edited", "USER 7"))]
            case 3:
                other, other_end = random.choice(text[1])
                physical[first:end], moved = text[0][other.number - 1 : other_end], text[0][first:end]
                physical += moved
            case _:
                at = random.randrange(first, end)
                physical[at] = _other_letter(physical[at], random)
        data = text[3].join(physical).encode()
        edited = replace(case, name=f"{case.name}, edited", dockerfile=_bom(case) + data)
        if data and edited.dockerfile != case.dockerfile and _readable(edited):
            return edited
    return None


def _readable(case: Case) -> bool:
    try:
        recipe_of(case)
    except ConfigurationError:
        return False
    return True


def _bom(case: Case) -> bytes:
    return b"\xef\xbb\xbf" if case.dockerfile.startswith(b"\xef\xbb\xbf") else b""


def _text(case: Case) -> tuple[list[str], list[tuple[Line, int]], str, str] | None:
    """The physical lines, the instructions with the number of lines up to their end, the escape, the line end."""
    found = read(case.dockerfile, "Dockerfile")
    plain = case.dockerfile.removeprefix(b"\xef\xbb\xbf").decode()
    ending = "\r\n" if "\r\n" in plain else "\n"
    if ending == "\r\n" and plain.count("\n") != plain.count("\r\n"):
        return None
    physical = plain.split(ending)
    ends = [line.number - 1 for line in found.lines[1:]] + [len(physical)]
    return physical, list(zip(found.lines, ends, strict=True)), found.escape, ending


def _before(physical: list[str], at: int, text: str) -> None:
    """Put a line in front of another. In front of the first there are directives, whose block it would end."""
    if any(part and not part.lstrip().startswith("#") for part in physical[:at]):
        physical[at] = f"{text}\n{physical[at]}"


def _letters(physical: list[str], at: int, random: Random) -> None:
    text = physical[at]
    keyword = _KEYWORD.match(text)
    if keyword:
        other = "".join(random.choice((char.lower(), char.upper())) for char in keyword[2])
        physical[at] = keyword[1] + other + text[keyword.end() :]


def _break(physical: list[str], first: int, end: int, escape: str, random: Random) -> None:
    """Continue an instruction on the next line, with a comment between: no here-document, which is taken as it is."""
    whole = "".join(physical[first:end])
    last = physical[first]
    at = [
        place
        for place, char in enumerate(last)
        if char == " " and last[:place].strip() and last[place + 1 :].lstrip(" \t")[:1] not in ("", "#")
    ]
    if at and "<<" not in whole:
        place = random.choice(at)
        if last[place - 1] != escape:
            broken = [last[:place] + " " + escape, random.choice(("", "# in between", "  # too")), last[place + 1 :]]
            physical[first] = "\n".join(filter(None, broken))


def _unreached(case: Case, physical: list[str], lines: list[tuple[Line, int]], random: Random) -> None:
    """A stage that nothing needs, before all others: a number counts stages, and a name could be taken."""
    first = next(line for line, _ in lines if line.keyword == "FROM")
    if not _NUMBERED.search(case.dockerfile) and random.random() < 0.5:
        text = physical[first.number - 1]
        stage = random.choice(("FROM scratch AS never-reached\nCOPY requirements.txt /", "FROM scratch\nRUN exit 1"))
        triggers = b"ONBUILD" in case.dockerfile.upper()  # a trigger's text may name a stage
        if not triggers and (start := _PLAIN_FROM.fullmatch(text)) and random.random() < 0.5:
            stage, text = f"FROM {start[1]} AS another-name", f"FROM another-name{start[2] or ''}"
        physical[first.number - 1] = f"{stage}\n{text}"


def _other_letter(text: str, random: Random) -> str:
    letters = [place for place, char in enumerate(text) if char.isalnum()]
    if not letters:
        return f"{text}x"
    at = random.choice(letters)
    return text[:at] + random.choice("abctxy017") + text[at + 1 :]
