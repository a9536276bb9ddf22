"""The client against a real registry, its answers compared with those of crane, skopeo and oras."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from imageyard.errors import Absent, ConfigurationError, Denied, PolicyRefused, Transient
from imageyard.names import Absent as IsAbsent
from imageyard.names import Present, Reference, Unknown
from imageyard.registry import blobs, connections, upload
from imageyard.registry.backoff import Policy
from imageyard.registry.client import Client
from imageyard.registry.credentials import Credential, DockerConfig
from imageyard.registry.manifests import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Descriptor, Index, digest_of
from imageyard.registry.parallel import each
from imageyard.registry.referrers import attach, detach, fallback_tag, referrers
from imageyard.registry.states import inspect, state, states
from registry_bearer import Bearer
from registry_faults import Answer, Fault, Proxy, running
from registry_served import PASSWORD, USER, Served, platform, put_image, put_index

pytest_plugins = ("fixtures_registry",)


def tool(*argv: object, env: dict[str, str] | None = None, say: str = "") -> str:
    """What another client says of the same thing."""
    if shutil.which(str(argv[0])) is None:
        pytest.skip(f"{argv[0]} is not installed")
    variables = {**os.environ, **(env or {})}
    done = subprocess.run(
        [str(arg) for arg in argv], capture_output=True, check=True, input=say.encode(), env=variables
    )
    return done.stdout.decode().strip()


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
def test_reads_and_writes_what_other_clients_do(registry: Served, docker: bool) -> None:
    client = registry.client()
    reference = registry.reference(f"agree/{'docker' if docker else 'oci'}", "both")
    arches = {
        put_image(client, reference, docker=docker, architecture=arch): platform(arch) for arch in ("amd64", "arm64")
    }
    digest = put_index(client, reference, arches, docker=docker)

    assert client.head(reference) == (digest, client.get(reference).media_type)
    assert tool("crane", "digest", reference) == digest
    assert tool("crane", "manifest", reference).encode() == client.get(reference).body
    assert tool("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}").encode() == (
        client.get(reference).body
    )
    assert tool("crane", "ls", reference.name).split() == list(client.tags(reference)) == ["both"]
    assert state(client, reference) == Present(digest, ("linux/amd64", "linux/arm64"), attested=False)
    child = reference.with_digest(next(iter(arches)))
    assert state(client, child) == Present(next(iter(arches)), ("linux/amd64",), attested=False)


def test_an_image_that_crane_made_is_present(registry: Served, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    tool("tar", "-C", tmp_path, "-cf", tmp_path / "l.tar", "f")
    reference = registry.reference("made/by-crane", "t")
    tool("crane", "append", "-f", tmp_path / "l.tar", "-t", reference)
    tool("crane", "mutate", reference, "--set-platform", "linux/arm64/v8", "-t", reference)
    client = registry.client()
    assert state(client, reference) == Present(client.head(reference)[0], ("linux/arm64",), attested=False)
    assert state(client, reference).digest == tool("crane", "digest", reference)  # type: ignore[union-attr]


def test_absent_is_what_the_registry_says_is_absent(registry: Served) -> None:
    client = registry.client()
    here = registry.reference("absent/here", "t")
    put_index(client, here, {put_image(client, here): platform("amd64")})
    assert state(client, here.with_tag("other")) == IsAbsent()
    assert state(client, registry.reference("absent/never", "t")) == IsAbsent()
    for ask in (client.get, client.head, client.delete, client.tags):
        with pytest.raises((Absent, ConfigurationError)):
            ask(registry.reference("absent/never", "t"))
    with pytest.raises(Absent, match="MANIFEST_UNKNOWN"):
        client.get(here.with_tag("other"))


def test_attestations_count_by_annotation(registry: Served) -> None:
    client = registry.client()
    reference = registry.reference("attested/image", "t")
    image = put_image(client, reference)
    statement = put_image(client, reference, note="attestation", os="unknown", architecture="unknown")
    marks = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image}
    unknown = {"platform": {"os": "unknown", "architecture": "unknown"}, "annotations": marks}
    digest = put_index(client, reference, {image: platform("amd64"), statement: unknown})
    assert state(client, reference) == Present(digest, ("linux/amd64",), attested=True)
    assert inspect(client, reference, thorough=True).faults(["linux/amd64"]) == []
    assert inspect(client, reference).faults(["linux/arm64"]) == [
        "platform linux/arm64 is missing",
        "platform linux/amd64 is foreign",
    ]


def test_nested_indexes_are_followed(registry: Served) -> None:
    client = registry.client()
    reference = registry.reference("nested/image", "inner")
    inner = put_index(client, reference, {put_image(client, reference): platform("amd64")})
    arm = put_image(client, reference, architecture="arm64")
    outer = put_index(client, reference.with_tag("outer"), {inner: {}, arm: {}})
    assert state(client, reference.with_tag("outer")) == Present(outer, ("linux/amd64", "linux/arm64"), attested=False)


def test_an_index_whose_child_went_away_is_not_present(registry: Served) -> None:
    client = registry.client()
    reference = registry.reference("half/image", "t")
    amd, arm = put_image(client, reference), put_image(client, reference, architecture="arm64")
    put_index(client, reference, {amd: platform("amd64"), arm: platform("arm64")})
    client.delete(reference.with_digest(arm))
    told = state(client, reference)
    assert told == Unknown(f"{reference} is incomplete: child {arm} (linux/arm64) is missing")
    assert inspect(client, reference).faults(["linux/amd64", "linux/arm64"]) == [
        f"child {arm} (linux/arm64) is missing"
    ]


def test_deletes_by_digest_only_and_all_tags_go(registry: Served) -> None:
    client = registry.client()
    reference = registry.reference("delete/image", "one")
    image = put_image(client, reference)
    raw = client.get(reference.with_digest(image))
    for tag in ("one", "two"):
        client.put(reference.with_tag(tag), raw.body, raw.media_type)
    assert set(client.tags(reference)) == {"one", "two"}
    with pytest.raises(ConfigurationError, match="no digest"):
        client.delete(reference)
    client.delete(reference.with_digest(image))
    assert state(client, reference) == IsAbsent()
    assert client.tags(reference) == ()
    with pytest.raises(Absent):
        client.delete(reference.with_digest(image))


def test_a_manifest_whose_children_are_not_there_is_refused_in_the_registrys_words(registry: Served) -> None:
    client = registry.client()
    reference = registry.reference("refused/image", "t")
    entry = {"mediaType": OCI_MANIFEST, "digest": f"sha256:{'0' * 64}", "size": 3}
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
    with pytest.raises(PolicyRefused, match="MANIFEST_BLOB_UNKNOWN"):
        client.put(reference, body, OCI_INDEX)
    with pytest.raises(ConfigurationError, match="these bytes are"):
        client.put(reference.with_digest(digest_of(b"other")), body, OCI_INDEX)


def test_many_states_at_once(registry: Served) -> None:
    client = registry.client()
    reference = registry.reference("many/image", "t")
    raw = client.get(reference.with_digest(put_image(client, reference)))
    there = [reference.with_tag(f"there-{n}") for n in range(40)]
    for one in there:
        client.put(one, raw.body, raw.media_type)
    gone = [reference.with_tag(f"gone-{n}") for n in range(40)]
    told = states(client, [*there, *gone])
    assert list(told) == [*there, *gone]
    assert {type(told[one]) for one in there} == {Present}
    assert {type(told[one]) for one in gone} == {IsAbsent}
    assert states(client, []) == {}
    with running(Proxy(registry.host)) as proxy:
        quick = states(client, [Reference(proxy.host, "many/image", "there-1")], platforms=False)
        assert list(quick.values()) == [Present(raw.digest)]
        assert proxy.requests("blobs") == []


def test_tags_come_page_by_page(registry: Served) -> None:
    client = registry.client()
    reference = registry.reference("paged/image", "t")
    raw = client.get(reference.with_digest(put_image(client, reference)))
    for n in range(25):
        client.put(reference.with_tag(f"t{n:02}"), raw.body, raw.media_type)
    with running(Proxy(registry.host)) as proxy:
        small = _SmallPages(registry.host)
        with running(small):
            paged = registry.client().tags(Served(small.host, registry.storage).reference("paged/image"))
        assert len(small.requests("tags/list")) == 3
        whole = registry.client().tags(Served(proxy.host, registry.storage).reference("paged/image"))
    assert set(paged) == set(whole) == set(tool("crane", "ls", reference.name).split())
    assert len(paged) == len(whole) == 25


class _SmallPages(Proxy):
    """Ten tags a page, which distribution 2.8 does not do; the next page is named by path and by URL in turn."""

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        answer = super().forward(handler, body)
        split = urlsplit(handler.path)
        if not split.path.endswith("/tags/list"):
            return answer
        content = json.loads(answer.body)
        last = parse_qs(split.query).get("last", [""])[0]
        left = [tag for tag in sorted(content["tags"]) if tag > last]
        page = json.dumps(content | {"tags": left[:10]}).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(page))}
        if len(left) > 10:
            base = "" if len(left) > 20 else f"http://{self.host}"
            headers["Link"] = f'<{base}{split.path}?last={left[9]}&n=10>; rel="next"'
        return Answer(200, headers, page)


def test_a_page_elsewhere_is_not_fetched(registry: Served) -> None:
    body = b'{"name": "x", "tags": ["a"]}'
    for link, said in (("http://127.0.0.2:1/v2/x/tags/list", "another host"), ("/v2/x/tags/list?n=1000", "circles")):
        with running(Proxy(registry.host)) as proxy:
            kind = {"Link": f'<{link}>; rel="next"', "Content-Type": "application/json"}
            proxy.faults = [Fault("tags/list", status=200, body=body, headers=kind)]
            with pytest.raises(Transient, match=said):
                registry.client().tags(Served(proxy.host, registry.storage).reference("x"))
            assert len(proxy.requests("tags/list")) <= 2


# --- credentials ---------------------------------------------------------------------------------------------------


def docker_config(folder: Path, content: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def test_basic_with_the_docker_configuration(locked_registry: Served, tmp_path: Path) -> None:
    host = locked_registry.host
    reference = locked_registry.reference("basic/image", "t")
    client = locked_registry.client()
    put_index(client, reference, {put_image(client, reference): platform("amd64")})
    tool(
        "crane",
        "auth",
        "login",
        host,
        "-u",
        USER,
        "--password-stdin",
        env={"DOCKER_CONFIG": str(tmp_path)},
        say=PASSWORD,
    )
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
    assert told.denied
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
    assert not told.denied
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


# --- bearer tokens -------------------------------------------------------------------------------------------------


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
        assert told == Unknown(
            f"{gate.host} refused us a token (HTTP 401): UNAUTHORIZED: wrong name or password", denied=True
        )
        with pytest.raises(Denied, match="refused us a token"):
            client.tags(served.reference("bearer/image"))


# --- blobs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 1000, 70_000, 300_001])
def test_blobs_come_back_as_they_went(registry: Served, size: int) -> None:
    client = registry.client()
    content = random.Random(size).randbytes(size)
    repository = registry.reference(f"blobs/size-{size}")
    digest = digest_of(content)
    assert not blobs.has(client, repository, digest)
    upload.push(client, repository, io.BytesIO(content), digest, size, chunk=65536)
    assert blobs.has(client, repository, digest)
    sink = io.BytesIO()
    blobs.fetch(client, repository, Descriptor("x", digest, size), sink)
    assert sink.getvalue() == content == blobs.read(client, repository, digest)


def test_a_blob_is_mounted_where_it_can_be(registry: Served) -> None:
    content = b"once is enough"
    digest = digest_of(content)
    with running(Proxy(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        client = served.client()
        upload.push_bytes(client, served.reference("mount/from"), content)
        before = len(proxy.log)
        upload.push(
            client, served.reference("mount/to"), io.BytesIO(b""), digest, len(content), mount_from="mount/from"
        )
        assert not [line for line, _ in proxy.log[before:] if line.startswith(("PUT", "PATCH"))]
        assert blobs.has(client, served.reference("mount/to"), digest)
        source = io.BytesIO(content)
        upload.push(client, served.reference("mount/else"), source, digest, len(content), mount_from="mount/never")
        assert blobs.has(client, served.reference("mount/else"), digest)


def test_a_download_goes_on_with_what_is_there(registry: Served) -> None:
    content = random.Random(8).randbytes(100_000)
    with running(Proxy(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        client = served.client()
        repository = served.reference("resume/earlier")
        blob = Descriptor("x", upload.push_bytes(client, repository, content), len(content))
        for there in (content[:60_000], content, content + b"more"):
            sink = io.BytesIO(there)
            blobs.fetch(client, repository, blob, sink)
            assert sink.getvalue() == content
        assert [headers.get("range") for line, headers in proxy.log if re_blob(line)] == ["bytes=60000-"]
        with pytest.raises(Transient, match="another digest"):
            blobs.fetch(client, repository, blob, io.BytesIO(b"x" * 60_000))
        with pytest.raises(Absent):
            blobs.fetch(client, repository, Descriptor("x", digest_of(b"never"), 5), io.BytesIO())


@pytest.mark.parametrize("kind", ["truncate", "reset"])
def test_a_broken_download_goes_on_where_it_broke(registry: Served, kind: str) -> None:
    content = random.Random(7).randbytes(500_000)
    with running(Proxy(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        client = served.client()
        repository = served.reference("resume/down")
        digest = upload.push_bytes(client, repository, content)
        proxy.faults = [Fault("GET .*/blobs/", kind, times=2)]  # type: ignore[arg-type]
        sink = io.BytesIO()
        blobs.fetch(client, repository, Descriptor("x", digest, len(content)), sink)
        assert sink.getvalue() == content
        asked = [headers.get("range") for line, headers in proxy.log if re_blob(line)]
        assert asked == ([None, "bytes=250000-", "bytes=375000-"] if kind == "truncate" else [None, None, None])


def re_blob(line: str) -> bool:
    return line.startswith("GET") and "/blobs/sha256" in line


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PATCH", "reset", times=1),
        Fault("PATCH", "status", status=416, times=1),
        Fault("PATCH", "lost", times=1),
        Fault("PATCH", "status", status=503, times=2),
        Fault("PUT .*/blobs/", "status", status=502, times=1),
        Fault("PUT .*/blobs/", "lost", times=1),
    ],
    ids=["reset before", "416", "answer lost", "503 twice", "502 at the end", "end lost"],
)
def test_a_broken_upload_goes_on_where_it_broke(registry: Served, fault: Fault, request: pytest.FixtureRequest) -> None:
    content = random.Random(request.node.name).randbytes(300_000)
    with running(Proxy(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        client = served.client()
        repository = served.reference("resume/up")
        proxy.faults = [fault]
        upload.push(client, repository, io.BytesIO(content), digest_of(content), len(content), chunk=100_000)
        assert fault.times == 0
        assert blobs.read(client, repository, digest_of(content)) == content


def test_a_download_of_other_bytes_is_refused(registry: Served) -> None:
    content = b"the bytes that were asked for"
    with running(Proxy(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        client = served.client()
        repository = served.reference("resume/wrong")
        digest = upload.push_bytes(client, repository, content)
        proxy.faults = [Fault("GET .*/blobs/", "corrupt")]
        with pytest.raises(Transient, match="another digest"):
            blobs.fetch(client, repository, Descriptor("x", digest, len(content)), io.BytesIO())
        with pytest.raises(Transient, match="another digest"):
            blobs.read(client, repository, digest)


def test_a_blob_goes_to_another_host_without_our_credentials(locked_registry: Served) -> None:
    """Object stores take a signed link, and refuse a request that carries an Authorization besides."""
    content = b"kept at an object store"
    reference = locked_registry.reference("redirect/image", "t")
    digest = upload.push_bytes(locked_registry.client(), reference, content)
    put_index(locked_registry.client(), reference, {put_image(locked_registry.client(), reference): platform("amd64")})
    with running(Proxy(None)) as store, running(Proxy(locked_registry.host)) as proxy:
        store.faults = [Fault("GET /signed", status=200, body=content)]
        link = {"Location": f"http://{store.host}/signed?signature=s3cret"}
        proxy.faults = [Fault("GET .*/blobs/", status=307, headers=link)]
        served = Served(proxy.host, locked_registry.storage, credential=locked_registry.credential)
        client = served.client()
        client.tags(served.reference("redirect/image"))
        assert blobs.read(client, served.reference("redirect/image"), digest) == content
        assert "authorization" in proxy.log[-1][1]
        assert "authorization" not in store.log[-1][1]
        store.faults = [Fault("GET /signed", "reset")]
        with pytest.raises(Transient) as raised:
            blobs.read(client, served.reference("redirect/image"), digest)
        assert "s3cret" not in str(raised.value)


# --- referrers -----------------------------------------------------------------------------------------------------


def artifact(client: Client, repository: object, subject: Descriptor, kind: str, note: str) -> bytes:
    empty = {"mediaType": OCI_EMPTY, "digest": upload.push_bytes(client, repository, b"{}"), "size": 2}  # type: ignore[arg-type]
    content = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": empty,
        "layers": [empty],
        "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size},
        "annotations": {"note": note},
    }
    return json.dumps(content).encode()


def test_referrers_where_there_is_no_api(registry: Served) -> None:
    client = registry.client()
    reference = registry.reference("referred/image", "t")
    image = put_index(client, reference, {put_image(client, reference): platform("amd64")})
    subject = reference.with_digest(image)
    assert referrers(client, subject) == ()
    described = Descriptor(OCI_INDEX, image, len(client.get(subject).body))
    kinds = ["application/vnd.example.record", "application/vnd.example.record", "application/vnd.example.other"]
    made = [
        attach(client, reference, artifact(client, reference, described, kind, str(n))) for n, kind in enumerate(kinds)
    ]
    attach(client, reference, artifact(client, reference, described, kinds[0], "0"))  # again: no second entry

    assert [entry.digest for entry in referrers(client, subject)] == [made[1], made[2], made[0]]
    assert [entry.digest for entry in referrers(client, subject, kinds[2])] == [made[2]]
    seen = json.loads(tool("oras", "discover", "--plain-http", "--format", "json", subject))
    assert {one["digest"] for one in seen.get("referrers") or seen["manifests"]} == set(made)
    assert fallback_tag(image) in client.tags(reference)

    detach(client, reference, image, made[1])
    assert {entry.digest for entry in referrers(client, subject)} == {made[0], made[2]}


def test_many_attach_at_once_and_none_is_lost(registry: Served) -> None:
    reference = registry.reference("referred/race", "t")
    client = registry.client()
    image = put_index(client, reference, {put_image(client, reference): platform("amd64")})
    described = Descriptor(OCI_INDEX, image, len(client.get(reference).body))
    bodies = [artifact(client, reference, described, "application/vnd.example.record", str(n)) for n in range(10)]
    made = each(bodies, lambda body: attach(registry.client(), reference, body), 10)
    assert {entry.digest for entry in referrers(client, reference.with_digest(image))} == set(made)
    assert len(set(made)) == 10


def test_a_writer_elsewhere_who_was_faster_is_noticed(registry: Served) -> None:
    """Another machine writes the fallback index it had read, just after we wrote ours: ours is written again."""
    reference = registry.reference("referred/elsewhere", "t")
    direct = registry.client()
    image = put_index(direct, reference, {put_image(direct, reference): platform("amd64")})
    described = Descriptor(OCI_INDEX, image, len(direct.get(reference).body))
    theirs = attach(direct, reference, artifact(direct, reference, described, "application/x", "theirs"))
    stale = direct.get(reference.with_tag(fallback_tag(image)))

    class Overwritten(Proxy):
        overwritten = False

        def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
            answer = super().forward(handler, body)
            if handler.command == "PUT" and fallback_tag(image) in handler.path and not self.overwritten:
                self.overwritten = True
                direct.put(reference.with_tag(fallback_tag(image)), stale.body, stale.media_type)
            return answer

    with running(Overwritten(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        here = served.reference("referred/elsewhere")
        ours = attach(served.client(), here, artifact(direct, reference, described, "application/x", "ours"))
    assert {entry.digest for entry in referrers(direct, reference.with_digest(image))} == {theirs, ours}


def test_what_oras_attached_is_found(registry: Served, tmp_path: Path) -> None:
    client = registry.client()
    reference = registry.reference("referred/by-oras", "t")
    image = put_index(client, reference, {put_image(client, reference): platform("amd64")})
    (tmp_path / "note.txt").write_text("hello")
    tool(
        "oras", "attach", "--plain-http", "--disable-path-validation",
        "--artifact-type", "application/vnd.example.note",
        reference.with_digest(image), f"{tmp_path}/note.txt:text/plain",
    )  # fmt: skip
    found = referrers(client, reference.with_digest(image))
    assert [entry.artifact_type for entry in found] == ["application/vnd.example.note"]


def test_an_unbelievable_answer_is_not_an_empty_list(registry: Served) -> None:
    with running(Proxy(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        client = served.client()
        subject = served.reference("referred/image").with_digest(digest_of(b"anything"))
        assert referrers(client, subject) == ()
        for fault in (Fault("manifests/sha256-", status=401), Fault("manifests/sha256-", status=404, body=b"<html>")):
            proxy.faults = [fault]
            with pytest.raises((Denied, Transient)):
                referrers(client, subject)
        proxy.faults = [Fault("/referrers/", status=403)]
        with pytest.raises(Denied):
            referrers(client, subject)


def test_the_referrers_api_is_used_where_there_is_one(registry: Served) -> None:
    """distribution 2.8 has none: the two pages that one with the API sends, on its own paths."""
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": digest_of(bytes([n])), "size": n, "artifactType": f"application/{n}"}
        for n in range(2)
    ]
    pages = [
        json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode() for entry in entries
    ]
    with running(Proxy(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        subject = served.reference("api/image").with_digest(digest_of(b"anything"))
        kind = {"Content-Type": OCI_INDEX}
        link = {**kind, "Link": '<?page=2>; rel="next"'}
        proxy.faults = [
            Fault(r"/referrers/[^?]*$", status=200, body=pages[0], headers=link),
            Fault("page=2", status=200, body=pages[1], headers=kind),
        ]
        found = referrers(served.client(policy=Policy()), subject)
        assert [entry.digest for entry in found] == [entry["digest"] for entry in entries]
        assert [entry.size for entry in referrers(served.client(), subject, "application/1")] == [1]
        assert not proxy.requests("sha256-")


def test_an_index_is_parsed(registry: Served) -> None:
    client = registry.client()
    reference = registry.reference("parsed/image", "t")
    put_index(client, reference, {put_image(client, reference): platform("amd64")})
    parsed = client.get(reference).parsed()
    assert isinstance(parsed, Index)
    assert [entry.platform for entry in parsed.manifests] == ["linux/amd64"]
