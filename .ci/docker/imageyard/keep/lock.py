"""Pins of base images: what a registry answers goes to `images.lock`, and never anything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from imageyard.catalogue import lock as locks
from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError
from imageyard.files import atomic_write, keep_out_of_git, locked, make_folder
from imageyard.layout import aligned
from imageyard.names import Digest, parse_reference
from imageyard.parallel import each
from imageyard.project.recipes import read_lock
from imageyard.recipe.dockerfile.references import familiar
from imageyard.recipe.sources import IMAGE_SCHEME

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue, Row
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.registry.client import Client
    from imageyard.run.services import Services

__all__ = ["Pin", "lock", "rendered", "stale"]

_SHOWN = 19  # characters of a digest that a person can compare, `sha256:` and 12 hex


@dataclass(frozen=True)
class Pin:
    """A base: its reference, the digest that is locked, the one that its registry has now, the images it is under.

    `locked` is None where it is not locked, `now` where the registry does not have it.
    """

    reference: str
    locked: Digest | None
    now: Digest | None
    images: tuple[str, ...]

    @property
    def moved(self) -> bool:
        """Whether the registry has another one than the lock."""
        return self.locked != self.now


def lock(
    project: Project,
    recipes: Recipes,
    services: Services,
    only: Sequence[str] = (),
    *,
    refresh: bool,
    as_json: bool = False,
) -> object:
    """Pin the bases that are not locked, with `refresh` all, at what their registries answer, in one write.

    Raises NotFound, Denied or Transient with the registry's words where one base has no answer: nothing is written.
    ConfigurationError for a base that no Dockerfile names.
    """
    known = read_lock(project)
    bases = _chosen(_bases(project.catalogue, recipes), only)
    wanted = {key: images for key, images in bases.items() if refresh or only or key not in known.pinned}
    if wanted:
        services.reporter.step(f"asking for {', '.join(wanted)}")
    now = _ask(wanted, services.registry(), may_be_gone=False)
    pins = [Pin(key, known.pinned.get(key), now[key], images) for key, images in wanted.items()]
    _write(project, {pin.reference: pin.now for pin in pins if pin.moved and pin.now})
    if as_json:
        return _plain(pins)
    if not pins:
        return f"all {len(bases)} bases are locked"
    return "\n".join(f"{pin.reference}: {_said(pin)}" for pin in pins)


def stale(project: Project, recipes: Recipes, registry: Client) -> tuple[Pin, ...]:
    """Every locked base with what its registry has now; one that is gone there has None.

    Raises Denied or Transient with the registry's words: what cannot be asked is not called fresh.
    """
    pinned = read_lock(project).pinned
    bases = _bases(project.catalogue, recipes) if pinned else {}
    now = _ask(pinned, registry, may_be_gone=True)
    return tuple(Pin(key, digest, now[key], bases.get(key, ())) for key, digest in pinned.items())


def rendered(pins: Sequence[Pin], *, as_json: bool) -> object:
    """Locked bases as a table, or as plain values."""
    if as_json:
        return _plain(pins)
    if not pins:
        return "no base is locked: inv lock"
    cells = [(pin.reference, _said(pin), " ".join(pin.images) or "no image uses it") for pin in pins]
    return "\n".join(aligned(("base", "state", "images"), cells))


def _said(pin: Pin) -> str:
    if pin.now is None:
        return "gone from its registry"
    if pin.locked is None:
        return f"locked at {pin.now[:_SHOWN]}"
    return f"moved, {pin.locked[:_SHOWN]} -> {pin.now[:_SHOWN]}" if pin.moved else "unchanged"


def _plain(pins: Sequence[Pin]) -> list[dict[str, object]]:
    return [
        {"base": p.reference, "locked": p.locked, "now": p.now, "moved": p.moved, "images": list(p.images)}
        for p in pins
    ]


def _bases(catalogue: Catalogue, recipes: Recipes) -> dict[str, tuple[str, ...]]:
    """The references that Dockerfiles pull by tag, as a lock spells them, each with the images above it."""
    under: dict[tuple[str, str], dict[str, None]] = {}
    images: dict[str, dict[str, None]] = {}
    for row in catalogue.rows:
        mine = dict.fromkeys(_own(recipes, row))
        for parent in recipes.parent_rows(row):
            mine |= under[parent.name, parent.arch]
        under[row.name, row.arch] = mine
        for key in mine:
            images.setdefault(key, {})[row.name] = None
    return {key: tuple(names) for key, names in images.items()}


def _own(recipes: Recipes, row: Row) -> list[str]:

    contexts = {familiar(name): where.removeprefix(IMAGE_SCHEME) for name, where in row.image.contexts.items()}
    found = []
    for source in recipes.of(row).sources:
        if source.kind in ("locked", "standin", "unlocked"):
            reference = parse_reference(contexts.get(source.name, source.name))
            if reference.digest is None:
                found.append(locks.reference_key(reference))
    return found


def _chosen(bases: Mapping[str, tuple[str, ...]], only: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    if not only:
        return bases
    keys = [locks.reference_key(name) for name in only]
    for name, key in zip(only, keys, strict=True):
        if key not in bases:
            hint = did_you_mean(key, bases) or f"the bases are: {', '.join(bases)}"
            raise ConfigurationError(f"no Dockerfile starts from {name}", hint=hint)
    return {key: bases[key] for key in keys}


def _ask(keys: Iterable[str], registry: Client, *, may_be_gone: bool) -> dict[str, Digest | None]:
    """The digest that each reference has at its registry now: of its index, where it has one."""
    wanted = tuple(keys)

    def ask(key: str) -> Digest | None:
        reference = parse_reference(key)
        return registry.digest_of(reference) if may_be_gone else registry.head(reference)[0]

    # the first of each host alone: of one that does not answer, nothing more is asked
    found = {key: ask(key) for key in {parse_reference(key).registry: key for key in wanted}.values()}
    rest = [key for key in wanted if key not in found]
    return found | dict(zip(rest, each(rest, ask, workers=8), strict=True))


def _write(project: Project, pins: Mapping[str, Digest]) -> None:
    if not pins:
        return
    path = project.file.parent / "images.lock"
    today = datetime.now(timezone.utc).date().isoformat()
    keep_out_of_git(project.state)
    guard = project.state / "locks"
    make_folder(guard)
    with locked(guard / "images.lock"):
        text = path.read_bytes().decode("utf-8") if path.exists() else ""
        for key, digest in pins.items():
            text = locks.with_line(text, key, digest, today, path.name)
        atomic_write(path, text)
