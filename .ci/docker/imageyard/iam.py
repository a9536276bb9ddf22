"""Parts of which policies at AWS are made: statements, documents, and who may take a role by the token of a job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from imageyard.ci.providers.base import TokenClaims
from imageyard.names import Reference
from imageyard.registry.vendors import ecr

__all__ = [
    "ASKING",
    "LOG_IN",
    "READING",
    "TRUST_LIMIT",
    "WRITING",
    "PolicyDocument",
    "allow",
    "arn_of_repository",
    "document",
    "policy_length",
    "trust",
]

PolicyDocument: TypeAlias = dict[str, Any]
"""A policy of IAM, or a statement of one, as plain data."""

TRUST_LIMIT = 2048
"""Characters of a trust policy, white space not counted, unless the account's quota was raised (AWS IAM User Guide,
"IAM and AWS STS quotas")."""

READING = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:ListImages")
"""Actions that reading a repository of images needs."""
ASKING = ("ecr:BatchCheckLayerAvailability", *READING)
"""Actions that reading needs before something is written."""
WRITING = ("ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage")
"""Actions that pushing needs beside `ASKING`."""
LOG_IN: PolicyDocument = {"Sid": "LogIn", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
"""The statement that lets a role log in at ECR; AWS takes no other resource for it."""

_AUDIENCE = "sts.amazonaws.com"


def document(*statements: PolicyDocument) -> PolicyDocument:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(sid: str, actions: Iterable[str], resources: Sequence[str]) -> list[PolicyDocument]:
    """A statement that allows actions on resources; none where there is nothing that it is about."""
    named = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return [named] if resources else []


def arn_of_repository(partition: str, repository: Reference) -> str | None:
    """A repository of images as IAM names it; None where it is not at ECR."""
    region, account = ecr.region_of(repository.registry), ecr.account_of(repository.registry)
    if not region or not account:
        return None
    return f"arn:{partition}:ecr:{region}:{account}:repository/{repository.repository}"


def trust(role: str, issuer: str, claims: Sequence[TokenClaims]) -> PolicyDocument:
    """A trust policy with a statement for each alternative: `role` is an ARN, `issuer` the host that signs tokens.

    A condition of StringEquals or StringLike is false where the token lacks the claim; `ForAllValues:` is true then,
    and has no place in an Allow (AWS IAM User Guide, "Single-valued vs. multivalued context keys"). AWS evaluates
    `repository`, `repository_id`, `environment`, `ref` and `job_workflow_ref` of GitHub's tokens since January 2026
    (AWS What's New, 2026-01, "AWS STS now supports validation of select identity provider specific claims";
    AWS IAM User Guide, "Available keys for AWS OIDC federation"), and takes no trust policy for them that asks neither
    for the subject nor for `job_workflow_ref`.
    """
    _, partition, _, _, account, _ = role.split(":", 5)
    principal = {"Federated": f"arn:{partition}:iam::{account}:oidc-provider/{issuer}"}
    return document(
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


def policy_length(policy: Mapping[str, Any]) -> int:
    """How many characters of its quota a policy takes."""
    return len(json.dumps(policy, separators=(",", ":")))


def _condition(issuer: str, claims: TokenClaims) -> PolicyDocument:
    equal = {f"{issuer}:aud": _AUDIENCE} | _values(issuer, claims.equal)
    found = {"StringEquals": equal}
    found |= {"StringLike": _values(issuer, claims.like)} if claims.like else {}
    return found | ({"StringNotLike": _values(issuer, claims.unlike)} if claims.unlike else {})


def _values(issuer: str, claims: Mapping[str, tuple[str, ...]]) -> PolicyDocument:
    """Values as IAM reads them: neither `?` nor `$`, which it reads too, is in a repository's name or a pattern."""
    return {f"{issuer}:{name}": values[0] if len(values) == 1 else list(values) for name, values in claims.items()}
