"""Pins of base images: what a registry answers goes to `images.lock`, and never anything else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from imageyard.catalogue import lock as locks
from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError, NotFound
from imageyard.files import atomic_write, keep_out_of_git, locked, make_folder
from imageyard.keep.base_configs import base_configs
from imageyard.layout import aligned
from imageyard.names import Digest, parse_reference, platform_of
from imageyard.parallel import each
from imageyard.project.recipes import read_lock
from imageyard.recipe.pulled import Pulls

if TYPE_CHECKING:
    from imageyard.catalogue.base_config import BaseConfig
    from imageyard.catalogue.lock import Lock
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.registry.client import Client
    from imageyard.run.services import Services

__all__ = ["Pin", "lock", "rendered", "stale"]

_SHOWN = 19  # characters of a digest that a person can compare, `sha256:` and 12 hex
_T = TypeVar("_T")


@dataclass(frozen=True)
class Pin:
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

    Their configs go beside them, and those of bases that are locked without. An ONBUILD trigger in these may pull
    further images: it is asked until nothing new is found. Raises NotFound, Denied or Transient with the registry's
    words where one base has no answer: nothing is written. ConfigurationError for a base that no Dockerfile names.
    """
    asked = _Asked(read_lock(project))
    registry, platforms = services.registry(), {platform_of(row.arch) for row in project.catalogue.rows}
    while True:
        used = _used(recipes, asked.lock)
        chosen = _chosen(used, only)
        if wanted := [name for name in chosen if asked.wants_digest(name, again=refresh or bool(only))]:
            services.reporter.step(f"asking for {', '.join(wanted)}")
            asked.digests |= _from_each(wanted, lambda name: registry.head(parse_reference(name))[0])
        elif lacking := [name for name in chosen if name not in asked.configs and asked.lacks(used, name)]:
            services.reporter.step(f"asking for the configs of {', '.join(lacking)}")
            asked.configs |= _from_each(lacking, partial(_configs, registry, asked.lock, platforms, used))
        else:
            break
    pins = asked.pins(used)
    _write(project, {pin.reference: pin.now for pin in pins if pin.moved and pin.now}, asked.lock, used)
    if as_json:
        return _plain(pins)
    if not pins:
        return f"all {len(used.by_tag)} bases are locked"
    return "\n".join(f"{pin.reference}: {_said(pin)}" for pin in pins)


@dataclass(frozen=True)
class _Used:
    """What the rows of a catalogue pull, by tag as a lock spells it, or by digest.

    `images` are those above each, `starts` the platforms of the stages that start from it.
    """

    images: Mapping[str, tuple[str, ...]]
    starts: Mapping[str, frozenset[str]]

    @property
    def by_tag(self) -> tuple[str, ...]:
        """Those that a lock pins."""
        return tuple(name for name in self.images if parse_reference(name).digest is None)


@dataclass
class _Asked:
    """What registries answered: digests, and configs by platform, None where the locked digest is gone."""

    known: Lock
    digests: dict[str, Digest] = field(default_factory=dict)
    configs: dict[str, Mapping[str, BaseConfig] | None] = field(default_factory=dict)

    @property
    def lock(self) -> Lock:
        """The lock with what was answered."""
        lock = replace(self.known, pinned={**self.known.pinned, **self.digests})
        configs = dict(lock.configs)
        for name, found in self.configs.items():
            if (digest := _digest(name, lock)) and found:
                configs[digest] = {**configs.get(digest, {}), **found}
        return replace(lock, configs=configs)

    def wants_digest(self, name: str, *, again: bool) -> bool:
        """Whether the digest of a tag is to be asked for."""
        by_digest = parse_reference(name).digest is not None
        return not by_digest and name not in self.digests and (again or name not in self.known.pinned)

    def lacks(self, used: _Used, name: str) -> tuple[str, ...]:
        """The platforms of stages that start from an image whose config is not known."""
        lock = self.lock
        digest = _digest(name, lock)
        known = lock.configs.get(digest, {}) if digest else {}
        return tuple(sorted(used.starts.get(name, frozenset()) - known.keys()))

    def pins(self, used: _Used) -> list[Pin]:
        """All that was asked."""
        found = []
        for name, images in used.images.items():
            was, lacks = _digest(name, self.known), self.lacks(used, name) if name in self.configs else ()
            if name in self.digests:
                found.append(Pin(name, was, self.digests[name], images, lacks=lacks))
            elif name in self.configs:
                gone = self.configs[name] is None
                found.append(Pin(name, was, None if gone else was, images, asked=not gone, lacks=lacks))
        return found


