"""Blobs up and down at a real registry, and going on where a connection broke."""

from __future__ import annotations

import io
import random

import pytest
from imageyard.errors import NotFound, Transient
from imageyard.oci.manifests import Descriptor, digest_of
from imageyard.registry import blobs, upload
from support.registry.faults import Fault, Proxy, running
from support.registry.served import Served, platform, put_image, put_index


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
        with pytest.raises(NotFound):
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
