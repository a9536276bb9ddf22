"""The policies of the roles at AWS, worked out of the catalogue: who may take a role, and what it may do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from imageyard.access.environments import trusted_environments
from imageyard.catalogue.model import Catalogue
from imageyard.ci.providers.base import Home, KeepingRole, Provider
from imageyard.errors import ConfigurationError
from imageyard.iam import ASKING, LOG_IN, READING, WRITING, PolicyDocument, allow, arn_of_repository, document, trust
from imageyard.names import parse_reference
from imageyard.project.page_files import FILES

__all__ = ["keeping_policies", "policies"]

_MAKING = ("ecr:DescribeRepositories", "ecr:CreateRepository")
_LISTING = ("ecr:DescribeImages",)
_CLEANING = (*_LISTING, "ecr:BatchDeleteImage")  # beside what reading needs
# Of the whole bucket, also where the catalogue has a prefix: who may list only some keys (`s3:prefix`) is told 403, and
# not 404, of an object that is not there (Amazon S3 API Reference, HeadObject), and a backup asks for such objects.
_LISTING_OBJECTS = ("s3:ListBucket",)
_LISTING_UPLOADS = ("s3:ListBucketMultipartUploads",)
_READING_OBJECTS = ("s3:GetObject",)
_WRITING_OBJECTS = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:DeleteObject")


def policies(
    catalogue: Catalogue, provider: Provider, home: Home, *, tags: bool = False
) -> Mapping[str, PolicyDocument]:
    """The roles by name, each with its ARN, its trust policy and its own; `reading` is for whoever uses images.

    Those of `keeping_policies` have no ARN: the environment of their jobs names it, and the catalogue does not.

    `tags`: runs of tags that ask for a build may take the trusted role. Raises ConfigurationError where the catalogue
    has no role for each level of trust: whoever may take a role for all runs may write what is trusted.
    """
    roles, create = _roles(catalogue)
    partition = roles["trusted"].split(":")[1]
    cache = catalogue.settings.get("cache")
    caches: Mapping[str, Any] = cache if isinstance(cache, Mapping) else {}
    registry = catalogue.registry
    images = registry.trusted if registry else None
    trusted = _arns(partition, (images, caches.get("trusted")))
    mirrors = _arns(partition, catalogue.mirrors)
    own = (registry.branch if registry else None, caches.get("branch"))
    branch = [arn for arn in _arns(partition, own) if arn not in trusted]
    cleaned = [arn for arn in _arns(partition, own[1:]) if arn not in trusted]
    claims = provider.trusted_claims(home, catalogue.protected, trusted_environments(catalogue), tags=tags)
    return {
        "trusted": {
            "role": roles["trusted"],
            "trust": trust(roles["trusted"], provider.token_issuer, claims),
            "policy": document(
                LOG_IN,
                *allow("ReadAndWrite", (*ASKING, *WRITING), [*trusted, *mirrors]),
                *(allow("Make", _MAKING, [*trusted, *mirrors]) if create else ()),
            ),
        },
        "branch": {
            "role": roles["branch"],
            "trust": trust(roles["branch"], provider.token_issuer, [provider.branch_claims(home)]),
            "policy": document(
                LOG_IN,
                *allow("Read", ASKING, [*trusted, *branch, *mirrors]),
                *allow("Write", WRITING, branch),
                *(allow("Make", _MAKING, branch) if create else ()),
                *allow("Clean", _CLEANING, cleaned),
            ),
        },
        "reading": {"policy": document(LOG_IN, *allow("Read", READING, _arns(partition, (images,))))},
        **{
            name: {"trust": trust(roles["trusted"], provider.token_issuer, claims), "policy": policy}
            for name, policy in keeping_policies(catalogue, partition).items()
            for claims in [provider.keeping_claims(home, catalogue.protected, name)]
        },
    }


def keeping_policies(catalogue: Catalogue, partition: str) -> Mapping[KeepingRole, PolicyDocument]:
    """By role, what jobs may do that keep things.

    `retention` deletes images and writes no backup, `backup` the other way round. `recovery` writes images and no
    backup. The two about a bucket are there where the catalogue has one. `page` reads what it shows, and writes its own
    two objects where the catalogue has a bucket for them.
    """
    registry, cache = catalogue.registry, catalogue.settings.get("cache")
    caches = tuple(cache.values()) if isinstance(cache, Mapping) else ()
    named = (registry.trusted, registry.branch, *catalogue.mirrors) if registry else catalogue.mirrors
    every = _arns(partition, (*named, *(one for one in caches if isinstance(one, str))))
    trusted = _arns(partition, (registry.trusted if registry else None,))
    bucket, objects = _bucket(catalogue, "backup", partition)
    _, site = _bucket(catalogue, "page", partition)
    look = [*allow("ListBackup", _LISTING_OBJECTS, bucket), *allow("ReadBackup", _READING_OBJECTS, objects)]
    retention = document(LOG_IN, *allow("Retain", (*READING, *_CLEANING), every), *look)
    shown = document(
        LOG_IN,
        *allow("Read", (*READING, *_LISTING), _arns(partition, named)),
        *allow("ListBackup", _LISTING_OBJECTS, bucket),
        *allow("ReadBackup", _READING_OBJECTS, objects),
        *allow("WritePage", ("s3:PutObject",), [f"{objects.rstrip('*')}{file}" for objects in site for file in FILES]),
    )
    found: dict[KeepingRole, PolicyDocument] = {"retention": retention, "page": shown}
    if bucket:
        saving = [*look, *allow("ListUploads", _LISTING_UPLOADS, bucket), *allow("Write", _WRITING_OBJECTS, objects)]
        found["backup"] = document(LOG_IN, *allow("Read", ASKING, trusted), *saving)
        bringing = allow("BringBack", (*ASKING, *WRITING), trusted)
        found["recovery"] = document(LOG_IN, *bringing, *look)
    return found


def _roles(catalogue: Catalogue) -> tuple[Mapping[str, str], bool]:
    section = catalogue.settings.get("ecr")
    roles = section.get("role") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(roles, Mapping):
        raise ConfigurationError(
            "the catalogue has no role at AWS for each level of trust",
            doing="writing policies",
            at=catalogue.file,
            hint="write: ecr: {role: {trusted: ARN, branch: ARN}, region: REGION}",
        )
    return roles, bool(section.get("create"))


def _bucket(catalogue: Catalogue, name: str, partition: str) -> tuple[list[str], list[str]]:
    """The bucket of a section and the objects in it, as IAM names them; none where there is none, or not at S3."""
    section = catalogue.settings.get(name)
    if not isinstance(section, Mapping) or "endpoint" in section:
        return [], []
    arn, prefix = f"arn:{partition}:s3:::{section['bucket']}", section.get("prefix")
    return [arn], [f"{arn}/{prefix}/*" if prefix else f"{arn}/*"]


def _arns(partition: str, names: Iterable[str | None]) -> list[str]:
    """The repositories at ECR among these, each once, as IAM names them."""
    found = (arn_of_repository(partition, parse_reference(name)) for name in names if name)
    return list(dict.fromkeys(arn for arn in found if arn))
