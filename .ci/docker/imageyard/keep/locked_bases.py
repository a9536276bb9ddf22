"""Bases of images: which of them the rows of a catalogue pull, and what their registries say of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from imageyard.catalogue import lock as locks
from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError
from imageyard.names import Digest, parse_reference
from imageyard.parallel import each
from imageyard.recipe.pulled import Pulls

if TYPE_CHECKING:
    from imageyard.catalogue.lock import Lock
    from imageyard.recipe.recipe import Recipes

__all__ = ["LockedBase", "Used", "chosen", "from_each", "plain", "said", "used"]

_SHOWN = 19  # characters of a digest that a person can compare, `sha256:` and 12 hex
_T = TypeVar("_T")


@dataclass(frozen=True)
class LockedBase:
    """A base: its reference, the digest that is locked, the one that its registry has now, the images it is under.

    `locked` is None where it is not locked, `now` where the registry does not have it. `asked`: what is new is that its
    configs were read. `lacks` are platforms that it is built for and does not have.
    """

    reference: str
    locked: Digest | None
    now: Digest | None
    images: tuple[str, ...]
    asked: bool = False
    lacks: tuple[str, ...] = ()

    @property
    def moved(self) -> bool:
        """Whether the registry has another one than the lock."""
        return self.locked != self.now


@dataclass(frozen=True)
class Used:
    """What the rows of a catalogue pull, by tag as a lock spells it, or by digest.

    `images` are those above each, `starts` the platforms of the stages that start from it.
    """

    images: Mapping[str, tuple[str, ...]]
    starts: Mapping[str, frozenset[str]]

    @property
    def by_tag(self) -> tuple[str, ...]:
        """Those that a lock pins."""
        return tuple(name for name in self.images if parse_reference(name).digest is None)


def used(recipes: Recipes, lock: Lock) -> Used:
    """What rows and their parents pull, with what is known of bases so far."""
    pulls = Pulls(recipes, lock)
    under: dict[tuple[str, str], dict[str, None]] = {}
    images: dict[str, dict[str, None]] = {}
    starts: dict[str, set[str]] = {}
    for row in recipes.catalogue.rows:
        mine = under[row.name, row.arch] = {}
        for pull in pulls.of(row):
            reference = parse_reference(pull.reference)
            name = str(reference) if reference.digest else locks.reference_key(reference)
            mine[name] = None
            if pull.platform:
                starts.setdefault(name, set()).add(pull.platform)
        for parent in pulls.parents(row):
            mine |= under[parent.name, parent.arch]
        for name in mine:
            images.setdefault(name, {})[row.name] = None
    return Used(
        {name: tuple(above) for name, above in images.items()},
        {name: frozenset(platforms) for name, platforms in starts.items()},
    )


def chosen(used: Used, only: Sequence[str], images: Set[str] | None = None) -> tuple[str, ...]:
    """The bases that `only` names, else those under one of `images`; None is all.

    Raises ConfigurationError for one that no Dockerfile names.
    """
    if not only:
        return tuple(name for name, above in used.images.items() if images is None or not images.isdisjoint(above))
    keys = tuple(locks.reference_key(name) for name in only)
    for name, key in zip(only, keys, strict=True):
        if key not in used.by_tag:
            hint = did_you_mean(key, used.by_tag) or f"the bases are: {', '.join(used.by_tag)}"
            raise ConfigurationError(f"no Dockerfile starts from {name}", hint=hint)
    return keys


def from_each(names: Iterable[str], ask: Callable[[str], _T]) -> dict[str, _T]:
    """What registries answer, by name: of an index, where a name has one."""
    wanted = tuple(names)
    # the first of each host alone: of one that does not answer, nothing more is asked
    found = {name: ask(name) for name in {parse_reference(name).registry: name for name in wanted}.values()}
    rest = [name for name in wanted if name not in found]
    return found | dict(zip(rest, each(rest, ask, workers=8), strict=True))


def said(base: LockedBase) -> str:
    """How a base stands, in words."""
    if base.now is None:
        return "gone from its registry"
    if base.lacks:
        return f"it has no image for {', '.join(base.lacks)}"
    if base.locked is None:
        return f"locked at {base.now[:_SHOWN]}"
    if base.moved:
        return f"moved, {base.locked[:_SHOWN]} -> {base.now[:_SHOWN]}"
    return "its ENV and ONBUILD are locked too" if base.asked else "unchanged"


def plain(bases: Sequence[LockedBase]) -> list[dict[str, object]]:
    """Bases as plain values, for JSON."""
    return [
        {"base": one.reference, "locked": one.locked, "now": one.now, "moved": one.moved, "images": list(one.images)}
        for one in bases
    ]
