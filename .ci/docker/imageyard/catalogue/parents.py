"""Parents: each exists and covers the architecture, none is its own ancestor, and parents' rows come first."""

from __future__ import annotations

from collections.abc import Mapping

from imageyard.catalogue.model import Image, Row
from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError
from imageyard.names import Arch

__all__ = ["ordered"]

_Key = tuple[str, Arch]


def ordered(rows: Mapping[tuple[str, Arch], Row], prefix: str) -> tuple[Row, ...]:
    """Rows with their parents before them, else in the order given.

    Raises ConfigurationError for an unknown parent, one that lacks the architecture, and for a circle.
    """
    if not any(row.image.parents for row in rows.values()):
        return tuple(rows.values())
    done: dict[_Key, Row] = {}
    for key in rows:
        _visit(key, rows, done, prefix)
    return tuple(done.values())


def _visit(start: _Key, rows: Mapping[_Key, Row], done: dict[_Key, Row], prefix: str) -> None:
    """Depth first, without recursion: a chain of parents may be long."""
    path: dict[_Key, list[_Key]] = {}  # the open rows, each with the parents that are still to be visited
    if start not in done:
        path[start] = _parents(rows[start], rows, prefix)
    while path:
        key, waiting = next(reversed(path.items()))
        if not waiting:
            done[key] = rows[key]
            del path[key]
            continue
        parent = waiting.pop(0)
        if parent in path:
            names = [name for name, _ in path]
            circle = " -> ".join([*names[names.index(parent[0]) :], parent[0]])
            headline = f"an image is its own ancestor: {circle}"
            raise ConfigurationError(headline, at=rows[key].image.where, hint="let one of them have another base")
        if parent not in done:
            path[parent] = _parents(rows[parent], rows, prefix)


def _parents(row: Row, rows: Mapping[_Key, Row], prefix: str) -> list[_Key]:
    found: list[_Key] = []
    for arg, name in row.image.parents.items():
        key = (name, row.arch)
        if key not in rows:
            raise _lacking(row.image, arg, name, row.arch, rows, prefix)
        found.append(key)
    return found


def _lacking(
    image: Image, arg: str, name: str, arch: Arch, rows: Mapping[_Key, Row], prefix: str
) -> ConfigurationError:
    arches = [known for image_name, known in rows if image_name == name]
    if arches:
        headline = f"the parent {name} of {image.name} is not built for {arch}"
        hint = f"add {arch} to the parent's arches, or remove it from the child's"
        return ConfigurationError(headline, at=image.where, doing=f"resolving {arg}: image:{name}", hint=hint)
    shorter = name[len(prefix) :]
    known = [image_name[len(prefix) :] for image_name, _ in rows]
    if prefix and shorter.startswith(prefix) and shorter in {image_name for image_name, _ in rows}:
        hint = f"write it as names are written, without the prefix: image:{shorter[len(prefix) :]}"
    else:
        hint = did_you_mean(shorter, dict.fromkeys(known))
    headline = f"{image.name} has an unknown parent, {shorter!r}"
    return ConfigurationError(headline, at=image.where, doing=f"resolving {arg}: image:{shorter}", hint=hint)
