"""The instructions of a Dockerfile as far as they decide what a build reads; the rest is only checked.

Modelled on BuildKit 0.25, frontend/dockerfile/instructions/parse.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from imageyard.recipe.dockerfile import flags, split
from imageyard.recipe.dockerfile.fault import Fault, suggestion
from imageyard.recipe.dockerfile.heredocs import heredoc
from imageyard.recipe.dockerfile.lexer import substitute
from imageyard.recipe.dockerfile.lines import Line, split_line
from imageyard.recipe.dockerfile.references import is_reference

__all__ = ["Arg", "Copy", "Env", "Expanded", "From", "Instruction", "Onbuild", "RunInstruction", "parse"]

KEYWORDS = (
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
    "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip
_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")


@dataclass(frozen=True)
class From:
    """`FROM [--platform=P] BASE [AS NAME]`; the name is in lower case, empty where there is none."""

    line: int
    base: str
    name: str
    platform: str


@dataclass(frozen=True)
class Arg:
    """`ARG NAME[=DEFAULT] ...`."""

    line: int
    pairs: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Env:
    """`ENV NAME=VALUE ...`."""

    line: int
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Copy:
    """`COPY` or `ADD`, without its heredocs: their text is in the Dockerfile."""

    line: int
    add: bool
    sources: tuple[str, ...]
    rest: tuple[str, ...]  # destination and owner: substituted only to see whether they can be
    chmod: str
    origin: str  # `--from`; empty: the build context
    exclude: tuple[str, ...]
    parents: bool
    checksum: str


@dataclass(frozen=True)
class RunInstruction:
    """`RUN` by its mounts; `origins` are their `from`, one each."""

    line: int
    mounts: tuple[str, ...]
    origins: tuple[str, ...]


@dataclass(frozen=True)
class Onbuild:
    """`ONBUILD`: the text that a stage built `FROM` this one begins with."""

    line: int
    trigger: str


@dataclass(frozen=True)
class Expanded:
    """An instruction that reads nothing: only its words are substituted."""

    line: int
    words: tuple[str, ...]


Instruction: TypeAlias = From | Arg | Env | Copy | RunInstruction | Onbuild | Expanded


def parse(line: Line, escape: str) -> Instruction | None:
    """Read a line; None for an instruction that neither reads nor substitutes. Raises Fault."""
    if line.keyword not in KEYWORDS:
        raise Fault(
            f"unknown instruction: {line.keyword[:100] or 'nothing before the end of the line'}",
            suggestion(line.keyword, KEYWORDS) or "to continue a line, end the one before it with the escape character",
        )
    given = flags.parse(line.keyword, line.flags)
    match line.keyword:
        case "FROM":
            return _from(line, given)
        case "ARG":
            return _arg(line, escape)
        case "ENV" | "LABEL":
            found = tuple(split.pairs(line.rest, escape, line.keyword))
            return (
                Env(line.number, found)
                if line.keyword == "ENV"
                else Expanded(line.number, tuple(chain.from_iterable(found)))
            )
        case "ADD" | "COPY":
            return _copy(line, given)
        case "RUN":
            split.json_list(line.rest)
            mounts = given.get("mount", ())
            return (
                RunInstruction(line.number, mounts, tuple(flags.mount_origin(each) for each in mounts))
                if mounts
                else None
            )
        case "ONBUILD":
            return _onbuild(line, escape)
        case _:
            return _other(line)


def _from(line: Line, given: dict[str, tuple[str, ...]]) -> From:
    args = split.blanks(line.rest) if line.rest else []
    name = ""
    if len(args) == 3 and args[1].lower() == "as":
        name = args[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            raise Fault(
                f"invalid name for a stage: {args[2][:100]!r}",
                "a stage's name starts with a letter and holds only letters, digits, '-', '_' and '.'",
            )
        if not is_reference(name):
            raise Fault(
                f"invalid name for a stage: {args[2][:100]!r}",
                "BuildKit looks for a build context of that name too: end it with a letter or a digit, without '..'",
            )
    elif len(args) != 1:
        raise Fault("FROM requires either one or three arguments", "write FROM IMAGE or FROM IMAGE AS NAME")
    return From(line.number, args[0], name, given.get("platform", ("",))[0])


def _arg(line: Line, escape: str) -> Arg:
    found: list[tuple[str, str | None]] = []
    for word in split.words(line.rest, escape):
        name, equals, value = word.partition("=")
        if not name:
            raise Fault("ARG names can not be blank", "write ARG NAME or ARG NAME=DEFAULT")
        found.append((name, value if equals else None))
    if not found:
        raise Fault("ARG requires at least one argument", "write ARG NAME or ARG NAME=DEFAULT")
    return Arg(line.number, tuple(found))


def _copy(line: Line, given: dict[str, tuple[str, ...]]) -> Copy:
    listed = split.json_list(line.rest)
    args = listed if listed is not None else split.blanks(line.rest)
    if len(args) < 2:
        raise Fault(f"{line.keyword} requires at least two arguments", f"write {line.keyword} SOURCE DESTINATION")
    if _begins_heredoc(args[-1]):
        raise Fault(f"{line.keyword} cannot take a heredoc as destination", "put the destination after the heredoc")
    origin = given.get("from", ("",))[0]
    if origin and substitute(origin, lambda _: None) != origin:
        raise Fault(
            f"--from={origin[:100]} cannot hold a variable",
            "name a stage (FROM ${NAME} AS stage) before the first use and copy from that",
        )
    checksum = given.get("checksum", ("",))[0]
    return Copy(
        line.number,
        line.keyword == "ADD",
        tuple(each for each in args[:-1] if not _begins_heredoc(each)),
        (args[-1], *given.get("chown", ())),
        given.get("chmod", ("",))[0],
        origin,
        given.get("exclude", ()),
        given.get("parents") == ("true",),
        checksum,
    )


def _begins_heredoc(word: str) -> bool:
    """Whether a word begins a heredoc; one with an open quote, half of a name with a blank in it, is a path like any.

    (BuildKit 0.25, parser.MustParseHeredoc.) It fails where it is substituted, if it is.
    """
    try:
        return heredoc(word) is not None
    except Fault:
        return False


def _onbuild(line: Line, escape: str) -> Onbuild:
    if not line.rest:
        raise Fault("ONBUILD requires at least one argument", "write ONBUILD INSTRUCTION ...")
    keyword, _, rest = split_line(line.rest, escape)
    if keyword in ("ONBUILD", "FROM", "MAINTAINER"):
        raise Fault(f"{keyword} is not allowed as an ONBUILD trigger", "use any other instruction")
    if keyword in ("ADD", "COPY", "RUN"):
        split.json_list(rest)
    text = re.sub(r"^[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*", "", line.original, flags=re.IGNORECASE)
    return Onbuild(line.number, "\n".join((text, *line.bodies)))


def _other(line: Line) -> Expanded | None:
    keyword, rest = line.keyword, line.rest
    if keyword in ("CMD", "ENTRYPOINT"):
        split.json_list(rest)
        return None
    if keyword == "SHELL":
        if not split.json_list(rest):
            raise Fault("SHELL requires a JSON list", 'write SHELL ["/bin/bash", "-c"]')
        return None
    if keyword == "HEALTHCHECK":
        kind, *command = split.blanks(rest, 1)
        if kind.upper() not in ("CMD", "NONE"):
            raise Fault(f"HEALTHCHECK knows CMD and NONE, not {kind[:100]!r}", "write HEALTHCHECK CMD COMMAND")
        if bool(command) == (kind.upper() == "NONE"):
            raise Fault(f"HEALTHCHECK {kind.upper()} takes {'no arguments' if command else 'a command'}")
        split.json_list(command[0] if command else "")
        return None
    if not rest:
        raise Fault(f"{keyword} requires at least one argument")
    if keyword == "VOLUME":
        listed = split.json_list(rest)
        words = listed if listed is not None else split.blanks(rest)
        if not words or not all(word.strip(split.SPACES) for word in words):
            raise Fault("a VOLUME can not be an empty text", "write VOLUME /PATH")
        return Expanded(line.number, tuple(words))
    if keyword == "MAINTAINER":
        return None
    return Expanded(line.number, tuple(split.blanks(rest)) if keyword == "EXPOSE" else (rest,))
