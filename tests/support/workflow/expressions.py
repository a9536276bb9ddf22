"""The expressions of a workflow, as far as ours use them; everything else is refused where it stands.

docs.github.com, "Evaluate expressions in workflows and actions": literals, the operators `! && || == !=` and
parentheses, contexts by dots, and the functions `fromJSON success failure cancelled always`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Status", "Unsupported", "asks_status", "evaluate", "interpolate", "truthy", "words"]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<op>&&|\|\||==|!=|!|\(|\)|\.)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*))"
)
_CONTEXTS = frozenset({"github", "needs", "steps", "matrix", "inputs", "secrets", "vars", "jobs"})
_STATUS = frozenset({"success", "failure", "cancelled", "always"})


class Unsupported(Exception):
    """Something that this runner does not do; it says where it stands."""


@dataclass(frozen=True)
class Status:
    """What the status functions answer, at a job or at a step."""

    success: bool = True
    failure: bool = False
    cancelled: bool = False
    always: bool = True


def interpolate(text: str, contexts: Mapping[str, Any], status: Status | None = None) -> str:
    """A text with its `${{ }}` filled in."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda m: words(evaluate(m[1], contexts, status)), text)


def evaluate(text: str, contexts: Mapping[str, Any], status: Status | None = None) -> Any:
    """The value of an expression; one that stands in `${{ }}` as a whole is the same."""
    inner = text.strip()
    if inner.startswith("${{") and inner.endswith("}}") and inner.count("${{") == 1:
        inner = inner[3:-2]
    return _Parser(inner, contexts, status).whole()


def asks_status(text: str) -> bool:
    """Whether a condition names a status function; one that does not has `success() &&` before it."""
    return any(re.search(rf"\b{name}\(", text) for name in _STATUS)


def truthy(value: Any) -> bool:
    """What GitHub takes for true: neither false, 0, -0, "", null."""
    return not (value is None or value is False or value in ("", 0))


def words(value: Any) -> str:
    """A value in a text."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return f"{value:g}"
        case _:
            return json.dumps(value)


class _Parser:
    def __init__(self, text: str, contexts: Mapping[str, Any], status: Status | None) -> None:
        self.text = text
        self.contexts = contexts
        self.status = status
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise Unsupported(f"the expression {text.strip()!r} has {text[at:].strip()[:10]!r}")
            assert match.lastgroup
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()

    def whole(self) -> Any:
        value = self._or()
        if self.tokens:
            raise Unsupported(f"the expression {self.text.strip()!r} goes on with {self.tokens[0][1]!r}")
        return value

    def _or(self) -> Any:
        value = self._and()
        while self._take("||"):
            other = self._and()
            value = value if truthy(value) else other
        return value

    def _and(self) -> Any:
        value = self._equal()
        while self._take("&&"):
            other = self._equal()
            value = other if truthy(value) else value
        return value

    def _equal(self) -> Any:
        value = self._unary()
        for op in ("==", "!="):
            if self._take(op):
                same = _same(value, self._unary(), self.text)
                return same if op == "==" else not same
        return value

    def _unary(self) -> Any:
        if self._take("!"):
            return not truthy(self._unary())
        if self._take("("):
            value = self._or()
            self._need(")")
            return value
        return self._atom()

    def _atom(self) -> Any:
        if not self.tokens:
            raise Unsupported(f"the expression {self.text.strip()!r} ends early")
        kind, text = self.tokens.pop(0)
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text)
        if kind != "name":
            raise Unsupported(f"the expression {self.text.strip()!r} has {text!r} where a value is wanted")
        if text in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[text]
        if self._take("("):
            return self._call(text)
        if text not in _CONTEXTS or text not in self.contexts:
            raise Unsupported(f"there is no context {text!r} here, in {self.text.strip()!r}")
        value = self.contexts[text]
        while self._take("."):
            name = self._name()
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def _call(self, name: str) -> Any:
        if name in _STATUS:
            self._need(")")
            if self.status is None:
                raise Unsupported(f"{name}() cannot stand here, in {self.text.strip()!r}")
            return getattr(self.status, name)
        functions: Mapping[str, Callable[[Any], Any]] = {"fromJSON": lambda value: json.loads(words(value))}
        if name not in functions:
            raise Unsupported(f"there is no function {name}(), in {self.text.strip()!r}")
        value = self._or()
        self._need(")")
        return functions[name](value)

    def _name(self) -> str:
        if not self.tokens or self.tokens[0][0] != "name":
            raise Unsupported(f"a name is wanted after the dot, in {self.text.strip()!r}")
        return self.tokens.pop(0)[1]

    def _take(self, op: str) -> bool:
        if self.tokens and self.tokens[0] == ("op", op):
            self.tokens.pop(0)
            return True
        return False

    def _need(self, op: str) -> None:
        if not self._take(op):
            raise Unsupported(f"{op!r} is missing, in {self.text.strip()!r}")


def _same(one: Any, other: Any, text: str) -> bool:
    """Equality as GitHub has it: text without regard to case; lists and maps are equal to themselves alone.

    Other types are compared only with their own.
    """
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    if one is None or other is None:
        return (one or None) is None and (other or None) is None
    if isinstance(one, list | Mapping) or isinstance(other, list | Mapping):
        return one is other
    if type(one) is not type(other):
        raise Unsupported(f"{text.strip()!r} compares {type(one).__name__} with {type(other).__name__}")
    return bool(one == other)
