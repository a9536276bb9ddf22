"""What has to stand at AWS for a catalogue of lanes: roles, repositories of images, and the policy of the bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imageyard.ci.providers.base import Provider
from imageyard.iam import PolicyDocument, arn_of_repository
from imageyard.lanes import policies
from imageyard.lanes.model import Lane, LaneCatalogue
from imageyard.names import Reference

__all__ = [
    "ABANDONED_AFTER",
    "LANE_TAG",
    "MARK",
    "EstateRepository",
    "EstateRole",
    "LaneEstate",
    "estate",
    "estate_as_data",
]

MARK = "imageyard-lanes"
"""The tag of what we made, whose value is the bucket; nothing without it is ever changed or deleted."""
ABANDONED_AFTER = 2
"""Days after which the bucket forgets an upload in parts that nobody ended: a killed one is begun anew (Amazon S3 User
Guide, "Configuring a bucket lifecycle configuration to delete incomplete multipart uploads")."""
LANE_TAG = "imageyard-lane"
"""The tag that names the lane of a role or a repository."""


@dataclass(frozen=True)
class EstateRole:
    """A role: `label` is its name in Terraform, `trust` says who may take it, and `policy` what it may do."""

    name: str
    arn: str
    label: str
    about: str
    trust: PolicyDocument
    policy: PolicyDocument
    tags: Mapping[str, str]


@dataclass(frozen=True)
class EstateRepository:
    """A repository of images; `held`: no content tag in it can be moved."""

    reference: Reference
    label: str
    held: bool
    tags: Mapping[str, str]


@dataclass(frozen=True)
class LaneEstate:
    """All that has to stand. `bucket_policy` is None where only one lane was asked for."""

    bucket: str
    region: str
    roles: tuple[EstateRole, ...]
    repositories: tuple[EstateRepository, ...]
    bucket_policy: PolicyDocument | None


def estate(found: LaneCatalogue, provider: Provider, lane: str | None = None) -> LaneEstate:
    """What has to stand, or the part of it that is one lane's.

    Raises ConfigurationError for a lane that there is not, and for one whose repository has no number.
    """
    lanes = tuple(found.lanes.values()) if lane is None else (found.lane(lane),)
    roles = [_lane_role(found, one, provider) for one in lanes]
    return LaneEstate(
        bucket=found.bucket,
        region=found.region,
        roles=tuple([*_central_roles(found, provider), *roles] if lane is None else roles),
        repositories=tuple(one for each in lanes for one in _repositories(found, each)),
        bucket_policy=policies.bucket_policy(found) if lane is None else None,
    )


def estate_as_data(wanted: LaneEstate) -> dict[str, Any]:
    """The same as plain data, for machines."""
    roles = {
        role.name: {"arn": role.arn, "tags": dict(role.tags), "trust": role.trust, "policy": role.policy}
        for role in wanted.roles
    }
    repositories = {one.reference.name: {"held": one.held, "tags": dict(one.tags)} for one in wanted.repositories}
    bucket = {"name": wanted.bucket, "policy": wanted.bucket_policy} if wanted.bucket_policy else None
    return {"roles": roles, "repositories": repositories, **({"bucket": bucket} if bucket else {})}


def _central_roles(found: LaneCatalogue, provider: Provider) -> list[EstateRole]:
    texts = (
        (found.indexer_role, "indexer", "Writes the indexes of all lanes", found.indexer, policies.indexer_policy),
        (found.purge_role, "purge", "Deletes files of lanes for good", found.purge, policies.purge_policy),
    )
    return [
        EstateRole(
            name=name,
            arn=found.role_arn(name),
            label=label,
            about=about,
            trust=policies.role_trust(found, name, job, provider),
            policy=policy(found),
            tags={MARK: found.bucket},
        )
        for name, label, about, job, policy in texts
    ]


def _lane_role(found: LaneCatalogue, lane: Lane, provider: Provider) -> EstateRole:
    name = found.role_of(lane.name)
    return EstateRole(
        name=name,
        arn=found.role_arn(name),
        label=_label(lane),
        about=f"Publishes in the lane {lane.name}",
        trust=policies.lane_trust(found, lane, provider),
        policy=policies.lane_policy(found, lane),
        tags={LANE_TAG: lane.name, MARK: found.bucket},
    )


def _repositories(found: LaneCatalogue, lane: Lane) -> list[EstateRepository]:
    """The repositories of a lane that are at ECR: images, whose content tags are held, and layer caches."""
    pairs = (("images", found.image_repository(lane), True), ("cache", found.cache_repository(lane), False))
    return [
        EstateRepository(place, f"{_label(lane)}_{ending}", held, {LANE_TAG: lane.name, MARK: found.bucket})
        for ending, place, held in pairs
        if place and arn_of_repository(found.partition, place)
    ]


def _label(lane: Lane) -> str:
    """A lane's name in Terraform, where a dash could be taken for a minus by a reader; no two lanes share one."""
    return f"lane_{lane.name.replace('-', '_')}"
