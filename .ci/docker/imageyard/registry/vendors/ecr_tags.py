"""Tags at Amazon's registry, which can be taken away one by one, and which are dated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from imageyard import aws
from imageyard.errors import NotFound, Transient
from imageyard.names import Reference
from imageyard.registry.vendors.ecr import account_of, region_of

__all__ = ["pushed", "untag"]

_MOST = 100
"""Images of one call (Amazon ECR API, DescribeImages and BatchDeleteImage, `imageIds`)."""


def pushed(repository: Reference, tags: Sequence[str]) -> Mapping[str, datetime]:
    """When what each tag names was pushed last. Raises Denied or Transient as `aws.call` does."""
    found: dict[str, datetime] = {}
    for part in _parts(tags):
        given: dict[str, Any] = {"imageIds": [{"imageTag": tag} for tag in part], **_named(repository)}
        doing = f"asking how old {part[0]} is"
        try:
            answer = aws.call("ecr", "describe_images", _region(repository), doing, **given)
        except NotFound as absent:
            raise Transient(f"a tag went away meanwhile: {absent.headline}", doing=doing, hint="run it again") from None
        for image in answer["imageDetails"]:
            found |= {tag: image["imagePushedAt"] for tag in image.get("imageTags", ()) if tag in part}
    return found


def untag(repository: Reference, tags: Sequence[str]) -> Mapping[str, str]:
    """Take tags away; what has no tag left is deleted. Returns AWS's words for each one that it kept.

    Raises Denied or Transient as `aws.call` does.
    """
    refused: dict[str, str] = {}
    for part in _parts(tags):
        given: dict[str, Any] = {"imageIds": [{"imageTag": tag} for tag in part], **_named(repository)}
        answer = aws.call(
            "ecr", "batch_delete_image", _region(repository), f"deleting tags of {repository.name}", **given
        )
        for failure in answer.get("failures", ()):
            if failure.get("failureCode") != "ImageNotFound":
                refused[failure["imageId"].get("imageTag", "")] = failure.get("failureReason", "it says no reason")
    return refused


def _parts(tags: Sequence[str]) -> Iterator[Sequence[str]]:
    return (tags[at : at + _MOST] for at in range(0, len(tags), _MOST))


def _named(repository: Reference) -> dict[str, str]:
    return {"registryId": account_of(repository.registry) or "", "repositoryName": repository.repository}


def _region(repository: Reference) -> str:
    return region_of(repository.registry) or ""
