"""Pins of base images: what a registry answers goes to `images.lock`, and never anything else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from imageyard.catalogue import lock as locks
from imageyard.catalogue.lock_epochs import EVERY_IMAGE, with_epochs
from imageyard.errors import ConfigurationError, NotFound, PolicyRefused
from imageyard.files import atomic_write, keep_out_of_git, locked, make_folder
from imageyard.keep.base_configs import base_configs
from imageyard.keep.locked_bases import LockedBase, Used, chosen, from_each, plain, said, used
from imageyard.layout import aligned
from imageyard.names import Digest, parse_reference, platform_of
from imageyard.project.recipes import read_lock, recipes_of

if TYPE_CHECKING:
    from imageyard.catalogue.base_config import BaseConfig
    from imageyard.catalogue.lock import Lock
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.registry.client import Client
    from imageyard.run.services import Services

__all__ = ["Locking", "NewTag", "check", "lock", "rendered"]


@dataclass(frozen=True)
class NewTag:
    """A row that a change of the lock gives another tag; `was` is None where it had none, for want of a lock."""

    image: str
    arch: str
    was: str | None
    now: str


@dataclass(frozen=True)
class Locking:
    """What was locked: bases, of `known` that the catalogue pulls, the epochs that moved by image, and new tags."""

    bases: tuple[LockedBase, ...]
    known: int
    epochs: Mapping[str, tuple[str | None, str]]
    tags: tuple[NewTag, ...]


def lock(
    project: Project,
    recipes: Recipes,
    services: Services,
    pattern: str = "*",
    only: Sequence[str] = (),
    *,
    refresh: bool,
    epoch: bool = True,
) -> Locking:
    """Pin the bases that are not locked, with `refresh` all, at what their registries answer, in one write.

    `pattern` selects the images whose bases are meant, `only` names bases. Configs of bases go beside them, and those
    of bases that are locked without. An ONBUILD trigger in these may pull further images: it is asked until nothing new
    is found. A refresh moves the epoch of the images to today's date (UTC) too, so that their commands are run again;
    not so without `epoch`, and where `only` names what is to be moved.

    Raises NotFound, Denied or Transient with the registry's words where one base has no answer: nothing is written.
    ConfigurationError for a pattern that selects nothing, and a base that no Dockerfile names.
    """
    asked = _Asked(read_lock(project))
    registry, platforms = services.registry(), {platform_of(row.arch) for row in project.catalogue.rows}
    images = None if pattern == "*" else {row.name for row in project.rows(pattern)}
    while True:
        uses = used(recipes, asked.lock)
        bases = chosen(uses, only, images)
        if wanted := [name for name in bases if asked.wants_digest(name, again=refresh or bool(only))]:
            services.reporter.step(f"asking for {', '.join(wanted)}")
            asked.digests |= from_each(wanted, lambda name: registry.head(parse_reference(name))[0])
        elif lacking := [name for name in bases if name not in asked.configs and asked.lacks(uses, name)]:
            services.reporter.step(f"asking for the configs of {', '.join(lacking)}")
            asked.configs |= from_each(lacking, partial(_configs, registry, asked.lock, platforms, uses))
        else:
            break
    locked_bases = asked.bases(uses)
    today = datetime.now(timezone.utc).date().isoformat()
    moves = {base.reference: base.now for base in locked_bases if base.moved and base.now}
    timed = frozenset(images or (EVERY_IMAGE,)) if refresh and epoch and not only else frozenset()
    before = _tags(recipes) if refresh else {}
    _write(project, moves, asked.lock, uses, today, timed)
    after = _tags(recipes_of(project)) if refresh else {}
    return Locking(
        tuple(locked_bases),
        len(uses.by_tag),
        {image: (asked.known.epochs.get(image), today) for image in timed if asked.known.epochs.get(image) != today},
        tuple(NewTag(*row, before.get(row), tag) for row, tag in after.items() if before.get(row) != tag),
    )


def check(project: Project, recipes: Recipes) -> str:
    """Say that every base is locked; no registry is asked. Raises PolicyRefused with those that are not."""
    known = read_lock(project)
    uses = used(recipes, known)
    if missing := [name for name in uses.by_tag if name not in known.pinned]:
        raise PolicyRefused(
            f"{len(missing)} of {len(uses.by_tag)} bases are not locked: {', '.join(missing)}",
            at=known.file,
            hint="inv lock    (and commit images.lock)",
        )
    return f"all {len(uses.by_tag)} bases are locked"


def rendered(locking: Locking, *, as_json: bool) -> object:
    """What was locked as text, or as `{"bases": [...], "epochs": [...], "tags": [...]}`."""
    if as_json:
        return {
            "bases": plain(locking.bases),
            "epochs": [{"image": i, "was": was, "now": now} for i, (was, now) in sorted(locking.epochs.items())],
            "tags": [{"image": t.image, "arch": t.arch, "was": t.was, "now": t.now} for t in locking.tags],
        }
    lines = [f"{base.reference}: {said(base)}" for base in locking.bases]
    for image, (was, now) in sorted(locking.epochs.items()):
        whose = "" if image == EVERY_IMAGE else f" of {image}"
        lines.append(f"epoch{whose}: {was or 'none'} -> {now}")
    if locking.tags:
        cells = [(tag.image, tag.arch, tag.was or "-", tag.now) for tag in locking.tags]
        lines += ["", *aligned(("image", "arch", "tag before", "tag now"), cells)]
    return "\n".join(lines) or f"all {locking.known} bases are locked"


def _tags(recipes: Recipes) -> dict[tuple[str, str], str]:
    """The tag of each row, but of those that cannot be worked out with what the lock knows."""
    found: dict[tuple[str, str], str] = {}
    for row in recipes.catalogue.rows:
        try:
            found[row.name, row.arch] = recipes.tag(row)
        except ConfigurationError:
            continue
    return found


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

    def lacks(self, used: Used, name: str) -> tuple[str, ...]:
        """The platforms of stages that start from an image whose config is not known."""
        lock = self.lock
        digest = _digest(name, lock)
        known = lock.configs.get(digest, {}) if digest else {}
        return tuple(sorted(used.starts.get(name, frozenset()) - known.keys()))

    def bases(self, used: Used) -> list[LockedBase]:
        """All that was asked."""
        found = []
        for name, images in used.images.items():
            was, lacks = _digest(name, self.known), self.lacks(used, name) if name in self.configs else ()
            if name in self.digests:
                found.append(LockedBase(name, was, self.digests[name], images, lacks=lacks))
            elif name in self.configs:
                gone = self.configs[name] is None
                found.append(LockedBase(name, was, None if gone else was, images, asked=not gone, lacks=lacks))
        return found


def _digest(name: str, lock: Lock) -> Digest | None:
    return parse_reference(name).digest or lock.pinned.get(name)


def _configs(
    registry: Client, lock: Lock, platforms: Collection[str], used: Used, name: str
) -> Mapping[str, BaseConfig] | None:
    """The configs of an image by digest; None where it is gone, which keeps no other from being locked."""
    reference, digest = parse_reference(name), _digest(name, lock)
    assert digest is not None
    try:
        return base_configs(registry, reference.with_digest(digest), {*platforms, *used.starts[name]})
    except NotFound:
        return None


def _write(
    project: Project, pins: Mapping[str, Digest], asked: Lock, used: Used, today: str, timed: Collection[str]
) -> None:
    """Write pins, the configs of all that is pinned or named, and the epoch of the images of `timed`, all at once.

    The configs of other images go.
    """
    path = project.file.parent / "images.lock"
    named = {digest for name in used.images if (digest := parse_reference(name).digest)}
    keep = {*asked.pinned.values(), *named}
    configs = {digest: found for digest, found in asked.configs.items() if digest in keep}
    keep_out_of_git(project.state)
    guard = project.state / "locks"
    make_folder(guard)
    with locked(guard / "images.lock"):
        old = path.read_bytes().decode("utf-8") if path.exists() else ""
        text = old
        for key, digest in pins.items():
            text = locks.with_line(text, key, digest, today, path.name)
        text = locks.with_configs(text, configs, keep, path.name)
        if timed:
            text = with_epochs(text, today, set(timed) - {EVERY_IMAGE}, path.name)
        if text != old:
            atomic_write(path, text)
