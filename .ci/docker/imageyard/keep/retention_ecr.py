"""The nearest lifecycle policy of ECR to the catalogue's retention, and what such a policy cannot say."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from imageyard.keep.retention_policy import policy_of
from imageyard.oci.revocation import NOTICE_TAG

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue
    from imageyard.keep.retention_facts import RepositoryKind

__all__ = ["CANNOT", "ecr_policies", "lifecycle"]

_NOTHING_IS_OLDER = timedelta(days=36_500)

CANNOT = (
    "a policy never takes what has a tag of cosign or of a revocation (sha256-*): it stays when its image is gone",
    "a policy knows no commits: content that a kept branch needs goes too when it was not pulled; it is archived first,"
    " and comes back from there for 90 days",
    "a policy knows no pins: a tag that fits a rule goes although a lock or a file names it",
    "a policy counts days: the grace of a push and ages under a day are one day",
    "a policy has no caps, no report and no restore record, and asks no backup",
    "a rule for tags takes images all of whose patterns fit, and cannot tell content of another recipe version",
)
"""Words for what the rules of a policy leave out (Amazon ECR User Guide, "Lifecycle policy properties")."""


def ecr_policies(catalogue: Catalogue) -> dict[str, Any]:
    """The policies by the kind of repository, and what they cannot say."""
    kinds: tuple[RepositoryKind, ...] = ("trusted", "branch", "cache")
    return {**{kind: lifecycle(catalogue, kind) for kind in kinds}, "cannot_say": list(CANNOT)}


def lifecycle(catalogue: Catalogue, kind: RepositoryKind) -> dict[str, Any]:
    """One policy: temporary and weekly images and caches expire by age, content is archived by its last pull.

    `sinceImagePulled` archives and `sinceImageTransitioned` expires what is archived, after 90 days at least (Amazon
    ECR User Guide, "Examples of lifecycle policies" and "Archiving an image"). ECR never takes a manifest that an
    index lists. What an archived tag names is not found, and a revocation that is not found is none, so that the first
    rules keep them: what fits the tags of a rule is out of reach of the rules after it (Amazon ECR User Guide,
    "Automate the cleanup of images by using lifecycle policies"), and a rule with several patterns takes only what fits
    all of them.
    """
    policy = policy_of(catalogue, kind)
    rules: list[dict[str, Any]] = []

    def add(about: str, selection: dict[str, Any], action: dict[str, Any] | None = None) -> None:
        rules.append(
            {
                "rulePriority": len(rules) + 1,
                "description": about,
                "selection": selection,
                "action": action or {"type": "expire"},
            }
        )

    for pattern in (NOTICE_TAG, "sha256-*") if kind != "cache" else ():
        add("kept: revocations and signatures", _tagged(pattern, "sinceImagePushed", _NOTHING_IS_OLDER))
    for pattern in policy.temporaries if kind != "cache" else ():
        add("temporary images", _tagged(pattern, "sinceImagePushed", policy.temporary))
    if kind == "cache":
        for pattern in ("*-pr-*", "*-ref-*"):
            add("layer caches", _tagged(pattern, "sinceImagePushed", policy.cache))
    else:
        add("weekly images", _tagged("*-weekly-*", "sinceImagePushed", policy.weekly))
    untagged = {"tagStatus": "untagged", **_age("sinceImagePushed", policy.temporary)}
    add("what has no tag", untagged)
    if kind != "cache":
        days = max(policy.content, policy.pulled)
        archive = {"type": "transition", "targetStorageClass": "archive"}
        add("content that nobody pulls", {"tagStatus": "any", **_age("sinceImagePulled", days)}, archive)
        kept = {"tagStatus": "any", "storageClass": "archive"}
        add("what was archived", {**kept, **_age("sinceImageTransitioned", timedelta(days=90))})
    return {"rules": rules}


def _tagged(pattern: str, count: str, age: timedelta) -> dict[str, Any]:
    return {"tagStatus": "tagged", "tagPatternList": [pattern], **_age(count, age)}


def _age(count: str, age: timedelta) -> dict[str, Any]:
    return {"countType": count, "countUnit": "days", "countNumber": max(1, -(-age // timedelta(days=1)))}
