"""Args that the catalogue gives and that no Dockerfile takes: a slip that would build another image in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from imageyard.catalogue.model import Catalogue, Row
from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError

__all__ = ["refuse_undeclared", "untaken_warnings"]

Takes = Callable[[Row, str], bool]
"""Whether a row's Dockerfile declares an arg, or may: what its base declares is not known."""


def _untaken(catalogue: Catalogue, row: Row, unused: Iterable[str]) -> Iterator[str]:
    """Those of a row's unused args that do nothing at all: none that a placeholder or a check speaks of, as it fills.

    An arg that `--set` gave is judged where `--set` is read.
    """
    for name in unused:
        if name not in catalogue.mentioned and row.image.where_of(name) is not None:
            yield name


def untaken_warnings(catalogue: Catalogue, rows: Iterable[tuple[Row, Iterable[str]]]) -> list[str]:
    """What is said of args that a family or a name gives to a Dockerfile that does not declare them, once for each.

    A default, or a word's arg, is for whoever declares it.
    """
    found: dict[str, str] = {}
    for row, unused in rows:
        for name in _untaken(catalogue, row, unused):
            where = row.image.where_of(name)
            if where is not None and where.path.startswith("images."):
                file = row.image.dockerfile
                found.setdefault(
                    where.path, f"{where}: the arg {name} changes nothing of {row.name}: no ARG {name} in {file}"
                )
    return list(found.values())


def refuse_undeclared(
    catalogue: Catalogue, row: Row, unused: Iterable[str], takes: Takes, declared: Iterable[str]
) -> None:
    """Raise ConfigurationError for an arg of a row that no image takes which gets it.

    `declared` are the args of the row's Dockerfile, of which one may be meant.
    """
    for name in _untaken(catalogue, row, unused):
        if takes(row, name):
            continue
        others = (each for each in catalogue.rows if name in each.args or name in each.image.parents)
        if not any(takes(other, name) for other in others):
            hint = did_you_mean(name, sorted(declared), listed=False) or f"write ARG {name} in {row.image.dockerfile}"
            raise ConfigurationError(
                f"the arg {name} changes nothing: no Dockerfile of an image that gets it declares it",
                at=row.image.where_of(name),
                hint=(hint, f"inv explain {row.name}    (where each arg is set)"),
            )
