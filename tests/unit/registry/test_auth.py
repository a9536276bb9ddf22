"""Tokens: what is sent to whom, and what is not believed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from imageyard.errors import Denied, Transient
from imageyard.http.backoff import Policy
from imageyard.names import Absent, Reference, Unknown
from imageyard.registry.client import Client
from imageyard.registry.credentials import Credential
from imageyard.registry.states import state, states
from support.registry.bearer import Bearer
from support.registry.faults import HTML, Fault, Proxy, running
from support.registry.served import moving_clock, unknown

CREDENTIAL = Credential("me", "hunter22")
MISSING = Fault(
    "/v2/.*/manifests/",
    status=404,
    body=b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}',
    headers={"Content-Type": "application/json"},
)


@pytest.fixture
def server() -> Iterator[Proxy]:
    with running(Proxy(None)) as server:
        server.faults = [Fault("GET /v2/$", status=200)]
        yield server


def client(credential: Credential | None = CREDENTIAL) -> Client:
    return Client(credentials=lambda _: credential, clock=moving_clock()[0], policy=Policy(attempts=2, read=5))


def asks_for(server: Proxy, realm: str) -> Reference:
    challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'}
    server.faults.append(Fault("/v2/", status=401, headers=challenge, times=1))
    server.faults.append(MISSING)
    return Reference(server.host, "a/b", "t")


def token(server: Proxy, body: bytes, status: int = 200) -> None:
    server.faults.insert(0, Fault("/token", status=status, body=body, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize("name", ["token", "access_token"])
def test_a_token_is_sent(server: Proxy, name: str) -> None:
    reference = asks_for(server, f"http://{server.host}/token")
    token(server, json.dumps({name: "abc.def", "expires_in": 5}).encode())
    assert state(client(), reference) == Absent()
    assert server.requests("/token") == ["GET /token?service=s&scope=repository%3Aa%2Fb%3Apull"]
    assert server.log[-1][1]["authorization"] == "Bearer abc.def"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (HTML, 200),
        (b"[]", 200),
        (b"{}", 200),
        (b"null", 200),
        (b'{"token": 7}', 200),
        (b'{"token": "a\\r\\nX-Injected: 1"}', 200),
        (b'{"token": "abc", "expires_in": "soon"}', 200),
        (b'{"token": "abc"}', 201),
        (b"", 500),
        (b"", 404),
    ],
)
def test_what_is_no_token_is_unknown_not_denied(server: Proxy, body: bytes, status: int) -> None:
    reference = asks_for(server, f"http://{server.host}/token")
    token(server, body, status)
    told = state(client(), reference)
    assert isinstance(told, Unknown)
    assert "gave no token" in told.why
    assert not isinstance(told.error, Denied)


@pytest.mark.parametrize("realm", ["", "ftp://x/token", "/token", "http://192.0.2.1/token", "file:///etc/passwd"])
def test_a_password_goes_to_no_place_without_tls(server: Proxy, realm: str) -> None:
    told = state(client(), asks_for(server, realm))
    assert unknown(told) == (Transient, f"{server.host} names no HTTPS address that gives tokens")
    assert not [headers for _, headers in server.log if "authorization" in headers]


def test_a_token_server_that_repeats_our_password_is_not_quoted(server: Proxy) -> None:
    reference = asks_for(server, f"http://{server.host}/token")
    token(
        server, json.dumps({"errors": [{"code": "DENIED", "message": f"{CREDENTIAL.password} is wrong"}]}).encode(), 403
    )
    with pytest.raises(Denied) as raised:
        client().get(reference)
    assert CREDENTIAL.password not in str(raised.value)
    assert "*** is wrong" in str(raised.value)


def test_a_token_server_that_fails_is_not_asked_by_everybody(server: Proxy) -> None:
    reference = asks_for(server, f"http://{server.host}/token")
    server.faults.insert(0, Fault("/v2/a", status=401, headers=dict(server.faults[1].headers)))
    server.faults.insert(0, Fault("/token", status=503))
    told = states(client(), [reference.with_tag(f"t{n}") for n in range(50)])
    assert {type(one) for one in told.values()} == {Unknown}
    assert len(server.requests("/token")) <= 4


def test_an_unknown_scheme_is_denied(server: Proxy) -> None:
    server.faults.append(Fault("/v2/", status=401, headers={"WWW-Authenticate": "Negotiate"}))
    told = state(client(), Reference(server.host, "a/b", "t"))
    assert isinstance(told, Unknown)
    assert isinstance(told.error, Denied)


def test_a_401_of_another_host_gets_nothing(server: Proxy) -> None:
    """A registry sends us on to a place that asks for a password: that place gets none."""
    with running(Proxy(None)) as other:
        other.faults = [Fault(".*", status=401, headers={"WWW-Authenticate": 'Basic realm="give"'})]
        server.faults.append(Fault("/v2/", status=307, headers={"Location": f"http://{other.host}/v2/a/b/manifests/t"}))
        told = state(client(), Reference(server.host, "a/b", "t"))
        assert isinstance(told, Unknown)
        assert isinstance(told.error, Denied)
        assert len(other.log) == 1
        assert not [headers for _, headers in other.log if "authorization" in headers]


def test_a_wrong_password_is_sent_once() -> None:
    with running(Bearer(None, {"me": "other"})) as server:
        server.faults = [Fault("GET /v2/$", status=200)]
        asking = client()
        for _ in range(3):
            with pytest.raises(Denied, match="wrong name or password"):
                asking.get(Reference(server.host, "a/b", "t"))
        assert len(server.requests("/token")) == 1  # some servers lock out who is wrong too often


def test_a_proxy_is_used_for_others_and_not_for_this_machine(server: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://user:pass@{server.host}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.faults.append(MISSING)
    plain = Client(insecure=["registry.invalid"], credentials=lambda _: None, policy=Policy(attempts=1))
    assert state(plain, Reference("registry.invalid", "a/b", "t")) == Absent()
    assert server.log[-1][0] == "GET http://registry.invalid/v2/a/b/manifests/t"
    assert server.log[-1][1]["proxy-authorization"].startswith("Basic ")
    assert state(plain, Reference(server.host, "a/b", "t")) == Absent()
    assert server.log[-1][0] == "GET /v2/a/b/manifests/t"


def test_a_helper_that_is_not_there_makes_it_unknown(server: Proxy) -> None:
    def broken(registry: str) -> Credential | None:
        raise Transient(f"the helper of {registry} is broken")

    reference = asks_for(server, f"http://{server.host}/token")
    asking = Client(credentials=broken, policy=Policy(attempts=1))
    assert unknown(state(asking, reference)) == (Transient, f"the helper of {server.host} is broken")
