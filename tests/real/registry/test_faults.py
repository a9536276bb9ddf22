"""Every way in which a registry, or what is in front of it, fails to answer: each ends as designed."""

from __future__ import annotations

import io
import json

import pytest
from imageyard.errors import Denied, ImageyardError, NotFound, PolicyRefused, Transient
from imageyard.http.backoff import Policy
from imageyard.names import Absent as IsAbsent
from imageyard.names import Present, Reference, Unknown
from imageyard.oci.manifests import OCI_INDEX, Descriptor, digest_of
from imageyard.registry import blobs, upload
from imageyard.registry.client import Client
from imageyard.registry.states import state, states
from support.registry.faults import HTML, Fault, Proxy, running
from support.registry.served import Served, moving_clock, platform, put_image, put_index, unknown

JSON = {"Content-Type": "application/json"}
PAGE = {"Content-Type": "text/html; charset=utf-8"}


def said(code: str, message: str = "so it is") -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


@pytest.fixture
def there(registry: Served) -> Reference:
    """An image that is present at the registry itself."""
    client = registry.client()
    reference = registry.reference("faults/image", "t")
    put_index(client, reference, {put_image(client, reference): platform("amd64")})
    return reference


def through(proxy: Proxy, reference: Reference) -> Reference:
    return Reference(proxy.host, reference.repository, reference.tag, reference.digest)


def impatient(**policy: float) -> tuple[Client, list[float]]:
    """A client whose waits between attempts take no time, and what it waited."""
    clock, slept = moving_clock()
    options = {"read": 20, "attempts": 3, **policy}
    return Client(credentials=lambda _: None, clock=clock, policy=Policy(**options)), slept  # type: ignore[arg-type]


MANIFEST = "(GET|HEAD) .*/manifests/"


@pytest.mark.parametrize(
    ("fault", "words", "denied", "error"),
    [
        (Fault(MANIFEST, status=401, body=said("UNAUTHORIZED"), headers=JSON), "UNAUTHORIZED: so it is", True, Denied),
        (Fault(MANIFEST, status=401), "HTTP 401", True, Denied),
        (Fault(MANIFEST, status=403, body=said("DENIED"), headers=JSON), "DENIED: so it is", True, Denied),
        (Fault(MANIFEST, status=403, body=HTML, headers=PAGE), "text/html", True, Denied),
        (Fault(MANIFEST, status=404, body=HTML, headers=PAGE), "a body of type text/html", False, Transient),
        (Fault(MANIFEST, status=404), "HTTP 404", False, Transient),
        (Fault(MANIFEST, status=404, body=said("UNSUPPORTED"), headers=JSON), "UNSUPPORTED", False, Transient),
        (Fault(MANIFEST, status=404, body=b"[]", headers=JSON), "HTTP 404", False, Transient),
        (Fault(MANIFEST, status=404, body=b'{"errors": []}', headers=JSON), "HTTP 404", False, Transient),
        (Fault(MANIFEST, status=429, body=said("TOOMANYREQUESTS"), headers=JSON), "TOOMANYREQUESTS", False, Transient),
        (Fault(MANIFEST, status=500), "HTTP 500", False, Transient),
        (Fault(MANIFEST, status=502, body=HTML, headers=PAGE), "HTTP 502", False, Transient),
        (Fault(MANIFEST, status=200, body=HTML, headers=PAGE), "answered with text/html", False, Transient),
        (Fault(MANIFEST, status=200, body=HTML, headers={"Content-Type": OCI_INDEX}), "it is not JSON", False, None),
        (Fault(MANIFEST, status=200), "answered with no type", False, Transient),
        (Fault(MANIFEST, status=302, headers={"Location": "/login"}), "HTTP 404", False, Transient),
        (Fault(MANIFEST, status=302, headers={"Location": "ftp://x/"}), "not HTTPS", False, Transient),
        (Fault(".*", status=302, headers={"Location": "/v2/again"}), "redirects", False, Transient),
        (Fault(MANIFEST, "hang"), "no answer in time", False, Transient),
        (Fault(MANIFEST, "reset"), "the connection broke (3 attempts)", False, Transient),
        (Fault(MANIFEST, "truncate"), "its answer was cut off (3 attempts)", False, Transient),
        (Fault(MANIFEST, "corrupt"), "answered with bytes of another digest", False, Transient),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)
def test_it_is_unknown_in_the_registrys_words(
    proxy: Proxy, there: Reference, fault: Fault, words: str, denied: bool, error: type[ImageyardError] | None
) -> None:
    client, _ = impatient(read=0.3 if fault.kind == "hang" else 20)
    reference = through(proxy, there)
    client.endpoints.origin(proxy.host)
    proxy.faults = [fault]
    told = state(client, reference)
    assert isinstance(told, Unknown), told
    assert words in told.why
    assert isinstance(told.error, Denied) == denied
    if error:
        with pytest.raises(error):
            client.get(reference)
    proxy.faults = []
    assert isinstance(state(impatient()[0], reference), Present)


def test_a_404_with_the_specifications_words_is_absent(proxy: Proxy, there: Reference) -> None:
    client, _ = impatient()
    version = {"Docker-Distribution-Api-Version": "registry/2.0"}
    for code, headers in (("MANIFEST_UNKNOWN", JSON), ("NAME_UNKNOWN", JSON), ("NOT_FOUND", JSON), ("", version)):
        proxy.faults = [Fault(MANIFEST, status=404, body=said(code) if code else b"", headers=headers)]
        assert state(client, through(proxy, there)) == IsAbsent()
        with pytest.raises(NotFound):
            client.head(through(proxy, there))


@pytest.mark.parametrize("kind", ["reset", "truncate", "status"])
def test_what_passes_is_not_noticed(proxy: Proxy, there: Reference, kind: str) -> None:
    client, slept = impatient()
    client.endpoints.origin(proxy.host)
    proxy.faults = [Fault(MANIFEST, kind, status=503, times=2)]  # type: ignore[arg-type]
    assert isinstance(state(client, through(proxy, there)), Present)
    assert slept == [0.25, 0.5]


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("7", 7.0), ("0", 0.25), ("100000", 60.0), ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0), ("soon", 0.25)],
)
def test_retry_after_is_honoured_and_capped(proxy: Proxy, there: Reference, asked: str, waited: float) -> None:
    client, slept = impatient()
    proxy.faults = [Fault(MANIFEST, status=429, headers={"Retry-After": asked}, times=1)]
    assert isinstance(state(client, through(proxy, there)), Present)
    assert slept == [waited]


