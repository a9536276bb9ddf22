"""What a catalogue sets anywhere, so that a placeholder or a `~` with a slip in it is not taken in silence."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import cast

from imageyard.catalogue.kinds import PLACEHOLDER
from imageyard.catalogue.nodes import Map, Node, Seq, Text, error_at
from imageyard.catalogue.suggest import did_you_mean
from imageyard.catalogue.words import PLAIN, RESERVED, Words

__all__ = ["known_args", "mentioned", "refuse_vain_removals"]

_NAMING = ("when", "present")
"""Keys of a check that list args."""
_FREE = ("args", "checks", "facts", "secrets", "contexts", "files")
"""Fields whose keys are the catalogue's own; the others are checked against the grammar."""


def _levels(root: Map) -> Iterator[Map]:
    """Every map of fields: defaults, families, names, and `per_arch` of each."""
    tops = [root.items.get("defaults")]
    for family in cast(Map, root.items["images"]).items.values():
        assert isinstance(family, Map)
        tops += [family, *cast(Map, family.items["names"]).items.values()]
    for top in tops:
        if isinstance(top, Map):
            yield top
            if isinstance(per_arch := top.items.get("per_arch"), Map):
                yield from (fields for fields in per_arch.items.values() if isinstance(fields, Map))


def _set_keys(levels: Collection[Map], field: str) -> set[str]:
    keys: set[str] = set()
    for level in levels:
        if isinstance(values := level.items.get(field), Map):
            keys.update(key for key, node in values.items.items() if not (isinstance(node, Text) and node.text is None))
    return keys


def known_args(root: Map, words: Words) -> set[str]:
    """The args that anything sets. Raises ConfigurationError for one whose placeholder would mean two things."""
    known = _set_keys(list(_levels(root)), "args")
    for word in words.by_name.values():
        known.update(name for name, node in word.args.items() if node.text is not None)
    clash = {name for name in known if name in RESERVED or (name in words.axes and name != PLAIN)}
    for level in _levels(root) if clash else ():
        if isinstance(args := level.items.get("args"), Map) and (name := next(iter(clash & set(args.items)), None)):
            raise error_at(args, f"{{{name}}} would mean two things: the arg and the {_other(name)}", key=name)
    for word in words.by_name.values() if clash else ():
        if name := next(iter(clash & set(word.args)), None):
            node = word.args[name]
            raise error_at(node, f"{{{name}}} would mean two things: the arg and the {_other(name)}")
    return known


def mentioned(node: Node) -> Iterator[str]:
    """The names that stand in placeholders below a node, and those that checks ask for by name."""
    if isinstance(node, Text):
        yield from PLACEHOLDER.findall(node.text or "")
        return
    for key, inner in node.items.items() if isinstance(node, Map) else ():
        yield from mentioned(inner)
        if key in _NAMING:
            yield from (
                str(each.text) for each in (inner.items if isinstance(inner, Seq) else ()) if isinstance(each, Text)
            )
    for inner in node.items if isinstance(node, Seq) else ():
        yield from mentioned(inner)


def _other(name: str) -> str:
    return name if name in RESERVED else f"axis {name}"


def refuse_vain_removals(root: Map, words: Words, args: set[str]) -> None:
    """Raises ConfigurationError for a `~` at a key that nothing sets, and for `{}` where no word fills it."""
    levels = list(_levels(root))
    for field in _FREE:
        known = args if field == "args" else _set_keys(levels, field)
        for level in levels:
            if isinstance(values := level.items.get(field), Map):
                _refuse(values, field, known)
                _refuse_braces(values if field == "args" else None)
    for word in words.by_name.values():
        declared = word.node.items[word.key]
        if isinstance(declared, Map):
            _refuse(declared, "args", args)


def _refuse(values: Map, field: str, known: set[str]) -> None:
    for key, node in values.items.items():
        if isinstance(node, Text) and node.text is None and key not in known:
            hint = did_you_mean(key, sorted(known)) or "remove the line"
            raise error_at(values, f"{key} is removed here, and nothing sets it in {field}", key=key, hint=hint)


def _refuse_braces(args: Map | None) -> None:
    for node in args.items.values() if args else ():
        if isinstance(node, Text) and node.text is not None and "{}" in node.text:
            headline = "'{}' stands for the alternative of a word's brace list: only args of words can hold it"
            raise error_at(node, headline, hint="name the axis, {axis}, or move the arg to the word")
