"""What is no longer fresh: bases that have moved since they were locked, and locks, epochs and images of long ago."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from imageyard.catalogue.lock_epochs import EVERY_IMAGE
from imageyard.keep.locked_bases import LockedBase, chosen, from_each, plain, said, used
from imageyard.layout import aligned
from imageyard.names import parse_reference
from imageyard.parallel import each
from imageyard.project import publish_policy
from imageyard.project.recipes import read_lock
from imageyard.publishing import record_artifact

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.registry.client import Client
    from imageyard.run.services import Services

__all__ = ["OldThing", "old_things", "rendered", "stale"]

OldKind: TypeAlias = Literal["lock", "epoch", "build"]
_WORKERS = 8


@dataclass(frozen=True)
class OldThing:
    """Something of long ago: a line of the lock, an epoch, or the build of a row; `since` is the day that it is of."""

    kind: OldKind
    name: str
    since: date

    def said(self, today: date) -> str:
        """How old it is, in words."""
        what = {"lock": "locked", "epoch": "the epoch is", "build": "built"}[self.kind]
        return f"{what} {self.since.isoformat()}, {(today - self.since).days} days ago"


def stale(project: Project, recipes: Recipes, registry: Client, pattern: str = "*") -> tuple[LockedBase, ...]:
    """Every locked base under the images of a pattern, with what its registry has now; None where it is gone there.

    Raises Denied or Transient with the registry's words: what cannot be asked is not called fresh.
    """
    known = read_lock(project)
    if not known.pinned:
        return ()
    under = used(recipes, known)
    wanted = set(known.pinned)
    if pattern != "*":
        wanted &= set(chosen(under, (), {row.name for row in project.rows(pattern)}))
    now = from_each(sorted(wanted), lambda name: registry.digest_of(parse_reference(name)))
    return tuple(
        LockedBase(name, digest, now[name], under.images.get(name, ()))
        for name, digest in known.pinned.items()
        if name in wanted
    )


def old_things(
    project: Project, recipes: Recipes, services: Services, pattern: str, age: timedelta, today: date
) -> tuple[OldThing, ...]:
    """What is older than `age`: lines of the lock by their date, epochs that are a day, and rows by their records.

    A row is asked for at the trusted repository; one without a record there, or that is not published, says nothing.
    Raises Denied or Transient with the registry's words.
    """
    known = read_lock(project)
    rows = project.rows(pattern)
    images = {row.name for row in rows}
    under = chosen(used(recipes, known), (), images) if known.pinned else ()
    found = [OldThing("lock", name, day) for name in under if (day := _day(known.notes.get(name, "")))]
    epochs = {name: epoch for name, epoch in known.epochs.items() if name == EVERY_IMAGE or name in images}
    named = {name: "every image" if name == EVERY_IMAGE else name for name in epochs}
    found += [OldThing("epoch", named[name], day) for name, epoch in epochs.items() if (day := _day(epoch))]
    asked = [row for row in rows if not publish_policy.why_not(recipes, row)]
    found += [thing for thing in each(asked, lambda row: _built(project, recipes, services, row), _WORKERS) if thing]
    return tuple(one for one in found if today - one.since > age)


def rendered(
    bases: Sequence[LockedBase], old: Sequence[OldThing] | None = None, *, today: date | None = None, as_json: bool
) -> object:
    """Locked bases, and what is old where it was asked for, as tables or as plain values."""
    if as_json:
        if old is None:
            return plain(bases)
        told = [{"kind": one.kind, "name": one.name, "since": one.since.isoformat()} for one in old]
        return {"bases": plain(bases), "old": told}
    return "\n".join([*_of_bases(bases), *(_of_old(old, today) if old is not None and today else ())])


def _of_bases(bases: Sequence[LockedBase]) -> Iterator[str]:
    if not bases:
        yield "no base is locked: inv lock"
        return
    cells = [(base.reference, said(base), " ".join(base.images) or "no image uses it") for base in bases]
    yield from aligned(("base", "state", "images"), cells)


def _of_old(old: Sequence[OldThing], today: date) -> Iterator[str]:
    if not old:
        yield "nothing is older than that"
        return
    yield from aligned(("what is old", "since when"), [(one.name, one.said(today)) for one in old])


def _built(project: Project, recipes: Recipes, services: Services, row: Row) -> OldThing | None:
    client, tag = services.registry(), recipes.tag(row)
    reference = publish_policy.repository(project.catalogue, "trusted").with_tag(tag)
    digest = client.digest_of(reference)
    if digest is None:
        return None
    own = [
        one for one in record_artifact.read(client, reference.with_digest(digest), services.reporter) if one.tag == tag
    ]
    day = _day(own[-1].started) if own else None
    return OldThing("build", f"{row.name} {row.arch}", day) if day else None


def _day(text: str) -> date | None:
    """The day that a text begins with (ISO 8601), None where it begins with none."""
    try:
        return datetime.strptime(text[:10], "%Y-%m-%d").date()
    except ValueError:
        return None
