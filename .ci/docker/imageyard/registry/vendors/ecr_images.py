"""All manifests of a repository at Amazon's registry, tagged or not, and their deletion by digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imageyard import aws
from imageyard.errors import Transient
from imageyard.names import Digest, Reference
from imageyard.registry.vendors.base import ListedManifest
from imageyard.registry.vendors.ecr import account_of, region_of

__all__ = ["delete", "manifests"]

_PAGE = 1000
"""Images of one answer (Amazon ECR API, DescribeImages, `maxResults`)."""
_MOST = 100
"""Images of one call (Amazon ECR API, BatchDeleteImage, `imageIds`)."""
_MOST_PAGES = 10_000


def manifests(repository: Reference) -> list[ListedManifest]:
    """List the manifests, archived ones too, which ECR leaves out unless they are asked for.

    (Amazon ECR API, DescribeImages, `filter.imageStatus`.) Raises NotFound, Denied or Transient as `aws.call` does.
    """
    doing = f"listing the images of {repository.name}"
    found: dict[str, ListedManifest] = {}
    token: dict[str, str] = {}
    seen: set[str] = set()
    while True:
        given: dict[str, Any] = {"maxResults": _PAGE, "filter": {"imageStatus": "ANY"}, **_named(repository), **token}
        answer = aws.call("ecr", "describe_images", region_of(repository.registry) or "", doing, **given)
        for one in answer["imageDetails"]:
            found[one["imageDigest"]] = _listed(one)
        following = answer.get("nextToken")
        if not following:
            return list(found.values())
        if following in seen or len(seen) >= _MOST_PAGES:
            raise Transient("AWS ecr lists images in circles", doing=doing)
        seen.add(following)
        token = {"nextToken": following}


def delete(repository: Reference, listed: Sequence[ListedManifest]) -> Mapping[str, str]:
    """Delete manifests by digest, 100 in a call; AWS's words for each one that it kept. Raises as `aws.call` does."""
    refused: dict[str, str] = {}
    for at in range(0, len(listed), _MOST):
        given: dict[str, Any] = {
            "imageIds": [{"imageDigest": one.digest} for one in listed[at : at + _MOST]],
            **_named(repository),
        }
        doing = f"deleting images of {repository.name}"
        answer = aws.call("ecr", "batch_delete_image", region_of(repository.registry) or "", doing, **given)
        for failure in answer.get("failures", ()):
            if failure.get("failureCode") != "ImageNotFound":
                words = failure.get("failureReason") or failure.get("failureCode") or "it says no reason"
                refused[failure["imageId"].get("imageDigest", "")] = words
    return refused


def _listed(one: Mapping[str, Any]) -> ListedManifest:
    return ListedManifest(
        Digest(one["imageDigest"]),
        tuple(one.get("imageTags", ())),
        one.get("imagePushedAt"),
        one.get("lastRecordedPullTime"),
        one.get("imageSizeInBytes"),
        one.get("imageManifestMediaType", ""),
        one.get("artifactMediaType", ""),
        one.get("subjectManifestDigest"),
        one.get("imageStatus", "ACTIVE") != "ACTIVE",
        one.get("lastArchivedAt"),
    )


def _named(repository: Reference) -> dict[str, str]:
    return {"registryId": account_of(repository.registry) or "", "repositoryName": repository.repository}
