"""What the page of all images is made from: repositories as they were read, with what is beside their images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from imageyard.keep.retention_facts import Claims, RepositoryKind, RetentionPolicy, StoredManifest
from imageyard.keep.retention_plan import RetentionPlan
from imageyard.records import Record

__all__ = ["BackupFacts", "BackupState", "PlatformImage", "ShownRepository"]

BackupState: TypeAlias = Literal["none", "read", "unread"]
"""`none`: the catalogue names no bucket; `unread`: the bucket could not be read."""


@dataclass(frozen=True)
class PlatformImage:
    """An image of one platform.

    `size` is the bytes of its config and its layers, compressed, None where nobody said. `platform` is as
    `linux/arm64`, empty where it is not known. `predicates` are the types of what an index attests of it. `bases` are
    the names that its Dockerfile starts from with their digests, None where its commit cannot be read.
    """

    digest: str
    platform: str = ""
    size: int | None = None
    predicates: tuple[str, ...] = ()
    record: Record | None = None
    bases: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ShownRepository:
    """One repository. `manifests` are all of it; `platforms` are the images below each that has a tag, by its digest.

    `plan` is what retention says, None where that is not known. `sighted` are the manifests of which nobody knows when
    they were pushed. `signed` are those beside which a signature lies, which nobody has verified here. `revoked` has
    the reason for which a manifest must not be used. `troubles` are sentences about what could not be read.
    """

    name: str
    kind: RepositoryKind
    policy: RetentionPolicy = field(default_factory=RetentionPolicy)
    claims: Claims = field(default_factory=Claims)
    plan: RetentionPlan | None = None
    manifests: Mapping[str, StoredManifest] = field(default_factory=dict)
    sighted: frozenset[str] = frozenset()
    platforms: Mapping[str, tuple[PlatformImage, ...]] = field(default_factory=dict)
    signed: frozenset[str] = frozenset()
    revoked: Mapping[str, str] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True)
class BackupFacts:
    """The digests that the bucket has whole, each with the time of its newest backup (UTC in ISO 8601, or empty)."""

    state: BackupState = "none"
    saved: Mapping[str, str] = field(default_factory=dict)
