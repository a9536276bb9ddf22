"""Shell patterns in `${X#p}`, `${X%p}` and `${X/p/r}`: `*`, `?` and escapes, no brackets.

Modelled on BuildKit 0.25, frontend/dockerfile/shell/lex.go, and on what Go's regexp does with its results.
"""

from __future__ import annotations

import re
from functools import lru_cache

from imageyard.recipe.dockerfile.fault import Fault

__all__ = ["replace", "trim_prefix", "trim_suffix"]

_TEMPLATE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")


@lru_cache(maxsize=1024)
def _compiled(pattern: str, greedy: bool) -> re.Pattern[str]:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            parts.append(".*" if greedy else ".*?")
        elif char == "?":
            parts.append(".")
        elif char == "\\":
            following = pattern[at : at + 1]
            if following and following in "}/":
                continue  # the escape was for the substitution, not for the pattern
            if not following or following not in "*?\\":
                raise Fault(f"invalid pattern {pattern[:100]!r}: escape only '*', '?', '\\', '/' and '}}'")
            parts.append(re.escape(following))
            at += 1
        else:
            parts.append(re.escape(char))
    return re.compile("".join(parts))


def trim_prefix(pattern: str, value: str, greedy: bool) -> str:
    """`value` without the shortest (`greedy`: longest) start that matches. Raises Fault for a malformed pattern."""
    found = _compiled(pattern, greedy).match(value)
    return value[found.end() :] if found else value


def trim_suffix(pattern: str, value: str, greedy: bool) -> str:
    """`value` without the shortest (`greedy`: longest) end that matches. Raises Fault for a malformed pattern."""
    return trim_prefix(_reversed(pattern), value[::-1], greedy)[::-1]


def _reversed(pattern: str) -> str:
    """The pattern back to front, an escape still in front of what it escapes."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        size = 2 if pattern[at] == "\\" and at + 1 < len(pattern) else 1
        parts.append(pattern[at : at + size])
        at += size
    return "".join(reversed(parts))


def replace(pattern: str, value: str, replacement: str, *, every: bool) -> str:
    """`value` with the first match, or every one, replaced. Raises Fault for a malformed pattern."""
    compiled = _compiled(pattern, True)
    if not every:
        found = compiled.search(value)
        return value[: found.start()] + replacement + value[found.end() :] if found else value
    result: list[str] = []
    done = at = 0
    while at <= len(value) and (found := compiled.search(value, at)):
        result.append(value[done : found.start()])
        # Go's regexp leaves out an empty match right after another match; Python's re.sub does not.
        if found.end() > done or found.start() == 0:
            result.append(_expanded(replacement, found[0]))
        done = found.end()
        at = max(done, at + 1)
    return "".join(result) + value[done:]


def _expanded(replacement: str, whole: str) -> str:
    """Go reads the replacement of every match as a template: `$0` is the match, other groups do not exist."""

    def group(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        return whole if (match[2] or match[3]).isdecimal() and int(match[2] or match[3]) == 0 else ""

    return _TEMPLATE.sub(group, replacement)
