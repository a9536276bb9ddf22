"""The nodes of a catalogue's text, each knowing where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from imageyard.catalogue.model import Where
from imageyard.errors import ConfigurationError

__all__ = ["Document", "Map", "Node", "Seq", "Text", "error_at", "place", "plain"]


class Document:
    """A file that was read: its name, as errors shall print it, and its top node."""

    __slots__ = ("file", "root")

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None


class Text:
    """A scalar. `text` is None for `~` or nothing; `value` and `parts` are filled in by decoding."""

    __slots__ = ("column", "key", "line", "parts", "text", "up", "value")

    def __init__(self, text: str | None, line: int, column: int, up: Parent, key: str | int) -> None:
        self.text = text
        self.line = line
        self.column = column
        self.up = up
        self.key = key
        self.value: Any = None
        self.parts: Sequence[str] | None = None

    def copy(self, text: str) -> Text:
        """Another text at the same position."""
        return Text(text, self.line, self.column, self.up, self.key)


class Map:
    """A mapping in file order; `keys` has the position of each key."""

    __slots__ = ("column", "items", "key", "keys", "line", "up")

    def __init__(self, line: int, column: int, up: Parent, key: str | int) -> None:
        self.items: dict[str, Node] = {}
        self.keys: dict[str, tuple[int, int]] = {}
        self.line = line
        self.column = column
        self.up = up
        self.key = key


class Seq:
    """A list."""

    __slots__ = ("column", "items", "key", "line", "up")

    def __init__(self, line: int, column: int, up: Parent, key: str | int) -> None:
        self.items: list[Node] = []
        self.line = line
        self.column = column
        self.up = up
        self.key = key


Node: TypeAlias = "Text | Map | Seq"
Parent: TypeAlias = "Map | Seq | Document"


def place(node: Node, key: str | None = None) -> Where:
    """Where a node stands, or one key of a map."""
    path: list[str] = [] if key is None else [key]
    up: Parent | Node = node
    while not isinstance(up, Document):
        path.append(str(up.key))
        up = up.up
    line, column = node.line, node.column
    if key is not None and isinstance(node, Map) and key in node.keys:
        line, column = node.keys[key]
    return Where(up.file, line, column, ".".join(reversed(path)).lstrip("."))


def error_at(
    node: Node, headline: str, *, at: Where | None = None, key: str | None = None, hint: str | Sequence[str] = ()
) -> ConfigurationError:
    """An error that points at a node, or at one key of a map (at `at`, where given), and says its path."""
    where = place(node, key)
    path = where.path if len(where.path) <= 160 else where.path[:157] + "..."
    doing = f"reading {path}" if path else ""
    return ConfigurationError(headline, at=at or where, doing=doing, hint=hint)


def plain(node: Node | None, default: Any = None) -> Any:
    """Return a checked node as plain values: parsed scalars, dicts, tuples; `default` where there is none."""
    if node is None:
        return default
    if isinstance(node, Text):
        return node.value
    if isinstance(node, Map):
        return {key: plain(item) for key, item in node.items.items()}
    return tuple(plain(item) for item in node.items)
