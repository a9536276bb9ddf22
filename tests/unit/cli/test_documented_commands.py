"""Every `inv` and `nox` in the documents and the workflows names a task or session that there is, with its options."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from imageyard.cli import namespace
from invoke.exceptions import ParseError
from invoke.program import Program

TOP = Path(__file__).parents[3]
GLOBS = ("README.md", "docs/*.md", "examples/**/*.md", ".github/**/*.yml")
FILES = sorted(file for glob in GLOBS for file in TOP.glob(glob))
CONTINUED = re.compile(r"\\\n\s*")
COMMAND = re.compile(r"(?:^|[|&;(`$ ])((?:inv|nox) [^`\n]*)")


def said_in(file: Path) -> Iterator[tuple[str, bool]]:
    """What is typed, and whether it is all of it: lines of a block or a script are, and text may leave a name out."""
    text = file.read_text()
    if file.suffix == ".yml":
        jobs = (yaml.safe_load(text).get("jobs") or {}).values()
        text = "\n".join(_script(step) for job in jobs for step in job.get("steps", ()))
        yield from ((line, True) for line in CONTINUED.sub(" ", text).splitlines())
        return
    for line in text.splitlines():
        if line.startswith("    ") and "`" not in line:
            yield line.strip().removeprefix("$ "), True
        else:
            yield from ((said, False) for said in re.findall(r"`([^`]+)`", line))


def _script(step: dict[str, Any]) -> str:
    """The script of a step; a variable that an expression makes an option is the first of these options."""
    script: str = step.get("run", "")
    for name, value in (step.get("env") or {}).items():
        if options := re.findall(r"'(--[a-z-]+)'", str(value)):
            script = script.replace(f'"${name}"', options[0])
    return script


def commands_of(line: str) -> Iterator[list[str]]:
    """The commands of `inv` and `nox` in a line of shell, each as its words."""
    line = re.sub(r"\$\(((?:inv|nox) [^)]*)\)", r"; \1", line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    command: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("|&;<>"):
            if "inv" in command or "nox" in command:
                yield command[next(n for n, one in enumerate(command) if one in ("inv", "nox")) :]
            command = []
        else:
            command.append(word)


def documented() -> Iterator[tuple[str, ...]]:
    for file in FILES:
        for line, whole in said_in(file):
            if COMMAND.search(line):
                for command in commands_of(line):
                    yield (file.name, *command) if whole else (f"{file.name}, in its text", *command)


COMMANDS = sorted(set(documented()))


def test_there_are_some() -> None:
    assert len(COMMANDS) > 80


@functools.cache
def sessions() -> set[str]:
    done = subprocess.run([sys.executable, "-m", "nox", "-l"], cwd=TOP, capture_output=True, text=True, check=True)
    return set(re.findall(r"^[-*] (\w+)", done.stdout, re.MULTILINE))


@functools.cache
def help_of(session: str) -> str:
    """What a session of ours says of itself. Any row of `build_image` will do."""
    rows = subprocess.run([sys.executable, "-m", "nox", "-l"], cwd=TOP, capture_output=True, text=True, check=True)
    found = re.search(rf"^[-*] ({session}\(.*?image=.*?\))", rows.stdout, re.MULTILINE)
    name = found[1] if found else session
    argv = [sys.executable, "-m", "nox", "-s", name, "--", "--help"]
    return subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=True).stdout


def parse_inv(words: list[str], monkeypatch: pytest.MonkeyPatch, *, whole: bool = True) -> None:
    """Have Invoke parse a command line, and run nothing of it."""
    monkeypatch.setattr(sys, "argv", ["inv", *words])
    program = Program(namespace=namespace(), binary="inv")
    program.create_config()
    program.parse_core(["inv", *words])
    program.parse_collection()
    try:
        program.parse_tasks()
    except ParseError as error:
        if whole or "did not receive required positional arguments" not in str(error):
            raise
        return parse_inv([*words, "IMAGE"], monkeypatch)
    assert program.tasks or {"--list", "--help"} & set(words) or not whole, "it does something"


def check_nox(words: list[str], *, whole: bool) -> None:
    own = words[: words.index("--")] if "--" in words else words
    rest = [word for word in words[len(own) + 1 :] if word.startswith("-")]
    names = own[own.index("-s") + 1 :] if "-s" in own else []
    assert {name.partition("(")[0] for name in names} <= sessions()
    assert names or "-l" in own or not whole, "it does something"
    if rest and names[0].partition("(")[0] not in ("tests", "tests_newest", "shell"):
        for option in rest:
            assert re.search(rf"{option}\b", help_of(names[0].partition("(")[0])), option


@pytest.mark.parametrize("command", COMMANDS, ids=shlex.join)
def test_what_is_documented_can_be_typed(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    place, program, *words = command
    whole = not place.endswith("in its text")
    if program == "nox":
        check_nox(words, whole=whole)
    else:
        parse_inv(words, monkeypatch, whole=whole)


@pytest.mark.parametrize(
    "line", ["inv plam", "inv plan --patern x", "inv tag", "inv list x y", "x=$(inv tag x --nothing)", "a | inv tug x"]
)
def test_a_slip_is_found(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = commands_of(line)
    with pytest.raises(ParseError):
        parse_inv(command[1:], monkeypatch)
