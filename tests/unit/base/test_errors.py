"""Which exit code an error calls for, and which error the end of a request, of a build or of a parent is."""

from __future__ import annotations

import io
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from imageyard import errors
from imageyard.builders.request import BuildTimedOut, Failed
from imageyard.building.remote_checks import TIMEOUT, _ran
from imageyard.errors import (
    EXIT_CODES,
    Blocked,
    BuildFailed,
    CheckFailed,
    Denied,
    EnvironmentLacks,
    FailedBefore,
    ImageyardError,
    NotFound,
    PolicyRefused,
    RevokedImage,
    Terminated,
    Transient,
    exit_code,
)
from imageyard.http.failures import BodyTooLarge, NoAnswer, TlsRefused
from imageyard.names import Digest, Reference, Unknown
from imageyard.oci.manifests import Descriptor
from imageyard.ran import NotStarted, TimedOut
from imageyard.records import gravest
from imageyard.registry import blobs
from imageyard.registry.client import Client
from imageyard.registry.remote import RangesRefused, RemoteBlob
from support.registry.faults import Fault, Proxy, running
from support.registry.served import moving_clock
from support.registry.tls import Authority

DIGEST = Digest("sha256:" + "0" * 64)
BLOB = Descriptor("application/octet-stream", DIGEST, 200_000)


@pytest.fixture
def server() -> Iterator[Proxy]:
    with running(Proxy(None)) as server:
        server.faults = [Fault("GET /v2/$", status=200)]
        yield server


def client() -> Client:
    return Client(credentials=lambda _: None, clock=moving_clock()[0])


def test_every_class_has_an_exit_code_of_its_own() -> None:
    classes = [getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)]
    own = set(classes) - {ImageyardError, FailedBefore, Blocked, RevokedImage}
    assert set(EXIT_CODES) == own
    assert len(set(EXIT_CODES.values())) == len(own)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (BuildFailed("x"), 5),
        (NoAnswer("x"), 9),
        (blobs.WrongDigest("x"), 9),
        (RevokedImage("x"), 10),
        (Terminated(), 143),
        (FailedBefore("x", recorded=6), 6),
        (Blocked("x", by="base", cause=NotFound("x")), 7),
        (Blocked("x", by="base", cause=FailedBefore("x", recorded=5)), 5),
    ],
)
def test_the_exit_code_of_an_error(error: ImageyardError | Terminated | None, code: int) -> None:
    assert exit_code(error) == code


def test_the_gravest_is_the_first_of_its_code() -> None:
    first, second = PolicyRefused("1"), PolicyRefused("2")
    assert gravest([Transient("0"), first, second, CheckFailed("3"), EnvironmentLacks("4")]) is first
    assert gravest([]) is None


def test_an_unknown_state_has_the_words_of_its_error() -> None:
    assert Unknown(Transient("no answer", detail=["one", "two"])).why == "no answer; one; two"


def test_an_answer_that_is_too_large(server: Proxy) -> None:
    server.faults.append(Fault("/blobs/", status=200, body=b"x" * 100))
    with pytest.raises(BodyTooLarge, match="larger than 10 bytes") as raised:
        blobs.read(client(), Reference(server.host, "a/b"), DIGEST, limit=10)
    assert raised.value.registry == server.host


def test_a_whole_blob_for_a_range_is_a_refusal_of_ranges(server: Proxy) -> None:
    server.faults.append(Fault("/blobs/", status=200, body=b"x" * 200_000))
    with pytest.raises(RangesRefused):
        RemoteBlob(client(), Reference(server.host, "a/b"), BLOB, piece=1000).read(10)


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    server = Proxy(None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Authority(tmp_path, "nobody").issue("127.0.0.1").both)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    asking = client()
    with running(server):
        with pytest.raises(TlsRefused, match="its certificate is not trusted"):
            asking.http.send("GET", f"https://{server.host}/v2/")
        assert asking.endpoints.origin(server.host) == f"https://{server.host}", "it speaks TLS all the same"


@pytest.mark.parametrize(("size", "kind"), [(10, blobs.WrongDigest), (5, blobs.WrongDigest), (20, Transient)])
def test_a_blob_of_other_bytes_is_not_asked_for_again(server: Proxy, size: int, kind: type[Transient]) -> None:
    server.faults.append(Fault("/blobs/", status=200, body=b"0123456789"))
    blob = Descriptor("application/octet-stream", DIGEST, size)
    with pytest.raises(Transient) as raised:
        blobs.fetch(client(), Reference(server.host, "a/b"), blob, io.BytesIO())
    assert type(raised.value) is kind
    assert (len(server.requests("/blobs/")) == 1) == (kind is blobs.WrongDigest)


@pytest.mark.parametrize(("status", "kind"), [(403, Denied), (503, NoAnswer)])
def test_whose_refusal_or_silence_it_is(server: Proxy, status: int, kind: type[ImageyardError]) -> None:
    server.faults.append(Fault("/blobs/", status=status))
    with pytest.raises(kind) as raised:
        blobs.read(client(), Reference(server.host, "a/b"), DIGEST)
    assert raised.value.registry == server.host


def test_a_check_that_ran_out_of_time() -> None:
    words = "the build did not end within 300 s"
    assert _ran(BuildTimedOut("RUN x", message=words), "out", "err") == TimedOut(TIMEOUT, "out", "err")
    assert _ran(Failed("RUN x", message=words), "", "") == NotStarted(words), "the words alone say nothing"
