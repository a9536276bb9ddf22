"""Policies that the tests give to roles: whom they trust, and everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.aws.gate import ACCOUNT

__all__ = ["EVERYTHING", "PROVIDER", "trust_in", "trust_of"]

PROVIDER = "token.actions.githubusercontent.com"
EVERYTHING: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def trust_of(*subjects: str, audience: str = "sts.amazonaws.com") -> dict[str, Any]:
    """A trust policy for tokens of GitHub whose subject is one of these patterns."""
    conditions = {"StringEquals": {f"{PROVIDER}:aud": audience}, "StringLike": {f"{PROVIDER}:sub": list(subjects)}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{PROVIDER}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": conditions,
            }
        ],
    }


def trust_in(*principals: str) -> dict[str, Any]:
    """A trust policy for principals of the account, by what their ARNs end in: `user/NAME`, `role/NAME`."""
    arns = [f"arn:aws:iam::{ACCOUNT}:{one}" for one in principals]
    # moto compares the ARN of the session, where AWS takes that of its role
    arns += [f"arn:aws:sts::{ACCOUNT}:assumed-{one}/tests" for one in principals if one.startswith("role/")]
    statement = {"Effect": "Allow", "Principal": {"AWS": arns}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}
