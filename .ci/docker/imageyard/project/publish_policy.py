"""Whether a row may be published at all, and where: decided from its recipe, before anything is asked or sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageyard.errors import ConfigurationError, PolicyRefused
from imageyard.names import parse_reference
from imageyard.project.places import place_of

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue, Row
    from imageyard.names import Reference
    from imageyard.project.options import BuildOptions
    from imageyard.recipe.recipe import Recipes

__all__ = [
    "at_option",
    "commands",
    "not_of_lane",
    "refuse",
    "refuse_started_from",
    "repository",
    "repository_read",
    "why_not",
]


@dataclass(frozen=True)
class _Unpinned:
    """What may change under a row's tag, in words, and the image of whose recipe it is."""

    what: str
    image: str

    def told(self, row: Row) -> str:
        """The words as they are said of `row`: an ancestor's with its name."""
        return self.what if self.image == row.name else f"{self.what} (in {self.image})"


def repository(catalogue: Catalogue, at: str) -> Reference:
    """The repository of a place, `trusted` or `branch`. Raises ConfigurationError for any other."""
    found = place_of(catalogue, at).repository
    if found is None:
        raise ConfigurationError(f"{at} is no registry", hint="use one of: trusted, branch")
    return found


def commands(catalogue: Catalogue, row: Row, at: str) -> tuple[str, ...]:
    """What publishes a row at a place, as a person types it: from the engine, and by those who build elsewhere."""
    asked = f"{row.name} --arch {row.arch}"
    return (
        f"inv push {asked}{at_option(at)}    (what the engine has)",
        *(f"inv build {asked} --builder {name} --at {at}    (builds it there)" for name in catalogue.builders.sections),
    )


def at_option(at: str) -> str:
    """The option that names a place to a command whose default is `trusted`."""
    return "" if at == "trusted" else f" --at {at}"


def refuse(recipes: Recipes, row: Row, options: BuildOptions | None = None, *, weekly: bool = False) -> None:
    """Raise PolicyRefused where the row's tag ends in `-local`, or does not say all that decides the content.

    A weekly build is of whatever its bases are now, and its tag says so. `--set` and docker arguments are refused.
    """
    doing = f"publishing {row.name} {row.arch}"
    if options and (changes := options.changes):
        raise PolicyRefused(
            f"what is built with {' '.join(changes)} is never published: its tag ends in -local",
            doing=doing,
            hint=("say it in the catalogue", "or build it in the engine: --builder local"),
        )
    weekly = weekly or (options is not None and not options.decision.uses_locked_bases)
    unpinned = [] if weekly else [one.told(row) for one in _unpinned(recipes, row)]
    if unpinned:
        raise PolicyRefused(
            f"{row.name} is not pinned: {_first(unpinned)}",
            doing=doing,
            detail=unpinned,
            hint=("inv lock    (pins the bases)", "or say in the catalogue: unpinned: allowed"),
        )
    if local := _local(recipes, row):
        tag = recipes.tag(row)
        hint = f"inv tag {row.name} --explain    (what it is made of here)"
        raise PolicyRefused(f"{tag} is never published: {local}", doing=doing, hint=hint)


def refuse_started_from(catalogue: Catalogue, row: Row) -> None:
    """Raise PolicyRefused for a row that a run of a lane starts from and finds nowhere: it may not publish it."""
    if row.image.lane != catalogue.lane:
        raise PolicyRefused(
            f"{row.name} {row.arch} {not_of_lane(catalogue)}",
            doing=f"building an image of the lane {catalogue.lane}",
            at=row.image.where,
            hint="wait for a run of a protected branch that publishes it, and run this again",
        )


def not_of_lane(catalogue: Catalogue) -> str:
    """Why a run of a lane builds no image of none, in words that follow its name."""
    return f"is of no lane, and is not at {repository_read(catalogue).name}: a run of the lane does not publish it"


def repository_read(catalogue: Catalogue) -> Reference:
    """In a lane: the repository of images of none, that its own start from. Raises ConfigurationError without one."""
    if catalogue.main is None:
        raise ConfigurationError(
            "the catalogue names no registry, so that images of lanes have nothing to start from",
            at=catalogue.file,
            hint="add to it: registry: HOST/REPOSITORY",
        )
    return parse_reference(catalogue.main.trusted)


def why_not(recipes: Recipes, row: Row, *, weekly: bool = False) -> str:
    """Why `refuse` would refuse the row, in words for a plan; empty where it would not."""
    unpinned = [] if weekly else [one.told(row) for one in _unpinned(recipes, row)]
    why = _first(unpinned) if unpinned else _local(recipes, row)
    return f"{why}: inv lock" if why else ""


def _first(unpinned: list[str]) -> str:
    return f"{unpinned[0]}{f', and {len(unpinned) - 1} more' if unpinned[1:] else ''}"


def _unpinned(recipes: Recipes, row: Row) -> list[_Unpinned]:
    """What may change under the row's tag: its own, and after that its ancestors'."""
    own = () if row.image.unpinned_allowed else recipes.of(row).unpinned
    found = [_Unpinned(what, row.name) for what in own]
    for parent in recipes.parent_rows(row):
        found += _unpinned(recipes, parent)
    return found


def _local(recipes: Recipes, row: Row) -> str:
    """Why the row's tag ends in `-local`; empty where it does not."""
    if not recipes.tag(row).endswith("-local"):
        return ""
    for source in recipes.of(row).sources:
        if source.kind == "standin":
            return f"{source.name} is a stand-in that was made on this machine"
    for parent in recipes.parent_rows(row):
        if recipes.of(parent).local:
            return f"its parent {parent.name} is made from what only this machine has"
    return "it holds what only this machine has"
