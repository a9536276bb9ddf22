"""The client against a real registry, its answers compared with those of crane and skopeo."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from imageyard.errors import ConfigurationError, NotFound, PolicyRefused, Transient
from imageyard.names import Absent as IsAbsent
from imageyard.names import Present, Reference
from imageyard.oci.manifests import OCI_INDEX, OCI_MANIFEST, Index, digest_of
from imageyard.registry.states import inspect, state, states
from support.registry.faults import Answer, Fault, Proxy, running
from support.registry.served import Served, platform, put_image, put_index, tool, unknown


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
        with pytest.raises((NotFound, ConfigurationError)):
            ask(registry.reference("absent/never", "t"))
    with pytest.raises(NotFound, match="MANIFEST_UNKNOWN"):
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
    assert unknown(told) == (Transient, f"{reference} is incomplete: child {arm} (linux/arm64) is missing")
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
    with pytest.raises(NotFound):
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


def test_an_index_is_parsed(registry: Served) -> None:
    client = registry.client()
    reference = registry.reference("parsed/image", "t")
    put_index(client, reference, {put_image(client, reference): platform("amd64")})
    parsed = client.get(reference).parsed()
    assert isinstance(parsed, Index)
    assert [entry.platform for entry in parsed.manifests] == ["linux/amd64"]