def test_a_limit_that_lasts_ends_within_the_budget(proxy: Proxy, there: Reference) -> None:
    client, slept = impatient(budget=100)
    proxy.faults = [Fault(MANIFEST, status=429, headers={"Retry-After": "30"}, body=said("TOOMANYREQUESTS"))]
    told = state(client, through(proxy, there))
    assert isinstance(told, Unknown)
    assert "TOOMANYREQUESTS" in told.why
    assert slept == [30.0, 30.0, 30.0]


def test_a_registry_that_answers_nobody_is_not_asked_a_thousand_times(proxy: Proxy, there: Reference) -> None:
    client, _ = impatient(attempts=2, read=0.3)
    client.endpoints.origin(proxy.host)
    proxy.faults = [Fault(MANIFEST, "hang")]
    told = states(client, [through(proxy, there).with_tag(f"n{n}") for n in range(1000)], workers=8)
    assert {type(one) for one in told.values()} == {Unknown}
    assert len(proxy.requests(MANIFEST)) <= 8 * 2 * 2


def test_a_limit_holds_back_everybody(proxy: Proxy, there: Reference) -> None:
    client, slept = impatient()
    proxy.faults = [Fault(MANIFEST, status=429, headers={"Retry-After": "20"}, times=1)]
    told = states(client, [through(proxy, there).with_tag(f"n{n}") for n in range(12)])
    assert set(told.values()) == {IsAbsent()}
    assert max(slept) <= 20.0


def test_an_answer_that_never_ends_is_left(proxy: Proxy, there: Reference) -> None:
    """A byte now and then: each read is in time, the whole is not."""
    client = Client(credentials=lambda _: None, policy=Policy(budget=2))
    proxy.faults = [Fault(MANIFEST, "drip")]
    told = state(client, through(proxy, there))
    assert isinstance(told, Unknown)
    assert "did not end in time" in told.why


def test_an_answer_that_is_too_large_is_left(proxy: Proxy, there: Reference) -> None:
    client, _ = impatient()
    proxy.faults = [Fault(MANIFEST, status=200, body=b" " * (4 * 1024 * 1024 + 1), headers={"Content-Type": OCI_INDEX})]
    told = state(client, through(proxy, there))
    assert isinstance(told, Unknown)
    assert "larger than 4194304 bytes" in told.why


def test_other_bytes_under_a_digest_are_not_believed(proxy: Proxy, there: Reference, registry: Served) -> None:
    """A manifest that is whole, signed off by its own digest, and not the one that was asked for."""
    client, _ = impatient()
    digest = registry.client().head(there)[0]
    other = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    proxy.faults = [Fault(MANIFEST, "swap", body=other, headers={"Docker-Content-Digest": digest_of(other)})]
    asked = through(proxy, there).with_digest(digest)
    for ask in (client.get, client.head):
        with pytest.raises(Transient, match="another digest"):
            ask(asked)
    told = state(client, asked)
    assert isinstance(told, Unknown)
    assert "another digest" in told.why


def test_head_without_a_digest_falls_back_to_get(proxy: Proxy, there: Reference, registry: Served) -> None:
    client, _ = impatient()
    proxy.faults = [Fault("HEAD .*/manifests/", status=200, headers={"Content-Type": OCI_INDEX})]
    assert client.head(through(proxy, there)) == registry.client().head(there)
    assert [line.split()[0] for line in proxy.requests("/manifests/")] == ["HEAD", "GET"]


