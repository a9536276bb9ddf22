"""The kinds of value that the catalogue's grammar is made of, and their one strict check."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from imageyard.catalogue.nodes import Map, Node, Seq, Text, error_at
from imageyard.catalogue.scalars import FieldFault
from imageyard.catalogue.suggest import did_you_mean

__all__ = ["PLACEHOLDER", "Either", "Field", "Kind", "ListOf", "MapOf", "RecordKind", "Scalar", "check", "parsed"]

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
"""`{name}`. Any other brace is text: a regular expression's `{3}`, awk's `{ print }`, a Go template's `{{.Name}}`."""


class Scalar:
    """One value. `wants` says what it is; `fill` whether placeholders may stand in it; `form` is its JSON schema."""

    def __init__(
        self,
        wants: str,
        parse: Callable[[str], object],
        *,
        fill: bool = False,
        form: Mapping[str, object] | None = None,
    ) -> None:
        self.wants = wants
        self.parse = parse
        self.fill = fill
        self.form = form


class ListOf:
    """A list of one kind."""

    def __init__(self, item: Scalar) -> None:
        self.item = item


class MapOf:
    """A map whose keys the user names. `key` is their form; `bare` keys need no value."""

    def __init__(
        self, key: str, wants_key: str, value: Kind, *, bare: bool = False, removable: bool = False, least: int = 0
    ) -> None:
        self.key = re.compile(key)
        self.wants_key = wants_key
        self.value = value
        self.bare = bare
        self.removable = removable
        self.least = least


class Field:
    """A known key: its kind, its sentence for readers, and whether it must be there."""

    def __init__(self, kind: Kind, about: str, *, required: bool = False) -> None:
        self.kind = kind
        self.about = about
        self.required = required


class RecordKind:
    """A map of known keys. `removable` admits `~` from here on, `fixed` forbids it from here on."""

    def __init__(self, what: str, fields: Mapping[str, Field], *, removable: bool = False) -> None:
        self.what = what
        self.fields = fields
        self.removable = removable
        self.required = tuple(key for key, field in fields.items() if field.required)


class Either:
    """One value or a map, or a list where `items` says of what, told apart by their form."""

    def __init__(self, text: Scalar, record: RecordKind, items: ListOf | None = None) -> None:
        self.text = text
        self.record = record
        self.items = items


Kind: TypeAlias = "Scalar | ListOf | MapOf | RecordKind | Either"


def check(kind: Kind, node: Node, removable: bool = False) -> None:
    """Check a node and all below it, and leave parsed values at the scalars.

    `removable`: `~` removes what a lower level set. Raises ConfigurationError at the first fault.
    """
    if isinstance(node, Text) and node.text is None:
        if not removable:
            raise error_at(node, f"{node.key} needs a value" if node.key else "a value is needed here")
        return
    if isinstance(kind, Either):
        listed = kind.items if isinstance(node, Seq) else None
        kind = kind.text if isinstance(node, Text) else listed or kind.record
    if isinstance(kind, Scalar):
        _check_scalar(kind, node)
    elif isinstance(kind, RecordKind):
        _check_record(kind, node, removable or kind.removable)
    elif isinstance(kind, MapOf):
        _check_map(kind, node, removable or kind.removable)
    else:
        if not isinstance(node, Seq):
            raise error_at(node, f"{node.key} is a list, not {_form(node)}", hint="write it as [a, b]")
        for item in node.items:
            check(kind.item, item)


def parsed(kind: Scalar, text: str, node: Text) -> object:
    """Parse a text that came from `node`. Raises ConfigurationError there."""
    try:
        return kind.parse(text)
    except FieldFault as fault:
        raise error_at(node, fault.headline, hint=fault.hint) from None


def _form(node: Node) -> str:
    return "text" if isinstance(node, Text) else "a list" if isinstance(node, Seq) else "a map"


def _says(node: Node) -> bool:
    return not isinstance(node, Text) or node.text is not None


def _check_scalar(kind: Scalar, node: Node) -> None:
    if not isinstance(node, Text):
        hint = ""
        if isinstance(node, Map) and len(node.items) <= 1 and kind.fill and not any(map(_says, node.items.values())):
            hint = f'a placeholder must stand in quotes: "{{{"".join(node.items)}}}"'
        raise error_at(node, f"{kind.wants} is needed here, not {_form(node)}", hint=hint)
    assert node.text is not None
    if kind.fill and "{" in node.text:
        parts = PLACEHOLDER.split(node.text)
        if len(parts) > 1:
            node.parts = parts
            return
    node.value = parsed(kind, node.text, node)


def _check_record(kind: RecordKind, node: Node, removable: bool) -> None:
    if not isinstance(node, Map):
        raise error_at(node, f"{kind.what} is a map of keys, not {_form(node)}")
    for key, value in node.items.items():
        field = kind.fields.get(key)
        if field is None:
            hint = did_you_mean(key, kind.fields)
            raise error_at(node, f"unknown key {key[:100]!r} in {kind.what}", key=key, hint=hint)
        check(field.kind, value, removable and not field.required)
    for key in kind.required:
        if key not in node.items:
            raise error_at(node, f"{kind.what} needs the key {key!r}", hint=f"{key}: {kind.fields[key].about}")


def _check_map(kind: MapOf, node: Node, removable: bool) -> None:
    if not isinstance(node, Map):
        raise error_at(node, f"{node.key or 'this'} is a map, not {_form(node)}")
    if len(node.items) < kind.least:
        raise error_at(node, f"{node.key} is empty")
    for key, value in node.items.items():
        if not kind.key.fullmatch(key):
            raise error_at(node, f"{key[:100]!r} is not {kind.wants_key}", key=key)
        if type(value) is Text and value.text is None:
            if not (kind.bare or removable):
                raise error_at(node, f"{key[:100]} needs a value", key=key)
            continue
        check(kind.value, value, removable)
