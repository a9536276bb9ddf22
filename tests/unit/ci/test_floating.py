"""Whose token git is given, and for which server."""

from __future__ import annotations

import base64
import os

import pytest
from imageyard.ci.providers.github.environment import git_credentials

SERVER = {"GITHUB_TOKEN": "token-of-the-job", "GITHUB_SERVER_URL": "https://github.com"}


@pytest.mark.parametrize(
    ("environ", "origin", "given"),
    [
        (SERVER, "https://github.com/example/images", True),
        (SERVER, "https://github.com/example/images.git", True),
        (SERVER | {"GITHUB_SERVER_URL": "https://github.com/"}, "https://github.com/example/images", True),
        (SERVER, "https://github.com.example.org/example/images", False),
        (SERVER, "https://example.org/https://github.com/", False),
        (SERVER, "http://github.com/example/images", False),
        (SERVER, "git@github.com:example/images.git", False),
        (SERVER | {"GITHUB_SERVER_URL": "http://github.com"}, "http://github.com/example/images", False),
        ({"GITHUB_TOKEN": "token-of-the-job"}, "https://github.com/example/images", False),
        ({"GITHUB_SERVER_URL": "https://github.com"}, "https://github.com/example/images", False),
    ],
)
def test_the_token_goes_to_its_own_server_only(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], origin: str, given: bool
) -> None:
    for name in SERVER:
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found = git_credentials(origin, os.environ)
    if not given:
        assert found == {}
        return
    assert found["GIT_CONFIG_KEY_0"] == "http.https://github.com/.extraheader"
    kind, word, basic = found["GIT_CONFIG_VALUE_0"].split()
    assert (kind, word) == ("AUTHORIZATION:", "basic")
    assert base64.b64decode(basic) == b"x-access-token:token-of-the-job"
