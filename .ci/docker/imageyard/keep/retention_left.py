"""For how long retention keeps an image yet, as far as its age, its pulls and its archive say so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from imageyard.errors import assert_never
from imageyard.keep.retention import ARCHIVE
from imageyard.keep.retention_facts import Claims, RepositoryKind, RetentionPolicy, StoredManifest, class_of, life_of
from imageyard.keep.retention_plan import DeleteReason, KeepReason, RetentionVerdict

__all__ = ["time_left"]


def time_left(
    verdict: RetentionVerdict, claims: Claims, policy: RetentionPolicy, kind: RepositoryKind, now: datetime
) -> timedelta | None:
    """How long an image stays by itself from now on; zero for what goes, None for what no age ends.

    It may stay longer: without a backup that its class demands, where something needs it, and where it turns out to be
    of another recipe version, which is asked of those alone that would go.
    """
    match verdict.reason:
        case DeleteReason():
            return timedelta(0)
        case KeepReason.PULLED | KeepReason.YOUNG | KeepReason.ARCHIVED | KeepReason.WITHIN_AGE:
            last = max(_ends(verdict.manifest, claims, policy, kind), default=None)
            return None if last is None else max(last - now, timedelta(0))
        case (
            KeepReason.PINNED
            | KeepReason.REACHABLE
            | KeepReason.FLOATING
            | KeepReason.FOREIGN
            | KeepReason.OPEN
            | KeepReason.AGE_UNKNOWN
            | KeepReason.NO_BACKUP
            | KeepReason.MAYBE_CHILD
            | KeepReason.CHILD
            | KeepReason.REFERRER
            | KeepReason.SUBJECT
            | KeepReason.INDEX
            | KeepReason.PARENT
        ):
            return None
        case _:
            assert_never(verdict.reason)


def _ends(one: StoredManifest, claims: Claims, policy: RetentionPolicy, kind: RepositoryKind) -> Iterator[datetime]:
    """The times at which each reason that an age ends stops keeping a manifest."""
    if one.pulled is not None:
        yield one.pulled + policy.pulled
    if one.archived and one.archived_at is not None:
        yield one.archived_at + ARCHIVE
    if one.pushed is None:
        return
    yield one.pushed + policy.grace
    classes = [class_of(tag, policy, claims, kind) for tag in one.tags]
    named = [tag_class for tag_class in classes if tag_class != "attached"] or ["temporary"]
    for tag_class in named:
        life = life_of(tag_class, policy, unversioned=one.digest in claims.unversioned)
        yield one.pushed + min(life, timedelta(days=36_500))
