"""Whether what a check's command did is what the image promises; expected and actual in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from imageyard.catalogue.model import Check
from imageyard.errors import ConfigurationError, assert_never
from imageyard.records import Finding

__all__ = ["Ended", "NotStarted", "Ran", "TimedOut", "judge"]

_DOTTED = re.compile(r"[0-9]+(?:\.[0-9]+)+")
_NUMBER = re.compile(r"[0-9]+")

_TAIL_LINES = 10
_TAIL_WIDTH = 500
_SAID = 80


@dataclass(frozen=True)
class Ended:
    """The command ran to its end. `code` is its exit status; 128 and a signal's number where one ended it."""

    code: int
    out: str
    err: str = ""


@dataclass(frozen=True)
class TimedOut:
    """The command ran and did not end within `seconds`."""

    seconds: float
    out: str = ""
    err: str = ""


@dataclass(frozen=True)
class NotStarted:
    """The container did not start, in the engine's words: nothing is known of the image."""

    why: str


Ran: TypeAlias = Ended | TimedOut | NotStarted


def judge(check: Check, args: Mapping[str, str], ran: Ran) -> Finding:
    """The finding of one check. `args` are the build args that its `present` speaks of; an empty one counts as unset.

    Raises ConfigurationError where the check's `matches` is no regular expression or its `version` has no number.
    """
    match ran:
        case NotStarted(why):
            return Finding(check.name, False, _expected(check, args), "no answer: the container did not start", why)
        case TimedOut(seconds, out, err):
            actual = f"no answer within {seconds:g} s"
            return Finding(check.name, False, _expected(check, args), actual, _command(check), _tail(out, err))
        case Ended():
            return _judged(check, args, ran)
        case _:
            return assert_never(ran)


def _judged(check: Check, args: Mapping[str, str], ran: Ended) -> Finding:
    ok = ran.code == 0
    actual = _exit(ran.code)
    if check.present:
        wanted = any(args.get(name) for name in check.present)
        # A program that is there and crashes is not absent, so a signal satisfies neither side.
        ok = ok if wanted else 0 < ran.code <= 128
        if not wanted and ran.code == 0:
            actual = "present (exit status 0)"
    elif ok and check.version is not None:
        found = _version(ran.out) or _version(ran.err)
        ok = found is not None and _agree(_wanted_version(check), found)
        actual = found or f"no number in {_said(ran)}"
    elif ok and check.matches is not None:
        said = "\n".join(part for part in (ran.out.rstrip("\n"), ran.err.rstrip("\n")) if part)
        ok = _pattern(check).search(said) is not None
        actual = _said(ran)
    why = "" if ok else _command(check)
    return Finding(check.name, ok, _expected(check, args), actual, why, () if ok else _tail(ran.out, ran.err))


def _expected(check: Check, args: Mapping[str, str]) -> str:
    if check.version is not None:
        return _wanted_version(check)
    if check.matches is not None:
        return f"output matching {_pattern(check).pattern!r}"
    if not check.present:
        return "exit status 0"
    for name in check.present:
        if args.get(name):
            return f"exit status 0 ({name} is set)"
    verb = "is" if len(check.present) == 1 else "are"
    return f"absent ({', '.join(check.present)} {verb} unset)"


def _wanted_version(check: Check) -> str:
    found = _version(check.version or "")
    if found is None:
        raise ConfigurationError(
            f"check {check.name}: version {check.version!r} has no number to compare",
            at=check.where,
            hint="write a version such as 12 or 3.11, or use matches:",
        )
    return found


def _pattern(check: Check) -> re.Pattern[str]:
    try:
        return re.compile(check.matches or "")
    except re.error as error:
        raise ConfigurationError(
            f"check {check.name}: matches {check.matches!r} is no regular expression: {error}", at=check.where
        ) from None


def _version(text: str) -> str | None:
    """The first dotted number of a text, else its first number."""
    found = _DOTTED.search(text) or _NUMBER.search(text)
    return found[0] if found else None


def _agree(wanted: str, found: str) -> bool:
    """Compared on the components that both have: 12 = 12.2.0, 12.8.1 = 12.8, 3.1 is not 3.11."""
    pairs = zip(wanted.split("."), found.split("."))  # noqa: B905 - the longer one's rest is not compared
    return all(w.lstrip("0") == f.lstrip("0") for w, f in pairs)


def _exit(code: int) -> str:
    if code == 127:
        return "no such program (exit status 127)"
    return f"exit status {code}" + (f" (signal {code - 128})" if 128 < code < 193 else "")


def _said(ran: Ended) -> str:
    first = next((line.strip() for line in (*ran.out.splitlines(), *ran.err.splitlines()) if line.strip()), "")
    if not first:
        return "no output"
    return repr(first if len(first) <= _SAID else f"{first[:_SAID]}...")


def _command(check: Check) -> str:
    return f"ran: {' '.join(check.run)}"


def _tail(out: str, err: str) -> tuple[str, ...]:
    kept = [line.rstrip() for line in (*out.splitlines(), *err.splitlines()) if line.strip()]
    return tuple(line[:_TAIL_WIDTH] for line in kept[-_TAIL_LINES:])
