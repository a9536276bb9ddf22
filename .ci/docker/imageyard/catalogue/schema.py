"""The JSON schema of a catalogue, for editors, made from the grammar that decoding follows.

An editor finds it through the first line of the catalogue, a path relative to it:
`# yaml-language-server: $schema=imageyard/catalogue/images.schema.json`.
Editors read YAML's own types, so numbers and booleans are admitted wherever the catalogue takes text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imageyard.catalogue.grammar import TOP
from imageyard.catalogue.kinds import Either, Kind, ListOf, MapOf, RecordKind, Scalar
from imageyard.errors import assert_never

__all__ = ["schema", "text"]

_ANY_TEXT: Mapping[str, object] = {"type": ["string", "number", "boolean"]}


def schema() -> dict[str, Any]:
    """The schema as plain values, JSON schema draft 2020-12."""
    definitions: dict[str, Any] = {}
    top = _record(TOP, False, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A catalogue of CI images",
        **top,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """The schema as the file holds it."""
    import json

    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _of(kind: Kind, removable: bool, definitions: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kind, Scalar):
        form = dict(kind.form or _ANY_TEXT)
    elif isinstance(kind, ListOf):
        form = {"type": "array", "items": _of(kind.item, False, definitions)}
    elif isinstance(kind, MapOf):
        form = _map(kind, removable or kind.removable, definitions)
    elif isinstance(kind, Either):
        forms = [_of(one, False, definitions) for one in (kind.text, kind.items) if one]
        form = {"anyOf": [*forms, _of(kind.record, removable, definitions)]}
    elif isinstance(kind, RecordKind):
        form = _reference(kind, removable or kind.removable, definitions)
    else:
        assert_never(kind)
    return form


def _or_nothing(form: dict[str, Any], admitted: bool) -> dict[str, Any]:
    return {"anyOf": [form, {"type": "null"}]} if admitted else form


def _map(kind: MapOf, removable: bool, definitions: dict[str, Any]) -> dict[str, Any]:
    value = _or_nothing(_of(kind.value, removable, definitions), removable or kind.bare)
    form: dict[str, Any] = {
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{kind.key.pattern})$"},
        "additionalProperties": value,
    }
    if kind.least:
        form["minProperties"] = kind.least
    return form


def _reference(kind: RecordKind, removable: bool, definitions: dict[str, Any]) -> dict[str, Any]:
    """A record stands among the definitions once for each of its uses: with `~` admitted and without."""
    name = kind.what.replace(" ", "-") + ("-or-removed" if removable else "")
    if name not in definitions:
        definitions[name] = {}  # taken, before its own fields are looked at
        definitions[name] = _record(kind, removable, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _record(kind: RecordKind, removable: bool, definitions: dict[str, Any]) -> dict[str, Any]:
    properties = {
        key: {
            "description": field.about,
            **_or_nothing(_of(field.kind, removable, definitions), removable and not field.required),
        }
        for key, field in kind.fields.items()
    }
    form: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    if kind.required:
        form["required"] = list(kind.required)
    return form
