"""Getting in: passwords, helpers, certificates and tokens, at real registries that ask for them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from imageyard.errors import Denied
from imageyard.http import connections
from imageyard.names import Absent as IsAbsent
from imageyard.names import Present, Unknown
from imageyard.registry.client import Client
from imageyard.registry.credentials import Credential, DockerConfig
from imageyard.registry.states import state, states
from support.registry.bearer import Bearer
from support.registry.faults import running
from support.registry.served import PASSWORD, USER, Served, platform, put_image, put_index, tool, unknown


def docker_config(folder: Path, content: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def test_basic_with_the_docker_configuration(locked_registry: Served, tmp_path: Path) -> None:
    host = locked_registry.host
    reference = locked_registry.reference("basic/image", "t")
    client = locked_registry.client()
    put_index(client, reference, {put_image(client, reference): platform("amd64")})
    home = {"DOCKER_CONFIG": str(tmp_path)}
    tool("crane", "auth", "login", host, "-u", USER, "--password-stdin", env=home, say=PASSWORD)
    known = Client(credentials=DockerConfig(tmp_path).find)
    assert known.head(reference)[0] == tool("crane", "digest", reference, env=home)
    assert isinstance(state(known, reference), Present)


@pytest.mark.parametrize(
    "credential",
    [None, Credential(USER, "wrong-password"), Credential("nobody", PASSWORD)],
    ids=["none", "wrong", "who"],
)
def test_denied_is_not_absent(locked_registry: Served, credential: Credential | None) -> None:
    client = locked_registry.client(credentials=lambda _: credential)
    reference = locked_registry.reference("basic/never", "t")
    told = state(client, reference)
    assert isinstance(told, Unknown)
    assert isinstance(told.error, Denied)
    assert "UNAUTHORIZED" in told.why
    with pytest.raises(Denied) as raised:
        client.get(reference)
    assert raised.value.hint == (f"docker login {locked_registry.host}",)
    for secret in (PASSWORD, "wrong-password"):
        assert secret not in str(raised.value) + told.why


def test_a_credential_helper_is_asked(locked_registry: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-fake"
    answer = json.dumps({"ServerURL": "x", "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\nread server\necho \"$1 $server\" > {tmp_path}/asked\necho '{answer}'\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    host = locked_registry.host
    for content in ({"credHelpers": {host: "fake"}}, {"credsStore": "fake"}):
        config = docker_config(tmp_path / "docker", content)
        client = Client(credentials=DockerConfig(config).find)
        assert state(client, locked_registry.reference("helper/none", "t")) == IsAbsent()
        assert (tmp_path / "asked").read_text() == f"get {host}\n"


def test_a_private_ca(tls_registry: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = tls_registry.reference("tls/image", "t")
    client = tls_registry.client()
    digest = put_index(client, reference, {put_image(client, reference): platform("amd64")})
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_registry.ca))
    trusting = Client(credentials=lambda _: None)
    assert trusting.head(reference)[0] == digest == tool("crane", "digest", reference)
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_DIR", os.devnull)
    told = state(Client(credentials=lambda _: None), reference)
    assert isinstance(told, Unknown)
    assert not isinstance(told.error, Denied)
    assert "certificate is not trusted" in told.why


def test_the_engines_ca_for_a_host_is_trusted(
    tls_registry: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CERTIFICATES", tmp_path)
    (tmp_path / tls_registry.host).mkdir()
    assert tls_registry.ca
    (tmp_path / tls_registry.host / "ca.crt").write_bytes(tls_registry.ca.read_bytes())
    reference = tls_registry.reference("tls/never", "t")
    assert state(Client(credentials=lambda _: None), reference) == IsAbsent()
    (tmp_path / tls_registry.host / "ca.crt").write_text("no certificate")
    told = state(Client(credentials=lambda _: None), reference)
    assert isinstance(told, Unknown)
    assert "ca.crt is not a CA bundle" in told.why


def test_plain_http_is_not_spoken_to_another_machine(registry: Served) -> None:
    """127.0.0.1 by a name that is not known to be this machine."""
    name = f"registry.invalid:{registry.host.rpartition(':')[2]}"
    origin = registry.client().endpoints.origin
    assert origin(name) == f"https://{name}"
    assert registry.client(insecure=[name]).endpoints.origin(name) == f"http://{name}"
    assert origin(registry.host) == f"http://{registry.host}"
    assert origin("docker.io") == "https://registry-1.docker.io"


@pytest.mark.parametrize(
    ("users", "credential"),
    [
        (None, None),
        ({USER: PASSWORD}, Credential(USER, PASSWORD)),
        ({"<token>": "an identity token"}, Credential(identity_token="an identity token")),
    ],
    ids=["anonymous", "password", "identity token"],
)
def test_bearer(registry: Served, users: dict[str, str] | None, credential: Credential | None) -> None:
    with running(Bearer(registry.host, users)) as gate:
        served = Served(gate.host, registry.storage, credential=credential)  # type: ignore[attr-defined]
        client = served.client()
        reference = served.reference("bearer/image", "t")
        digest = put_index(client, reference, {put_image(client, reference): platform("amd64")})
        assert isinstance(state(client, reference), Present)
        assert isinstance(gate, Bearer)
        issued = gate.issued
        assert issued == 2  # one to pull, one to pull and push
        assert {type(one) for one in states(client, [reference.with_tag(f"n{n}") for n in range(20)]).values()} == {
            IsAbsent
        }
        assert gate.issued == issued
        gate.expire()
        assert client.head(reference)[0] == digest  # the token is renewed once, without a word
        assert gate.issued == issued + 1


def test_one_token_for_many_at_once(registry: Served) -> None:
    with running(Bearer(registry.host)) as gate:
        served = Served(gate.host, registry.storage)
        told = states(served.client(), [served.reference("bearer/many", f"n{n}") for n in range(50)])
        assert set(told.values()) == {IsAbsent()}
        assert isinstance(gate, Bearer)
        assert gate.issued == 1


def test_bearer_refused(registry: Served) -> None:
    with running(Bearer(registry.host, {USER: "another"})) as gate:
        served = Served(gate.host, registry.storage, credential=Credential(USER, PASSWORD))
        client = served.client()
        told = state(client, served.reference("bearer/image", "t"))
        assert unknown(told) == (
            Denied,
            f"{gate.host} refused us a token (HTTP 401): UNAUTHORIZED: wrong name or password",
        )
        with pytest.raises(Denied, match="refused us a token"):
            client.tags(served.reference("bearer/image"))