def _digest(name: str, lock: Lock) -> Digest | None:
    return parse_reference(name).digest or lock.pinned.get(name)


def _configs(
    registry: Client, lock: Lock, platforms: Collection[str], used: _Used, name: str
) -> Mapping[str, BaseConfig] | None:
    """The configs of an image by digest; None where it is gone, which keeps no other from being locked."""
    reference, digest = parse_reference(name), _digest(name, lock)
    assert digest is not None
    try:
        return base_configs(registry, reference.with_digest(digest), {*platforms, *used.starts[name]})
    except NotFound:
        return None


def stale(project: Project, recipes: Recipes, registry: Client) -> tuple[Pin, ...]:
    """Every locked base with what its registry has now; one that is gone there has None.

    Raises Denied or Transient with the registry's words: what cannot be asked is not called fresh.
    """
    locked_now = read_lock(project)
    pinned = locked_now.pinned
    images = _used(recipes, locked_now).images if pinned else {}
    now = _from_each(pinned, lambda name: registry.digest_of(parse_reference(name)))
    return tuple(Pin(name, digest, now[name], images.get(name, ())) for name, digest in pinned.items())


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
    if pin.lacks:
        return f"it has no image for {', '.join(pin.lacks)}"
    if pin.locked is None:
        return f"locked at {pin.now[:_SHOWN]}"
    if pin.moved:
        return f"moved, {pin.locked[:_SHOWN]} -> {pin.now[:_SHOWN]}"
    return "its ENV and ONBUILD are locked too" if pin.asked else "unchanged"


def _plain(pins: Sequence[Pin]) -> list[dict[str, object]]:
    return [
        {"base": p.reference, "locked": p.locked, "now": p.now, "moved": p.moved, "images": list(p.images)}
        for p in pins
    ]


def _used(recipes: Recipes, lock: Lock) -> _Used:
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
    return _Used(
        {name: tuple(above) for name, above in images.items()},
        {name: frozenset(platforms) for name, platforms in starts.items()},
    )


def _chosen(used: _Used, only: Sequence[str]) -> tuple[str, ...]:
    if not only:
        return tuple(used.images)
    keys = tuple(locks.reference_key(name) for name in only)
    for name, key in zip(only, keys, strict=True):
        if key not in used.by_tag:
            hint = did_you_mean(key, used.by_tag) or f"the bases are: {', '.join(used.by_tag)}"
            raise ConfigurationError(f"no Dockerfile starts from {name}", hint=hint)
    return keys


def _from_each(names: Iterable[str], ask: Callable[[str], _T]) -> dict[str, _T]:
    """What registries answer, by name: of an index, where a name has one."""
    wanted = tuple(names)
    # the first of each host alone: of one that does not answer, nothing more is asked
    found = {name: ask(name) for name in {parse_reference(name).registry: name for name in wanted}.values()}
    rest = [name for name in wanted if name not in found]
    return found | dict(zip(rest, each(rest, ask, workers=8), strict=True))


def _write(project: Project, pins: Mapping[str, Digest], asked: Lock, used: _Used) -> None:
    """Write pins, and the configs of all that is pinned or named; those of other images go."""
    path = project.file.parent / "images.lock"
    named = {digest for name in used.images if (digest := parse_reference(name).digest)}
    keep = {*asked.pinned.values(), *named}
    configs = {digest: found for digest, found in asked.configs.items() if digest in keep}
    today = datetime.now(timezone.utc).date().isoformat()
    keep_out_of_git(project.state)
    guard = project.state / "locks"
    make_folder(guard)
    with locked(guard / "images.lock"):
        old = path.read_bytes().decode("utf-8") if path.exists() else ""
        text = old
        for key, digest in pins.items():
            text = locks.with_line(text, key, digest, today, path.name)
        text = locks.with_configs(text, configs, keep, path.name)
        if text != old:
            atomic_write(path, text)
