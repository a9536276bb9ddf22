"""Args that the catalogue gives and that no Dockerfile takes: a slip that would build another image in silence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from imageyard.catalogue.model import Catalogue, Row, Where
from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError

__all__ = ["refuse_undeclared", "untaken_warnings"]


def _untaken(catalogue: Catalogue, row: Row, unused: Iterable[str]) -> Iterator[tuple[str, Where]]:
    """Those of a row's unused args that do nothing at all, and where each is set.

    One that a placeholder or a check speaks of fills something.

    An arg that `--set` gave is judged where `--set` is read.
    """
    for name in unused:
        if name not in catalogue.mentioned and (where := row.image.where_of(name)) is not None:
            yield name, where


def untaken_warnings(catalogue: Catalogue, rows: Iterable[tuple[Row, Iterable[str]]]) -> list[str]:
    """What is said of args that a family or a name gives to a Dockerfile that does not declare them, once for each.

    A default, or a word's arg, is for whoever declares it.
    """
    found: dict[str, str] = {}
    for row, unused in rows:
        for name, where in _untaken(catalogue, row, unused):
            if where.path.startswith("images."):
                file = row.image.dockerfile
                found.setdefault(
                    where.path, f"{where}: the arg {name} changes nothing of {row.name}: no ARG {name} in {file}"
                )
    return list(found.values())


def refuse_undeclared(
    catalogue: Catalogue, row: Row, unused: Iterable[str], is_taken: Callable[[str], bool], declared: Collection[str]
) -> None:
    """Raise ConfigurationError for an arg of a row that no image takes which gets it, as `is_taken` says.

    `declared` are the args of the row's Dockerfile, in whatever stage: another of them may be meant.
    """
    for name, where in _untaken(catalogue, row, unused):
        if name not in declared and not is_taken(name):
            hint = did_you_mean(name, sorted(declared), listed=False) or f"write ARG {name} in {row.image.dockerfile}"
            raise ConfigurationError(
                f"the arg {name} changes nothing: no Dockerfile of an image that gets it declares it",
                at=where,
                hint=(hint, f"inv explain {row.name}    (where each arg is set)"),
            )
