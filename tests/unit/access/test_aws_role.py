"""Taking a role with the token of a job: once more where the token had ended, and what to change where AWS refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from imageyard.access import aws_role
from imageyard.access.step_environment import Handover, private_folder
from imageyard.aws import KEPT, Keys
from imageyard.ci.providers.base import IdentityToken, Provider
from imageyard.ci.providers.table import provider_of
from imageyard.errors import ConfigurationError, Denied, ImageyardError, Transient
from imageyard.http.transport import Http

ROLE = "arn:aws:iam::123456789012:role/ci"
ECR = {"region": "us-east-1", "duration": 1800.0}
TOKEN = IdentityToken(
    "the-token", {"sub": "repo:a/b:ref:refs/heads/main", "aud": "sts.amazonaws.com", "iss": "https://t.test"}
)
ANSWER = {
    "Credentials": {"AccessKeyId": "AK", "SecretAccessKey": "SK", "SessionToken": "ST", "Expiration": "2026-01-01"},
    "AssumedRoleUser": {"Arn": f"{ROLE}/imageyard"},
}


class Issuer:
    """A CI system that gives a token each time it is asked."""

    name = "a test"

    def __init__(self) -> None:
        self.asked = 0

    def identity_token(self, audience: str, http: Http, hide: Callable[[str], None]) -> IdentityToken:
        self.asked += 1
        return TOKEN


def answering(monkeypatch: pytest.MonkeyPatch, *refusals: tuple[str, str]) -> list[dict[str, Any]]:
    """Let STS refuse with these codes, one a call, and then answer; gives what each call was given."""
    left, calls = list(refusals), list[dict[str, Any]]()

    def call(service: str, operation: str, region: str, doing: str, **given: Any) -> dict[str, Any]:
        refused = given.pop("refused", None)
        calls.append({"operation": operation, **given})
        if left:
            code, words = left.pop(0)
            raise (refused and refused(code, words)) or Transient(code, doing=doing)
        return ANSWER

    monkeypatch.setattr(aws_role.aws, "call", call)
    return calls


def assume(issuer: Issuer, hidden: list[str]) -> aws_role.Assumed:
    return aws_role.assume(ROLE, ECR, cast("Provider", issuer), Http(), hidden.append)


def test_a_role_is_taken_for_as_long_as_the_catalogue_says_and_its_secrets_are_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls, hidden = answering(monkeypatch), list[str]()
    assumed = assume(Issuer(), hidden)
    assert assumed.name == f"{ROLE}/imageyard"
    assert {"SK", "ST"} <= set(hidden)
    assert calls == [
        {
            "operation": "assume_role_with_web_identity",
            "RoleArn": ROLE,
            "RoleSessionName": "imageyard",
            "WebIdentityToken": "the-token",
            "DurationSeconds": 1800,
        }
    ]


def test_a_token_that_ended_is_asked_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ("ExpiredTokenException", "old"))
    issuer = Issuer()
    assert assume(issuer, []).keys == Keys("AK", "SK", "ST", "2026-01-01")
    assert issuer.asked == 2
    answering(monkeypatch, *[("ExpiredTokenException", "old")] * 2)
    with pytest.raises(Denied) as caught:
        assume(issuer, [])
    assert "the clock of this machine, or of a test's token service, is off" in caught.value.hint


@pytest.mark.parametrize(
    ("code", "words", "kind", "hint"),
    [
        ("AccessDenied", "no", Denied, '"t.test:sub": "repo:a/b:ref:refs/heads/main"'),
        ("InvalidIdentityToken", "no", Denied, "aws iam list-open-id-connect-providers"),
        ("ValidationError", "DurationSeconds exceeds", ConfigurationError, "lower ecr.duration in the catalogue"),
        ("Throttling", "slow down", Transient, ""),
    ],
)
def test_a_refusal_says_what_to_change(
    monkeypatch: pytest.MonkeyPatch, code: str, words: str, kind: type[ImageyardError], hint: str
) -> None:
    answering(monkeypatch, (code, words))
    with pytest.raises(kind) as caught:
        assume(Issuer(), [])
    assert hint in "\n".join(caught.value.hint)
    assert "the-token" not in str(caught.value)


def test_a_machine_takes_a_role_for_an_hour_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answering(monkeypatch)
    monkeypatch.setattr(aws_role.aws, "machine_keys", lambda doing: None)
    assert aws_role.assume_from_machine(ROLE, ECR, lambda secret: None) is None
    keys = Keys("AK", "SK", "ST", "2026-01-01")
    monkeypatch.setattr(aws_role.aws, "machine_keys", lambda doing: keys)
    assert aws_role.assume_from_machine(None, ECR, lambda secret: None) == aws_role.Assumed(keys, "this machine's role")
    aws_role.assume_from_machine(ROLE, {**ECR, "duration": 43200.0}, lambda secret: None)
    assert calls[-1]["DurationSeconds"] == 3600
    answering(monkeypatch, ("AccessDenied", "no"))
    with pytest.raises(Denied, match="AccessDenied") as caught:
        aws_role.assume_from_machine(ROLE, ECR, lambda secret: None)
    assert "sts:AssumeRole" in "".join(caught.value.hint)


def test_the_steps_that_follow_are_told_of_the_folder_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, object] = {}

    class Following:
        def set(self, variable: str, path: object) -> None:
            told[variable] = path

    class Steps:
        def following_steps(self) -> Following:
            return Following()

    class Config:
        folder = "/private"

        def keep(self, name: str, content: str) -> str:
            assert "SK" in content
            return f"/private/{name}"

    handover = Handover(cast("Provider", Steps()), cast("Any", Config()))
    assert told == {"DOCKER_CONFIG": "/private"}
    handover.aws_keys(Keys("AK", "SK", "ST", "2026-01-01"))
    assert told[KEPT] == "/private/aws-credentials"


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_RUNTIME_DIR": "/run/user/1"}, "/run/user/1/imageyard/docker"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/imageyard/docker"),
        ({"GITHUB_ACTIONS": "true", "RUNNER_TEMP": "/t", "XDG_RUNTIME_DIR": "/r"}, "/t/imageyard-docker"),
    ],
)
def test_a_login_keeps_its_folder_where_it_ends_soonest(environ: dict[str, str], folder: str) -> None:
    assert str(private_folder(environ, provider_of(environ))) == folder