def test_a_child_that_cannot_be_seen_is_not_absent(proxy: Proxy, there: Reference) -> None:
    client, _ = impatient()
    proxy.faults = [Fault("(GET|HEAD) .*/manifests/sha256", status=403, body=said("DENIED"), headers=JSON)]
    told = state(client, through(proxy, there))
    assert isinstance(told, Unknown)
    assert isinstance(told.error, Denied)


def test_a_write_that_is_acknowledged_with_another_digest_is_an_error(proxy: Proxy, there: Reference) -> None:
    client, _ = impatient()
    raw = client.get(through(proxy, there))
    lie = {"Docker-Content-Digest": digest_of(b"something else")}
    proxy.faults = [Fault("PUT .*/manifests/", status=201, headers=lie)]
    with pytest.raises(Transient, match="says that it keeps"):
        client.put(through(proxy, there), raw.body, raw.media_type)


def test_a_write_whose_answer_was_lost_is_repeated(proxy: Proxy, there: Reference) -> None:
    client, _ = impatient()
    raw = client.get(through(proxy, there))
    proxy.faults = [Fault("PUT .*/manifests/", "lost", times=1)]
    assert client.put(through(proxy, there).with_tag("again"), raw.body, raw.media_type) == raw.digest
    assert client.head(through(proxy, there).with_tag("again"))[0] == raw.digest


def test_an_immutable_tag_is_refused_in_ecrs_words(proxy: Proxy, there: Reference) -> None:
    client, _ = impatient()
    raw = client.get(through(proxy, there))
    words = "The image tag 't' already exists in the 'x' repository and cannot be overwritten because it is immutable."
    proxy.faults = [Fault("PUT .*/manifests/", status=400, body=said("TAG_INVALID", words), headers=JSON)]
    with pytest.raises(PolicyRefused, match="cannot be overwritten"):
        client.put(through(proxy, there), raw.body, raw.media_type)


def test_nobody_listens(proxy: Proxy, there: Reference) -> None:
    with running(Proxy(None)) as gone:
        reference = through(gone, there)
    client, slept = impatient()
    told = state(client, reference)
    assert unknown(told) == (Transient, f"{reference.registry}: the connection was refused (3 attempts)")
    assert len(slept) >= 2


def test_hostile_words_are_shown_on_one_line(proxy: Proxy, there: Reference) -> None:
    client, _ = impatient()
    evil = "\x1b[31mred\n::error::injected\r" + "x" * 5000
    proxy.faults = [Fault(MANIFEST, status=403, body=said("DENIED", evil), headers=JSON)]
    told = state(client, through(proxy, there))
    assert isinstance(told, Unknown)
    assert told.why.isprintable()
    assert len(told.why) < 400


def test_a_download_waits_as_long_as_it_is_told(proxy: Proxy, registry: Served) -> None:
    content = b"worth the wait"
    repository = registry.reference("faults/waits")
    blob = Descriptor("x", upload.push_bytes(registry.client(), repository, content), len(content))
    client, slept = impatient()
    proxy.faults = [Fault("GET .*/blobs/", status=429, headers={"Retry-After": "9"}, times=2)]
    sink = io.BytesIO()
    blobs.fetch(client, through(proxy, repository), blob, sink)
    assert (sink.getvalue(), slept) == (content, [9.0, 9.0])


def test_a_download_elsewhere_that_asks_for_a_password_gets_none(proxy: Proxy, locked_registry: Served) -> None:
    """Its challenge would have us hand the registry's password to a token server of its choice."""
    client = locked_registry.client()
    repository = locked_registry.reference("faults/elsewhere", "t")
    put_index(client, repository, {put_image(client, repository): platform("amd64")})
    blob = Descriptor("x", digest_of(b"x"), 1)
    with running(Proxy(locked_registry.host)) as front, running(Proxy(None)) as thief:
        asked = f'Bearer realm="http://{thief.host}/token",service="s"'
        thief.faults = [Fault(".*", status=401, headers={"WWW-Authenticate": asked})]
        front.faults = [Fault("/blobs/", status=307, headers={"Location": f"http://{thief.host}/blob"})]
        served = Served(front.host, locked_registry.storage, credential=locked_registry.credential)
        asking = served.client()
        assert asking.tags(served.reference("faults/elsewhere")) == ("t",)
        with pytest.raises(Denied):
            blobs.fetch(asking, served.reference("faults/elsewhere"), blob, io.BytesIO())
        with pytest.raises(Denied):
            blobs.read(asking, served.reference("faults/elsewhere"), blob.digest)
        assert thief.requests("token") == []
        assert not [headers for _, headers in thief.log if "authorization" in headers]


def test_an_index_of_indexes_without_end_is_left(registry: Served) -> None:
    client = registry.client()
    reference = registry.reference("faults/deep", "t")
    below = put_index(client, reference, {put_image(client, reference): platform("amd64")})
    for _ in range(6):
        below = put_index(client, reference, {below: {}})
    told = state(client, reference)
    assert unknown(told) == (Transient, f"{reference} is incomplete: indexes are nested more than 4 deep")
