"""What only Amazon's registry can be asked: whether a tag of a repository can be moved."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from imageyard import aws
from imageyard.errors import Absent, PolicyRefused
from imageyard.names import Reference

__all__ = ["refuse_immutable"]

_HOST = re.compile(r"(?P<account>\d{12})\.dkr[.-]ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.(amazonaws\.com(\.cn)?|on\.aws)")


def refuse_immutable(target: Reference) -> None:
    """Raise PolicyRefused where `target`'s repository holds its tags fast; other registries say so when asked to move.

    Mutability may have exceptions by name with `*` (Amazon ECR API, DescribeRepositories, `imageTagMutability` and
    `imageTagMutabilityExclusionFilters`). Raises Denied and Transient where ECR does not answer.
    """
    match = _HOST.fullmatch(target.registry)
    if not match:
        return
    try:
        answer = aws.call(
            "ecr",
            "describe_repositories",
            match["region"],
            f"asking whether tags of {target.name} can be moved",
            registryId=match["account"],
            repositoryNames=[target.repository],
        )
    except Absent:
        return
    found = answer["repositories"][0]
    held = found.get("imageTagMutability", "MUTABLE").startswith("IMMUTABLE")
    filters = found.get("imageTagMutabilityExclusionFilters") or ()
    if any(fnmatchcase(target.tag or "", one["filter"]) for one in filters):
        held = not held
    if held:
        raise PolicyRefused(
            f"{target.name} holds its tags fast: {target.tag} cannot be moved",
            doing="publishing with --force",
            hint="raise `epoch` in the catalogue, which gives the same inputs a new tag",
        )
