"""The AWS credentials of a job: a role taken with the job's token, or the machine's where the catalogue says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from imageyard import aws
from imageyard.ci.providers.base import IdentityToken, Provider
from imageyard.errors import ConfigurationError, Denied, ImageyardError
from imageyard.http.transport import Http

__all__ = ["Assumed", "assume", "assume_from_machine"]

_AUDIENCE = "sts.amazonaws.com"

_TELLING = ("sub", "aud", "repository_id", "environment", "job_workflow_ref")
"""The claims of a token that a trust policy may ask for, as far as ours do."""

_LONGEST_CHAINED = 3600.0
"""Seconds; a role's session may take another role for an hour (AWS STS API Reference, AssumeRole, role chaining)."""


@dataclass(frozen=True)
class Assumed:
    """Credentials that end, and who they make us, as CloudTrail shows it."""

    keys: aws.Keys
    name: str


class _Expired(Denied):
    """STS finds the job's token too old."""


def assume(role: str, ecr: Mapping[str, Any], provider: Provider, http: Http, hide: Callable[[str], None]) -> Assumed:
    """Take a role with the token of this job, once more with a fresh one where that had ended.

    Raises Denied with what the role's trust policy would have to say, ConfigurationError for a duration that the role
    does not allow, Transient.
    """
    try:
        return _with_token(role, ecr, provider.name, provider.identity_token(_AUDIENCE, http, hide), hide)
    except _Expired:
        return _with_token(role, ecr, provider.name, provider.identity_token(_AUDIENCE, http, hide), hide)


def assume_from_machine(role: str | None, ecr: Mapping[str, Any], hide: Callable[[str], None]) -> Assumed | None:
    """The machine's credentials, or those of a role that they take; None where the machine has none.

    Raises Denied, ConfigurationError or Transient.
    """
    keys = aws.machine_keys("asking this machine for its AWS credentials")
    if keys is None:
        return None
    for secret in keys.secrets:
        hide(secret)
    if role is None:
        return Assumed(keys, "this machine's role")
    seconds = int(min(_duration(ecr), _LONGEST_CHAINED))
    doing = f"taking the role {role} as this machine"

    def refused(code: str, words: str) -> ImageyardError | None:
        if code != "AccessDenied":
            return None
        hint = "the role's trust policy must allow sts:AssumeRole to the machine's role"
        return Denied(f"AWS sts answers {code}: {words}", doing=doing, hint=hint)

    answer = aws.call(
        "sts",
        "assume_role",
        ecr["region"],
        doing,
        caller=keys,
        refused=refused,
        RoleArn=role,
        RoleSessionName=_session(ecr),
        DurationSeconds=seconds,
    )
    return _read(answer, hide)


def _with_token(
    role: str, ecr: Mapping[str, Any], issued_by: str, token: IdentityToken, hide: Callable[[str], None]
) -> Assumed:
    doing = f"taking the role {role} with the token of this job"
    answer = aws.call(
        "sts",
        "assume_role_with_web_identity",
        ecr["region"],
        doing,
        refused=lambda code, words: _refusal(code, words, role, issued_by, token, doing, _duration(ecr)),
        RoleArn=role,
        RoleSessionName=_session(ecr),
        WebIdentityToken=token.value,
        DurationSeconds=int(_duration(ecr)),
    )
    return _read(answer, hide)


def _refusal(
    code: str, words: str, role: str, issued_by: str, token: IdentityToken, doing: str, seconds: float
) -> ImageyardError | None:
    """What to change at AWS (AWS STS API Reference, AssumeRoleWithWebIdentity, "Errors")."""
    text = f"AWS sts answers {code}: {words}"
    issuer = token.claims.get("iss", "unknown").removeprefix("https://")
    audience = token.claims.get("aud", "unknown")
    name = role.rpartition("/")[2]
    match code:
        case "AccessDenied":
            conditions = (f'"{issuer}:{claim}": "{token.claims[claim]}"' for claim in _TELLING if claim in token.claims)
            wanted = "the role must be there, and its trust policy must let this job in:"
            look = f"aws iam get-role --role-name {name} --query Role.AssumeRolePolicyDocument"
            return Denied(text, doing=doing, hint=(wanted, *conditions, look, "inv policies    (what it should be)"))
        case "InvalidIdentityToken" | "IDPRejectedClaim":
            hint = (
                f"the account must have {issuer} as an OIDC provider, for the audience {audience}",
                "aws iam list-open-id-connect-providers",
            )
            return Denied(text, doing=doing, hint=hint)
        case "ExpiredTokenException":
            clocks = f"the clock of this machine, or of {issued_by}'s token service, is off"
            return _Expired(text, doing=doing, hint=clocks)
        case "ValidationError" if "DurationSeconds" in words:
            longer = f"aws iam update-role --role-name {name} --max-session-duration {int(seconds)}"
            return ConfigurationError(text, doing=doing, hint=("lower ecr.duration in the catalogue", f"or: {longer}"))
    return None


def _read(answer: Mapping[str, Any], hide: Callable[[str], None]) -> Assumed:
    given = answer["Credentials"]
    keys = aws.Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], given["Expiration"])
    for secret in keys.secrets:
        hide(secret)
    return Assumed(keys, answer["AssumedRoleUser"]["Arn"])


def _session(ecr: Mapping[str, Any]) -> str:
    return str(ecr.get("session", "imageyard"))


def _duration(ecr: Mapping[str, Any]) -> float:
    return float(ecr.get("duration", 3600.0))
