"""Merging of fields: maps merge by key, all else replaces, `~` removes."""

from __future__ import annotations

from typing import TypeAlias

from imageyard.catalogue.nodes import Map, Seq, Text

__all__ = ["Tree", "merged", "tree_of"]

Tree: TypeAlias = "dict[str, Text | Seq | Tree]"


def tree_of(node: Map) -> Tree:
    """A map's fields, with `~` still in it."""
    return {key: tree_of(value) if isinstance(value, Map) else value for key, value in node.items.items()}


def merged(under: Tree, over: Tree) -> Tree:
    """`over` upon `under`; neither is changed, and the result holds no `~`."""
    result = dict(under)
    for key, value in over.items():
        if isinstance(value, dict):
            below = under.get(key)
            result[key] = merged(below if isinstance(below, dict) else {}, value)
        elif isinstance(value, Text) and value.text is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result
