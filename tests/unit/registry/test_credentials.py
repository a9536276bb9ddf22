"""The Docker configuration: where credentials lie, in which order they are looked for, and what is wrong with them."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.registry.credentials import HUB_KEY, Credential, DockerConfig, config_folder


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def config(folder: Path, content: object) -> DockerConfig:
    (folder / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return DockerConfig(folder)


@pytest.mark.parametrize(
    ("auths", "registry", "expected"),
    [
        ({"ghcr.io": auth("me:secret")}, "ghcr.io", Credential("me", "secret")),
        ({"ghcr.io": auth("me:with:colons")}, "ghcr.io", Credential("me", "with:colons")),
        ({"ghcr.io": auth("me:secret\0\0")}, "ghcr.io", Credential("me", "secret")),
        ({"ghcr.io": {"username": "me", "password": "secret"}}, "ghcr.io", Credential("me", "secret")),
        ({"https://ghcr.io": auth("me:secret")}, "ghcr.io", Credential("me", "secret")),
        ({"https://ghcr.io/v1/": auth("me:secret")}, "ghcr.io", Credential("me", "secret")),
        ({"ghcr.io:443": auth("me:secret")}, "ghcr.io", None),
        ({HUB_KEY: auth("me:secret")}, "docker.io", Credential("me", "secret")),
        ({"x.azurecr.io": {**auth("0000:"), "identitytoken": "tok"}}, "x.azurecr.io", Credential("0000", "", "tok")),
        ({"ghcr.io": {}}, "ghcr.io", None),
        ({"ghcr.io": []}, "ghcr.io", None),
        ({}, "ghcr.io", None),
    ],
)
def test_the_file(tmp_path: Path, auths: object, registry: str, expected: Credential | None) -> None:
    assert config(tmp_path, {"auths": auths}).find(registry) == expected


@pytest.mark.parametrize("content", ["", "{}"])
def test_no_file_or_an_empty_one_has_nothing(tmp_path: Path, content: str) -> None:
    assert DockerConfig(tmp_path / "none").find("ghcr.io") is None
    assert config(tmp_path, content).find("ghcr.io") is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ({"auths": []}, ""),
        ({"auths": ["x"]}, "`auths` is not an object"),
        ({"auths": {"ghcr.io": {"auth": "not base64!"}}}, "not base64 of NAME:PASSWORD"),
        ({"auths": {"ghcr.io": auth("nocolon")}}, "not base64 of NAME:PASSWORD"),
        ({"credsStore": "../../bin/sh"}, "not the name of a credential helper"),
    ],
)
def test_a_broken_file_is_named_and_its_secrets_are_not(tmp_path: Path, content: object, words: str) -> None:
    broken = config(tmp_path, content)
    if not words:
        assert broken.find("ghcr.io") is None
        return
    with pytest.raises(ConfigurationError, match=words) as raised:
        broken.find("ghcr.io")
    assert "config.json" in str(raised.value)
    assert "bm9jb2xvbg" not in str(raised.value)


def helper(folder: Path, name: str, script: str) -> None:
    file = folder / f"docker-credential-{name}"
    file.write_text(f"#!/bin/sh\nread server\n{script}\n")
    file.chmod(0o755)


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("""echo '{"ServerURL": "x", "Username": "me", "Secret": "pw"}'""", Credential("me", "pw")),
        ("""echo '{"ServerURL": "x", "Username": "<token>", "Secret": "tok"}'""", Credential(identity_token="tok")),
        ("""echo "{\\"Username\\": \\"$server\\", \\"Secret\\": \\"pw\\"}" """, Credential(HUB_KEY, "pw")),
        (
            """echo "{\\"Username\\": \\"$AWS_PROFILE$SECRET_OF_OURS\\", \\"Secret\\": \\"pw\\"}" """,
            Credential("ci", "pw"),
        ),
        ("echo 'credentials not found in native keychain'; exit 1", None),
    ],
    ids=["password", "identity token", "hub's key", "its cloud's variables, no others", "nothing"],
)
def test_a_helper(on_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: Credential | None) -> None:
    monkeypatch.setenv("AWS_PROFILE", "ci")
    monkeypatch.setenv("OUR_SECRET", "leak")
    helper(on_path, "fake", script)
    assert config(on_path, {"credHelpers": {"docker.io": "fake"}}).find("docker.io") == expected


def test_the_order_is_the_clis(on_path: Path) -> None:
    helper(on_path, "own", """echo '{"Username": "helper", "Secret": "pw"}'""")
    helper(
        on_path,
        "store",
        """[ $server = b.io ] && echo '{"Username": "store", "Secret": "pw"}' || {
        echo credentials not found in native keychain; exit 1; }""",
    )
    found = config(
        on_path,
        {
            "credHelpers": {"a.io": "own"},
            "credsStore": "store",
            "auths": {host: auth("file:pw") for host in ("a.io", "b.io", "c.io")},
        },
    )
    assert [found.find(host).username for host in ("a.io", "b.io", "c.io")] == ["helper", "store", "file"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "docker-credential-fake is not installed"),
        ("echo s3cret; exit 3", "failed with exit code 3"),
        ("echo s3cret", "did not answer in its JSON"),
        ("echo '[\"s3cret\"]'", "did not answer in its JSON"),
    ],
)
def test_a_helper_that_fails_says_nothing_secret(on_path: Path, script: str | None, words: str) -> None:
    if script:
        helper(on_path, "fake", script)
    with pytest.raises(EnvironmentLacks, match=words) as raised:
        config(on_path, {"credsStore": "fake"}).find("ghcr.io")
    assert "s3cret" not in str(raised.value)


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert config_folder() == tmp_path
    monkeypatch.delenv("DOCKER_CONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_folder() == tmp_path / ".docker"


def test_a_credential_does_not_show_itself() -> None:
    shown = repr(Credential("me", "s3cret", "t0ken"))
    assert "s3cret" not in shown
    assert "t0ken" not in shown
