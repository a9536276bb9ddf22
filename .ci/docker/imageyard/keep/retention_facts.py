"""What retention decides from: the manifests of one repository, what git and the catalogue claim, and the policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Literal, TypeAlias

from imageyard.errors import assert_never
from imageyard.names import parse_tag, weekly_image
from imageyard.plan.caches import parse_cache_tag
from imageyard.plan.decision import MAIN

__all__ = [
    "Claims",
    "Inventory",
    "RepositoryKind",
    "RetentionPolicy",
    "StoredManifest",
    "TagClass",
    "class_of",
    "image_of",
    "life_of",
    "pull_of",
    "subject_of_tag",
    "tag_matches",
]

RepositoryKind: TypeAlias = Literal["trusted", "branch", "cache"]
"""Whose repository it is; a mirror is judged as the trusted one, whose images it copies."""

TagClass: TypeAlias = Literal["pinned", "temporary", "weekly", "content", "floating", "cache", "attached", "foreign"]
"""`floating`: the name of an image, or the cache of the protected branches. `attached`: a tag that only names what
refers to another manifest. `foreign`: a tag of none of our forms, or of no image that any kept catalogue has."""

_ATTACHED = re.compile(r"(?P<algorithm>sha256|sha512)-(?P<hex>[0-9a-f]{64,128})(\.[a-z0-9]+)?")


@dataclass(frozen=True)
class StoredManifest:
    """One manifest of a repository.

    `children` are the digests that an index lists, empty for other manifests, and None where an index cannot be read
    though it is there, as at ECR while it is archived. `attests` are the digests that it is said to attest by the
    annotation `vnd.docker.reference.digest` of an index; `subject` is the manifest that it names itself. `pushed` is
    None where nobody knows, `pulled` where there was no pull or the registry counts none. `size` is in bytes.
    `commit` is that of the record, where this manifest is one.
    """

    digest: str
    children: tuple[str, ...] | None = ()
    subject: str | None = None
    attests: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pushed: datetime | None = None
    pulled: datetime | None = None
    size: int | None = None
    media_type: str = ""
    archived: bool = False
    archived_at: datetime | None = None
    commit: str | None = None

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """The manifests that it refers to: by its field, by an annotation, or by one of its tags."""
        if not (self.subject or self.attests or self.tags):
            return ()
        if not self.tags and not self.attests:
            return (self.subject,) if self.subject else ()
        named = (subject_of_tag(tag) for tag in self.tags)
        return tuple(dict.fromkeys(one for one in (self.subject, *self.attests, *named) if one))


@dataclass(frozen=True)
class Inventory:
    """All manifests of one repository. `unreadable` says why it is not known in whole, and is empty where it is."""

    manifests: Mapping[str, StoredManifest]
    unreadable: str = ""


@dataclass(frozen=True)
class Claims:
    """What keeps images: computed from git, the catalogue and the locks.

    `images` are the names of images in any kept catalogue. `reachable` are the tags of rows and images at kept commits,
    by the commit; `commits` are these commits. `pinned_tags` and `pinned_digests` are what locks and files of kept
    branches name in this repository. `unversioned` are digests whose recipe is not known to be of the version that the
    tags were computed with. `parents` are the tags that the row of a tag starts from. `open_pulls` are the pull
    requests that are open, as far as they were asked for: those whose layer caches are old.
    """

    images: frozenset[str] = frozenset()
    reachable: Mapping[str, str] = field(default_factory=dict)
    commits: frozenset[str] = frozenset()
    pinned_tags: frozenset[str] = frozenset()
    pinned_digests: frozenset[str] = frozenset()
    unversioned: frozenset[str] = frozenset()
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    open_pulls: frozenset[int] = frozenset()


@dataclass(frozen=True)
class RetentionPolicy:
    """For how long what is kept, and how much may go at once.

    `content` is for content that no kept branch leads to, `versions` for content of another recipe version. `pulled`:
    what was pulled within that time stays. `grace`: what was pushed within that time stays. `most` manifests, and
    `share` of a repository (0 to 1), may go in one run. `backed_up` are the classes that need a backup to go.
    """

    temporary: timedelta = timedelta(days=1)
    weekly: timedelta = timedelta(days=14)
    content: timedelta = timedelta(days=30)
    versions: timedelta = timedelta(days=90)
    cache: timedelta = timedelta(days=7)
    pulled: timedelta = timedelta(days=14)
    grace: timedelta = timedelta(hours=2)
    most: int = 500
    share: float = 0.5
    pins: tuple[str, ...] = ()
    temporaries: tuple[str, ...] = ()
    backed_up: frozenset[TagClass] = frozenset()


def class_of(tag: str, policy: RetentionPolicy, claims: Claims, kind: RepositoryKind) -> TagClass:
    """The class of a tag, by the first rule that fits: pins, then what the tag itself says."""
    if tag in claims.pinned_tags or any(tag_matches(pattern, tag) for pattern in policy.pins):
        return "pinned"
    if subject_of_tag(tag):
        return "attached"
    if kind == "cache":
        cache = parse_cache_tag(tag)
        return "foreign" if cache is None else "floating" if cache.scope == MAIN else "cache"
    if any(tag_matches(pattern, tag) for pattern in policy.temporaries):
        return "temporary"
    if tag in claims.images:
        return "floating"
    if tag in claims.reachable:
        return "content"
    if image_of(tag, claims) is None:
        return "foreign"
    return "weekly" if weekly_image(tag) else "content"


def image_of(tag: str, claims: Claims) -> str | None:
    """The name of the image that a tag is of, None for a tag of another form and of an image of no kept catalogue."""
    if tag in claims.images:
        return tag
    if (weekly := weekly_image(tag)) in claims.images:
        return weekly
    parsed = parse_tag(tag)
    return parsed.image if parsed and parsed.image in claims.images else None


def life_of(tag_class: TagClass, policy: RetentionPolicy, *, unversioned: bool) -> timedelta:
    """How old a manifest has to be before a tag of this class keeps it no longer; timedelta.max where it always does.

    `unversioned`: its recipe is not known to be of the version that the tags were computed with.
    """
    match tag_class:
        case "temporary" | "attached":
            return policy.temporary
        case "weekly":
            return policy.weekly
        case "cache":
            return policy.cache
        case "content":
            return policy.versions if unversioned else policy.content
        case "pinned" | "floating" | "foreign":
            return timedelta.max
        case _:
            assert_never(tag_class)


def pull_of(tag: str) -> int | None:
    """The number of the pull request whose layer cache a tag names."""
    cache = parse_cache_tag(tag)
    return int(cache.scope[3:]) if cache and cache.scope.startswith("pr-") else None


def subject_of_tag(tag: str) -> str | None:
    """The manifest that a tag is about by its name: `sha256-HEX` and, with an ending, `sha256-HEX.sig`.

    (OCI distribution-spec 1.1, "Referrers Tag Schema"; sigstore/cosign, `specs/SIGNATURE_SPEC.md`: `.sig`, and in the
    same way `.att` and `.sbom`.)
    """
    match = _ATTACHED.fullmatch(tag) if tag.startswith("sha") else None  # of 10,000 images nearly no tag is one
    return f"{match['algorithm']}:{match['hex']}" if match else None


def tag_matches(pattern: str, tag: str) -> bool:
    """Whether a tag is one of a pattern's: `*` is any text, `{a,b}` one of these."""
    return _expression(pattern).fullmatch(tag) is not None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*|\{[^{}]*\})", pattern)
    words = []
    for part in parts:
        if part == "*":
            words.append(".*")
        elif part.startswith("{") and part.endswith("}"):
            words.append(f"(?:{'|'.join(map(re.escape, part[1:-1].split(',')))})")
        else:
            words.append(re.escape(part))
    return re.compile("".join(words), re.DOTALL)
