"""What an answer means: which are absent, which denied, and in which words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import Denied, EnvironmentLacks, ImageyardError, NotFound, PolicyRefused, Transient
from imageyard.http.failures import NoAnswer
from imageyard.http.transport import Reply
from imageyard.registry.answers import codes, failure, is_absent, login_hint, words

VERSION = {"docker-distribution-api-version": "registry/2.0"}


def reply(status: int, *said: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Reply:
    document = json.dumps({"errors": [{"code": code, "message": f"about {code}"} for code in said]}).encode()
    return Reply(status, headers or {}, (document if said else b"") if body is None else body, "https://r/v2/x")


@pytest.mark.parametrize(
    ("answer", "error", "absent"),
    [
        (reply(404, "MANIFEST_UNKNOWN"), NotFound, True),
        (reply(404, "NAME_UNKNOWN"), NotFound, True),
        (reply(404, "BLOB_UNKNOWN"), NotFound, True),
        (reply(404, "NOT_FOUND"), NotFound, True),
        (reply(404, headers=VERSION), NotFound, True),
        (reply(404), Transient, False),
        (reply(404, "MANIFEST_UNKNOWN", "DENIED"), Transient, False),
        (reply(404, "UNSUPPORTED"), Transient, False),
        (reply(404, body=b"404 page not found\n", headers=VERSION), Transient, False),
        (reply(410, "MANIFEST_UNKNOWN"), PolicyRefused, False),
        (reply(401, "MANIFEST_UNKNOWN"), Denied, False),
        (reply(401, "UNAUTHORIZED"), Denied, False),
        (reply(403, "DENIED"), Denied, False),
        (reply(405, "UNSUPPORTED"), EnvironmentLacks, False),
        (reply(400, "MANIFEST_INVALID"), PolicyRefused, False),
        (reply(400), Transient, False),
        (reply(407), Transient, False),
        (reply(429, "TOOMANYREQUESTS"), NoAnswer, False),
        (reply(500, "UNKNOWN"), NoAnswer, False),
        (reply(503), NoAnswer, False),
        (reply(200), Transient, False),
    ],
)
def test_meaning(answer: Reply, error: type[ImageyardError], absent: bool) -> None:
    assert is_absent(answer) == absent
    assert type(failure(answer, "r/x:t", "r", "reading it")) is error


def test_words_are_the_registrys() -> None:
    assert words(reply(403, "DENIED", "UNKNOWN")) == "DENIED: about DENIED; UNKNOWN: about UNKNOWN"
    assert words(reply(404, body=b"<html>", headers={"content-type": "text/html; charset=x"})).startswith(
        "a body of type text/html"
    )
    assert words(reply(500)) == ""
    assert str(failure(reply(403, "DENIED"), "r/x:t", "r", "reading it")) == (
        "error: r refused us (HTTP 403): DENIED: about DENIED\n  while: reading it\n  next: docker login r"
    )


def test_secrets_are_not_repeated() -> None:
    said = reply(403, body=b'{"errors": [{"code": "DENIED", "message": "password hunter22 is wrong"}]}')
    assert "hunter22" not in str(failure(said, "r/x:t", "r", "reading it", ["hunter22"]))


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(
    lambda value: json.dumps({"errors": value}).encode()
))  # fmt: skip
def test_any_body_has_words_that_can_be_shown(body: bytes) -> None:
    answer = reply(404, body=body)
    assert words(answer).isprintable()
    assert len(words(answer)) <= 300
    assert is_absent(answer) == (bool(codes(answer)) and set(codes(answer)) <= {"MANIFEST_UNKNOWN", "NOT_FOUND"})


@pytest.mark.parametrize(
    ("registry", "hint"),
    [
        ("ghcr.io", "docker login ghcr.io"),
        ("docker.io", "docker login"),
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "aws ecr get-login-password --region us-east-1 | docker login --username AWS --password-stdin "
            "123456789012.dkr.ecr.us-east-1.amazonaws.com",
        ),
    ],
)
def test_what_to_type_next(registry: str, hint: str) -> None:
    assert login_hint(registry) == hint
