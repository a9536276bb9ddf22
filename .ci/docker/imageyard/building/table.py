"""The builders by name. A new one is two modules, `builders/x.py` and `building/x.py`, and a function and a line here.

A call loads the builder that it builds with, and no other: each of them speaks to a world of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imageyard.building.builder import Builder, BuilderSetting, RowPlace
    from imageyard.building.builder_choice import Choice
    from imageyard.catalogue.model import Catalogue, Row
    from imageyard.project.options import BuilderName

__all__ = ["BUILDERS", "BuilderKind"]


@dataclass(frozen=True)
class BuilderKind:
    """What is known of a builder before it is made.

    `make` gives it with the place where its rows get their tags, and raises ConfigurationError for what the catalogue
    lacks. `uses_engine`: it needs an engine of this machine. `groups_rows`: one build may make several rows of an
    image, so they are handed to it together. `require_settings` raises ConfigurationError for rows that it could never
    build, before the first of them is begun.
    """

    make: Callable[[BuilderSetting], tuple[Builder, RowPlace]]
    uses_engine: bool = False
    groups_rows: bool = False
    require_settings: Callable[[Catalogue, Choice, Sequence[Row]], None] = lambda catalogue, choice, rows: None


def _local(setting: BuilderSetting) -> tuple[Builder, RowPlace]:
    from imageyard.building import local

    return local.make(setting)


def _remote(setting: BuilderSetting) -> tuple[Builder, RowPlace]:
    from imageyard.building import remote

    return remote.make(setting)


def _require_workers(catalogue: Catalogue, choice: Choice, rows: Sequence[Row]) -> None:
    from imageyard.building import remote

    remote.require_workers(catalogue, choice, rows)


def _depot(setting: BuilderSetting) -> tuple[Builder, RowPlace]:
    from imageyard.building import depot

    return depot.make(setting)


BUILDERS: Mapping[BuilderName, BuilderKind] = {
    "local": BuilderKind(_local, uses_engine=True),
    "remote": BuilderKind(_remote, require_settings=_require_workers),
    "depot": BuilderKind(_depot, groups_rows=True),
}
