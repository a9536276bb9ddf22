"""What retention says of a manifest and of a repository: values, with one reason for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from imageyard.keep.retention_facts import StoredManifest

__all__ = [
    "DeleteReason",
    "HandsOff",
    "KeepReason",
    "RetentionPlan",
    "RetentionVerdict",
    "bound_to",
    "first_apart",
]


class KeepReason(Enum):
    """Why a manifest stays. The order is that in which reasons are looked for."""

    PINNED = "pinned"
    REACHABLE = "of a kept commit"
    FLOATING = "a floating tag names it"
    FOREIGN = "a tag that is not ours names it"
    OPEN = "the cache of a pull request that is open"
    PULLED = "pulled lately"
    YOUNG = "pushed just now"
    ARCHIVED = "archived"
    AGE_UNKNOWN = "of unknown age"
    WITHIN_AGE = "not old enough"
    NO_BACKUP = "not backed up"
    MAYBE_CHILD = "an index that cannot be read may list it"
    CHILD = "an index that stays lists it"
    REFERRER = "it refers to what stays"
    SUBJECT = "what stays refers to it"
    INDEX = "it lists what was pulled lately"
    PARENT = "a row that stays starts from it"


class DeleteReason(Enum):
    """Why a manifest goes."""

    TEMPORARY = "temporary, and old enough"
    WEEKLY = "an old weekly image"
    UNREACHABLE = "of no kept commit"
    OTHER_VERSION = "of another recipe version, and old enough"
    CACHE = "an old cache"
    UNTAGGED = "without a tag"
    WITH_INDEX = "every index that lists it goes"
    WITH_SUBJECT = "what it refers to goes"


class HandsOff(Enum):
    """Why nothing of a repository goes."""

    UNREADABLE = "it cannot be read in whole"
    CLOCK = "the clock runs backwards"
    COUNT = "too many would go"
    SHARE = "too large a part would go"


Reason: TypeAlias = "KeepReason | DeleteReason"


@dataclass(frozen=True)
class RetentionVerdict:
    """What becomes of a manifest. `about` is the tag, digest or commit that decides it; empty where it is itself."""

    manifest: StoredManifest
    reason: Reason
    about: str = ""

    @property
    def goes(self) -> bool:
        """Whether it is to be deleted."""
        return isinstance(self.reason, DeleteReason)


@dataclass(frozen=True)
class RetentionPlan:
    """The verdicts by digest. `deletions` are in their order, and none where `hands_off` says why."""

    verdicts: Mapping[str, RetentionVerdict]
    deletions: tuple[str, ...]
    hands_off: HandsOff | None = None
    about: str = ""


def first_apart(plan: RetentionPlan, digests: Sequence[str], most: int) -> tuple[str, ...]:
    """Take the first `most` manifests of an order, and stop before one that belongs to an earlier one of them."""
    found: list[str] = []
    parts: set[str] = set()
    for digest in digests[:most]:
        one = plan.verdicts[digest].manifest
        if digest in parts or not parts.isdisjoint(one.subjects):
            break
        found.append(digest)
        parts |= {digest, *(one.children or ())}
    return tuple(found)


def bound_to(plan: RetentionPlan, stays: Collection[str]) -> frozenset[str]:
    """What goes by the plan and may not go before something that stays: its parts, and what refers to any of these."""
    found: set[str] = set()
    todo = [digest for digest in stays if digest in plan.verdicts]
    while todo:
        digest = todo.pop()
        parts = plan.verdicts[digest].manifest.children or ()
        refer = (other for other, one in plan.verdicts.items() if digest in one.manifest.subjects)
        for belongs in (*parts, *refer):
            if belongs in plan.verdicts and plan.verdicts[belongs].goes and belongs not in found:
                found.add(belongs)
                todo.append(belongs)
    return frozenset(found - set(stays))
