"""The policies of the roles at AWS, worked out of the catalogue: who may take a role, and what it may do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from imageyard.access.environments import trusted_environments
from imageyard.catalogue.model import Catalogue
from imageyard.ci.providers.base import Home, KeepingRole, Provider, TokenClaims
from imageyard.errors import ConfigurationError
from imageyard.names import parse_reference
from imageyard.project.page_files import FILES
from imageyard.registry.vendors import ecr

__all__ = ["TRUST_LIMIT", "keeping_policies", "policies", "trust_length"]

Document: TypeAlias = dict[str, Any]

TRUST_LIMIT = 2048
"""Characters of a trust policy, white space not counted, unless the account's quota was raised (AWS IAM User Guide,
"IAM and AWS STS quotas")."""

_AUDIENCE = "sts.amazonaws.com"
_READING = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:ListImages")
_ASKING = ("ecr:BatchCheckLayerAvailability", *_READING)
_WRITING = ("ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage")
_MAKING = ("ecr:DescribeRepositories", "ecr:CreateRepository")
_LISTING = ("ecr:DescribeImages",)
_CLEANING = (*_LISTING, "ecr:BatchDeleteImage")  # beside what reading needs
_LISTING_OBJECTS = ("s3:ListBucket", "s3:ListBucketMultipartUploads")
_READING_OBJECTS = ("s3:GetObject",)
_WRITING_OBJECTS = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:DeleteObject")
_LOG_IN: Document = {"Sid": "LogIn", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}


def policies(catalogue: Catalogue, provider: Provider, home: Home, *, tags: bool = False) -> Mapping[str, Document]:
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
            "trust": _trust(roles["trusted"], provider.token_issuer, claims),
            "policy": _document(
                _LOG_IN,
                *_allow("ReadAndWrite", (*_ASKING, *_WRITING), [*trusted, *mirrors]),
                *(_allow("Make", _MAKING, [*trusted, *mirrors]) if create else ()),
            ),
        },
        "branch": {
            "role": roles["branch"],
            "trust": _trust(roles["branch"], provider.token_issuer, [provider.branch_claims(home)]),
            "policy": _document(
                _LOG_IN,
                *_allow("Read", _ASKING, [*trusted, *branch, *mirrors]),
                *_allow("Write", _WRITING, branch),
                *(_allow("Make", _MAKING, branch) if create else ()),
                *_allow("Clean", _CLEANING, cleaned),
            ),
        },
        "reading": {"policy": _document(_LOG_IN, *_allow("Read", _READING, _arns(partition, (images,))))},
        **{
            name: {"trust": _trust(roles["trusted"], provider.token_issuer, claims), "policy": policy}
            for name, policy in keeping_policies(catalogue, partition).items()
            for claims in [provider.keeping_claims(home, catalogue.protected, name)]
        },
    }


def keeping_policies(catalogue: Catalogue, partition: str) -> Mapping[KeepingRole, Document]:
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
    look = [*_allow("ListBackup", _LISTING_OBJECTS, bucket), *_allow("ReadBackup", _READING_OBJECTS, objects)]
    retention = _document(_LOG_IN, *_allow("Retain", (*_READING, *_CLEANING), every), *look)
    shown = _document(
        _LOG_IN,
        *_allow("Read", (*_READING, *_LISTING), _arns(partition, named)),
        *_allow("ListBackup", ("s3:ListBucket",), bucket),
        *_allow("ReadBackup", _READING_OBJECTS, objects),
        *_allow("WritePage", ("s3:PutObject",), [f"{objects.rstrip('*')}{file}" for objects in site for file in FILES]),
    )
    found: dict[KeepingRole, Document] = {"retention": retention, "page": shown}
    if bucket:
        saving = [*look, *_allow("Write", _WRITING_OBJECTS, objects)]
        found["backup"] = _document(_LOG_IN, *_allow("Read", _ASKING, trusted), *saving)
        bringing = _allow("BringBack", (*_ASKING, *_WRITING), trusted)
        found["recovery"] = _document(_LOG_IN, *bringing, *look)
    return found


def trust_length(role: Mapping[str, Any]) -> int:
    """How many characters of its quota a trust policy takes."""
    return len(json.dumps(role["trust"], separators=(",", ":")))


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
    found = []
    for place in (parse_reference(name) for name in names if name):
        region, account = ecr.region_of(place.registry), ecr.account_of(place.registry)
        if region and account:
            found.append(f"arn:{partition}:ecr:{region}:{account}:repository/{place.repository}")
    return list(dict.fromkeys(found))


def _trust(role: str, issuer: str, claims: Sequence[TokenClaims]) -> Document:
    """A trust policy with a statement for each alternative.

    A condition of StringEquals or StringLike is false where the token lacks the claim; `ForAllValues:` is true then,
    and has no place in an Allow (AWS IAM User Guide, "Single-valued vs. multivalued context keys"). AWS evaluates
    `repository_id`, `environment` and `job_workflow_ref` of GitHub's tokens since January 2026, and takes no trust
    policy for them that asks neither for the subject nor for `job_workflow_ref`.
    """
    _, partition, _, _, account, _ = role.split(":", 5)
    principal = {"Federated": f"arn:{partition}:iam::{account}:oidc-provider/{issuer}"}
    return _document(
        *(
            {
                "Effect": "Allow",
                "Principal": principal,
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": _condition(issuer, one),
            }
            for one in claims
        )
    )


def _condition(issuer: str, claims: TokenClaims) -> Document:
    equal = {f"{issuer}:aud": _AUDIENCE} | _values(issuer, claims.equal)
    found = {"StringEquals": equal}
    found |= {"StringLike": _values(issuer, claims.like)} if claims.like else {}
    return found | ({"StringNotLike": _values(issuer, claims.unlike)} if claims.unlike else {})


def _values(issuer: str, claims: Mapping[str, tuple[str, ...]]) -> Document:
    """Values as IAM reads them: neither `?` nor `$`, which it reads too, is in a repository's name or a pattern."""
    return {f"{issuer}:{name}": values[0] if len(values) == 1 else list(values) for name, values in claims.items()}


def _allow(sid: str, actions: Iterable[str], resources: Sequence[str]) -> list[Document]:
    """A statement; none where there is nothing that it is about."""
    named = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return [named] if resources else []


def _document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}
