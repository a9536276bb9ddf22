"""Decide which manifests of a repository go and which stay, each for one reason; nothing is asked and nothing done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from imageyard.keep.retention_facts import (
    Claims,
    Inventory,
    RepositoryKind,
    RetentionPolicy,
    StoredManifest,
    TagClass,
    class_of,
    life_of,
    pull_of,
)
from imageyard.keep.retention_plan import DeleteReason, HandsOff, KeepReason, RetentionPlan, RetentionVerdict

__all__ = ["ARCHIVE", "confirmed", "decide"]

_SKEW = timedelta(minutes=10)
"""How far the clocks of a registry and of this machine may be apart."""

ARCHIVE = timedelta(days=90)
"""For how long an archived image is paid for anyway (Amazon ECR User Guide, "Archiving an image")."""


def decide(
    inventory: Inventory,
    claims: Claims,
    policy: RetentionPolicy,
    now: datetime,
    *,
    kind: RepositoryKind = "trusted",
    backed_up: frozenset[str] | None = None,
    last: datetime | None = None,
) -> RetentionPlan:
    """Judge every manifest of a repository.

    `backed_up` are the digests that a backup is known to hold, None where nobody asked: then no backup is known of
    anything. `last` is when this repository was judged last. An index goes before its children and a subject before
    what refers to it, so that whoever stops on the way leaves nothing that stays without a part of it.
    """
    if inventory.unreadable:
        return RetentionPlan({}, (), HandsOff.UNREADABLE, inventory.unreadable)
    if late := _later_than(inventory, now, last):
        return RetentionPlan({}, (), HandsOff.CLOCK, late)
    judge = _Judge(inventory, claims, policy, now, kind, backed_up or frozenset())
    verdicts = judge.verdicts()
    going = [digest for digest, verdict in verdicts.items() if verdict.goes]
    if len(going) > policy.most:
        return RetentionPlan(verdicts, (), HandsOff.COUNT, f"{len(going)} of at most {policy.most}")
    if len(going) > policy.share * len(verdicts):
        return RetentionPlan(verdicts, (), HandsOff.SHARE, f"{len(going)} of {len(verdicts)}")
    return RetentionPlan(verdicts, _ordered(inventory, going))


def confirmed(first: RetentionPlan, again: RetentionPlan) -> tuple[str, ...]:
    """What goes by both of two plans, the second of which is newer, in the order of the second."""
    return tuple(digest for digest in again.deletions if digest in set(first.deletions))


def _later_than(inventory: Inventory, now: datetime, last: datetime | None) -> str:
    """What is later than now, in words; empty where nothing is."""
    if last is not None and last > now + _SKEW:
        return f"the last run was at {last.isoformat()}"
    latest = now + _SKEW
    for one in inventory.manifests.values():
        for time in (one.pushed, one.pulled, one.archived_at):
            if time is not None and time > latest:
                return f"{one.digest} was pushed or pulled at {time.isoformat()}"
    return ""


def _ordered(inventory: Inventory, going: Sequence[str]) -> tuple[str, ...]:
    chosen = set(going)
    lists: dict[str, set[str]] = {digest: set() for digest in sorted(going)}
    for digest in lists:
        for child in inventory.manifests[digest].children or ():
            if child in chosen:
                lists[child].add(digest)
    refers = {
        digest: before | {one for one in inventory.manifests[digest].subjects if one in chosen and one != digest}
        for digest, before in lists.items()
    }
    try:
        return tuple(TopologicalSorter(refers).static_order())
    except CycleError:  # a tag may say that an index refers to its own child; digests alone make no circle
        return tuple(TopologicalSorter(lists).static_order())


class _Judge:
    """One repository at one time."""

    def __init__(
        self,
        inventory: Inventory,
        claims: Claims,
        policy: RetentionPolicy,
        now: datetime,
        kind: RepositoryKind,
        backed_up: frozenset[str],
    ) -> None:
        self.manifests = inventory.manifests
        self.claims = claims
        self.policy = policy
        self.now = now
        self.kind: RepositoryKind = kind
        self.backed_up = backed_up
        self.classes: dict[str, TagClass] = {}

    def verdicts(self) -> dict[str, RetentionVerdict]:
        """Judge each manifest by itself, then keep all that what stays needs.

        What an index lists that cannot be read is not known; it was there before the index was pushed, as ECR takes no
        index without its children (Amazon ECR API, PutImage, `ReferencedImagesNotFoundException`).
        """
        kept: dict[str, RetentionVerdict] = {}
        for one in self.manifests.values():
            if verdict := self._own(one):
                kept[one.digest] = verdict
        self._keep_indexes_in_use(kept)
        self._spread(kept)
        hidden = [
            one.pushed or self.now for one in self.manifests.values() if one.digest in kept and one.children is None
        ]
        if hidden:
            for one in self.manifests.values():
                if one.digest not in kept and (one.pushed is None or one.pushed <= max(hidden)):
                    kept[one.digest] = RetentionVerdict(one, KeepReason.MAYBE_CHILD)
            self._spread(kept)
        return {
            digest: kept.get(digest) or RetentionVerdict(one, *self._goes(one))
            for digest, one in self.manifests.items()
        }

    @cached_property
    def indexes(self) -> Mapping[str, tuple[str, ...]]:
        """The indexes that list a manifest, by its digest."""
        found: dict[str, list[str]] = {}
        for one in self.manifests.values():
            for child in one.children or ():
                found.setdefault(child, []).append(one.digest)
        return {child: tuple(digests) for child, digests in found.items()}

    @cached_property
    def referrers(self) -> Mapping[str, tuple[str, ...]]:
        """What refers to a manifest, by its digest."""
        found: dict[str, list[str]] = {}
        for one in self.manifests.values():
            for subject in one.subjects:
                found.setdefault(subject, []).append(one.digest)
        return {subject: tuple(digests) for subject, digests in found.items()}

    @cached_property
    def tagged(self) -> Mapping[str, str]:
        """The digests by tag."""
        return {tag: one.digest for one in self.manifests.values() for tag in one.tags}

    def _own(self, one: StoredManifest) -> RetentionVerdict | None:
        """The reason for which a manifest stays whatever becomes of others; None where it has none."""
        classes = {tag: self._class(tag) for tag in one.tags}
        if one.digest in self.claims.pinned_digests:
            return RetentionVerdict(one, KeepReason.PINNED)
        first = {tag_class: tag for tag, tag_class in reversed(classes.items())}
        if "pinned" in first:
            return RetentionVerdict(one, KeepReason.PINNED, first["pinned"])
        if reached := self._reached(one):
            return RetentionVerdict(one, KeepReason.REACHABLE, reached)
        if "floating" in first:
            return RetentionVerdict(one, KeepReason.FLOATING, first["floating"])
        if "foreign" in first:
            return RetentionVerdict(one, KeepReason.FOREIGN, first["foreign"])
        if "cache" in first and (tag := next((tag for tag in classes if self._is_open(tag)), None)):
            return RetentionVerdict(one, KeepReason.OPEN, tag)
        if self._was_pulled(one):
            return RetentionVerdict(one, KeepReason.PULLED)
        if one.pushed is not None and self.now - one.pushed < self.policy.grace:
            return RetentionVerdict(one, KeepReason.YOUNG)
        if one.archived and (one.archived_at is None or self.now - one.archived_at < ARCHIVE):
            return RetentionVerdict(one, KeepReason.ARCHIVED)
        if self._follows(one):
            return None
        if one.pushed is None:
            return RetentionVerdict(one, KeepReason.AGE_UNKNOWN)
        named = self._named(one)
        for tag in named or ("",):
            if self.now - one.pushed < self._age(classes.get(tag, "temporary"), one):
                return RetentionVerdict(one, KeepReason.WITHIN_AGE, tag)
        demanded = {classes[tag] for tag in named} & self.policy.backed_up
        return RetentionVerdict(one, KeepReason.NO_BACKUP) if demanded and one.digest not in self.backed_up else None

    def _is_open(self, tag: str) -> bool:
        return self._class(tag) == "cache" and pull_of(tag) in self.claims.open_pulls

    def _reached(self, one: StoredManifest) -> str:
        """The commit that leads to a manifest, by its tags or by the records beside it; empty where none does."""
        if tag := next((tag for tag in one.tags if tag in self.claims.reachable), None):
            return self.claims.reachable[tag]
        for digest in self.referrers.get(one.digest, ()):
            if (commit := self.manifests[digest].commit) in self.claims.commits:
                return commit or ""
        return ""

    def _follows(self, one: StoredManifest) -> bool:
        """Whether a manifest has no tag of its own and lives with an index or with what it refers to."""
        above = one.digest in self.indexes or any(subject in self.manifests for subject in one.subjects)
        return above and not self._named(one)

    def _named(self, one: StoredManifest) -> list[str]:
        """The tags that a person pulls, without those that only say what is attached to what."""
        return [tag for tag in one.tags if self._class(tag) != "attached"] if one.tags else []

    def _class(self, tag: str) -> TagClass:
        if tag not in self.classes:
            self.classes[tag] = class_of(tag, self.policy, self.claims, self.kind)
        return self.classes[tag]

    def _age(self, tag_class: TagClass, one: StoredManifest) -> timedelta:
        """How old a manifest has to be before a tag of this class keeps it no longer."""
        return life_of(tag_class, self.policy, unversioned=one.digest in self.claims.unversioned)

    def _keep_indexes_in_use(self, kept: dict[str, RetentionVerdict]) -> None:
        """Keep the indexes of what was pulled lately: a pull by way of an index may count for its child alone."""
        todo = [digest for digest, one in self.manifests.items() if self._was_pulled(one)]
        seen = set(todo)
        while todo:
            digest = todo.pop()
            for index in self.indexes.get(digest, ()):
                if index not in seen:
                    kept.setdefault(index, RetentionVerdict(self.manifests[index], KeepReason.INDEX, digest))
                    seen.add(index)
                    todo.append(index)

    def _was_pulled(self, one: StoredManifest) -> bool:
        return one.pulled is not None and self.now - one.pulled < self.policy.pulled

    def _spread(self, kept: dict[str, RetentionVerdict]) -> None:
        """Keep all that what stays needs, and all that belongs to it."""
        todo = list(kept)
        while todo:
            digest = todo.pop()
            for needed, reason, about in self._needs(kept[digest]):
                if needed in self.manifests and needed not in kept:
                    kept[needed] = RetentionVerdict(self.manifests[needed], reason, about)
                    todo.append(needed)

    def _needs(self, verdict: RetentionVerdict) -> Iterator[tuple[str, KeepReason, str]]:
        one = verdict.manifest
        yield from ((child, KeepReason.CHILD, one.digest) for child in one.children or ())
        yield from ((subject, KeepReason.SUBJECT, one.digest) for subject in one.subjects)
        yield from ((referrer, KeepReason.REFERRER, one.digest) for referrer in self.referrers.get(one.digest, ()))
        for tag in one.tags:
            parents = (self.tagged.get(parent) for parent in self.claims.parents.get(tag, ()))
            yield from ((parent, KeepReason.PARENT, tag) for parent in parents if parent)

    def _goes(self, one: StoredManifest) -> tuple[DeleteReason, str]:
        """Why a manifest goes that nothing keeps."""
        if named := self._named(one):
            tag = max(named, key=lambda tag: self._age(self._class(tag), one))
            match self._class(tag):
                case "weekly":
                    return DeleteReason.WEEKLY, tag
                case "cache":
                    return DeleteReason.CACHE, tag
                case "content":
                    other = one.digest in self.claims.unversioned
                    return (DeleteReason.OTHER_VERSION if other else DeleteReason.UNREACHABLE), tag
                case _:
                    return DeleteReason.TEMPORARY, tag
        if subject := next((subject for subject in one.subjects if subject in self.manifests), None):
            return DeleteReason.WITH_SUBJECT, subject
        if index := next(iter(self.indexes.get(one.digest, ())), None):
            return DeleteReason.WITH_INDEX, index
        return DeleteReason.UNTAGGED, ""
