"""The job's token: how GitHub is asked for it, what it states, and what is made of answers that are none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.ci.providers.github.job_token import _claims, fetch, in_reach
from imageyard.errors import Denied, EnvironmentLacks, Transient
from imageyard.http.backoff import Policy
from imageyard.http.transport import Http
from support.github.oidc import Oidc, served
from support.registry.faults import Fault

AWS = "sts.amazonaws.com"


@pytest.fixture
def oidc() -> Iterator[Oidc]:
    with served("repo:acme/images:pull_request") as service:
        yield service


def ask(env: dict[str, str], hidden: list[str] | None = None) -> object:
    return fetch(env, AWS, Http(policy=Policy(attempts=1)), (hidden if hidden is not None else []).append)


def test_it_is_asked_for_with_an_audience(oidc: Oidc) -> None:
    hidden: list[str] = []
    token = fetch(oidc.env, AWS, Http(), hidden.append)
    assert token.value == oidc.issued[-1]
    assert token.claims["sub"] == "repo:acme/images:pull_request"
    assert token.claims["aud"] == "sts.amazonaws.com"
    assert oidc.requests("GET") == ["GET /token?api-version=2.0&audience=sts.amazonaws.com"]
    assert hidden == [oidc.bearer, token.value], "the bearer is hidden before it is sent"
    assert token.value not in repr(token)


def test_an_address_without_a_query(oidc: Oidc) -> None:
    env = {**oidc.env, "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://{oidc.host}/token"}
    assert ask(env)
    assert oidc.requests("GET") == ["GET /token?audience=sts.amazonaws.com"]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", Transient),
        (200, b"null", Transient),
        (200, b"[]", Transient),
        (200, b"{}", Transient),
        (200, b'{"value": null}', Transient),
        (200, b'{"value": 5}', Transient),
        (200, b'{"value": "two\\nlines"}', Transient),
        (200, '{"value": "ä"}'.encode(), Transient),
        (200, b"[" * 100_000, Transient),
        (204, b"", Denied),
        (302, b"", Denied),
        (400, b"", Denied),
        (401, b"", Denied),
        (403, b"", Denied),
        (404, b"", Denied),
        (429, b"", Transient),
        (500, b"", Transient),
        (503, b"", Transient),
    ],
)
def test_answers_that_are_no_token(oidc: Oidc, status: int, body: bytes, kind: type[Exception]) -> None:
    oidc.faults.append(Fault("GET", status=status, body=body))
    with pytest.raises(kind) as refused:
        ask(dict(oidc.env))
    assert "asking GitHub for the token of this job" in str(refused.value)
    assert oidc.bearer not in str(refused.value)


def test_the_bearer_does_not_follow_to_another_host(oidc: Oidc) -> None:
    with served() as other:
        oidc.faults.append(Fault("GET", status=302, headers={"Location": f"http://{other.host}/token?audience=x"}))
        with pytest.raises(Denied):
            ask(dict(oidc.env))
        assert [headers.get("authorization") for _, headers in other.log] == [None]


@pytest.mark.parametrize(
    "url", ["http://pipelines.example/token", "ftp://pipelines.example/token", "//pipelines.example/token", "token"]
)
def test_the_bearer_is_sent_by_https_only(url: str) -> None:
    with pytest.raises(EnvironmentLacks, match="not an HTTPS address") as refused:
        ask({"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "mark-of-the-bearer"})
    assert "mark-of-the-bearer" not in str(refused.value)


@pytest.mark.parametrize(
    ("env", "may"),
    [
        ({}, False),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x"}, False),
        ({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"}, False),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ""}, False),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x"}, True),
    ],
)
def test_whether_a_job_may_ask(env: dict[str, str], may: bool) -> None:
    assert in_reach(env) is may


@given(st.text() | st.from_regex(r"[a-zA-Z0-9_-]*\.[a-zA-Z0-9_-]*\.[a-zA-Z0-9_-]*"))
def test_a_token_that_cannot_be_read_states_nothing(text: str) -> None:
    """What it states is only shown; it must never be in the way."""
    assert all(isinstance(value, str) for value in _claims(text).values())


def test_claims_of_other_types_are_shown_as_text(oidc: Oidc) -> None:
    token = oidc.sign(["a", "b"])  # type: ignore[arg-type]
    assert _claims(token)["aud"] == "['a', 'b']"
