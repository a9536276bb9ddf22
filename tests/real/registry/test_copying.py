"""Blobs and images from one real registry to another, past the habits of registries that are not here."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from imageyard.errors import Denied, NotFound, PolicyRefused, Transient
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import Descriptor, digest_of
from imageyard.registry import blobs, upload
from imageyard.registry.client import Client
from imageyard.registry.copying import copy, copy_referrers
from imageyard.registry.referrers import referrers
from imageyard.registry.remote import RangesRefused, RemoteBlob
from support.registry.faults import Answer, Fault, Proxy, running
from support.registry.served import Served, put_image, put_index, serve, tool
from support.yard.promoted import put_row

MIB = 1 << 20


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(tmp_path_factory.mktemp("far"))


class SmallPieces(Proxy):
    """Takes no piece above 4 MiB, and answers as GHCR does to larger ones; a whole blob at once it takes."""

    def own(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        if handler.command == "PATCH" and len(body) > 4 * MIB:
            return Answer(416, {"Content-Length": "0"}, b"")
        return None


class StuckRange(Proxy):
    """Says of every upload that it has the first piece, as ECR does; `lose`: how many pieces are not stored."""

    lose = 0
    first = ""

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        if handler.command == "PATCH" and self.first and self.lose:
            self.lose -= 1
            return Answer(502, {"Content-Length": "0"}, b"")
        answer = super().forward(handler, body)
        if handler.command == "POST":
            self.first = ""
        if handler.command == "PATCH":
            self.first = self.first or next(value for name, value in answer.headers if name.lower() == "range")
        if handler.command == "PATCH" or (handler.command == "GET" and "/uploads/" in handler.path):
            answer.headers = [(n, self.first if n.lower() == "range" else v) for n, v in answer.headers]
        return answer


@pytest.mark.parametrize("size", [10 * MIB, 8 * MIB, 6 * MIB + 1])
def test_a_registry_that_takes_small_pieces_gets_small_ones(registry: Served, size: int) -> None:
    content = random.Random(size).randbytes(size)
    with running(SmallPieces(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        client = served.client()
        for number in range(2):
            place = served.reference(f"pieces/small-{size}-{number}")
            blob = content + bytes([number])
            upload.push(client, place, io.BytesIO(blob), digest_of(blob), len(blob), chunk=5 * MIB)
            assert blobs.read(client, place, digest_of(blob), limit=16 * MIB) == blob
        large = [h for line, h in proxy.log if line.startswith("PATCH") and int(h["content-length"]) > 4 * MIB]
        assert len(large) == 1, "it is told once"


@pytest.mark.parametrize("lose", [0, 1])
def test_a_range_that_stands_still_is_not_believed(registry: Served, lose: int) -> None:
    content = random.Random(lose).randbytes(1_000_000)
    with running(StuckRange(registry.host)) as proxy:
        proxy.lose = lose
        served = Served(proxy.host, registry.storage)
        place = served.reference(f"pieces/stuck-{lose}")
        upload.push(served.client(), place, io.BytesIO(content), digest_of(content), len(content), chunk=100_000)
        assert blobs.read(served.client(), place, digest_of(content)) == content


@pytest.mark.parametrize("piece", [1, 7, 1000, 4096])
def test_a_remote_blob_reads_like_a_file(registry: Served, piece: int) -> None:
    content = random.Random(piece).randbytes(1000)
    client = registry.client()
    place = registry.reference("remote/file")
    blob = Descriptor("x", upload.push_bytes(client, place, content), len(content))
    local, remote = io.BytesIO(content), RemoteBlob(client, place, blob, piece)
    chances = random.Random(piece)
    for _ in range(10):
        at, size = chances.randrange(1100), chances.choice([0, 1, 10, 333])
        assert local.seek(at) == remote.seek(at)
        assert local.read(size) == remote.read(size)
        assert at >= 1000 or local.tell() == remote.tell()
    assert remote.seek(-10, io.SEEK_END) == 990
    assert remote.read() == content[990:]
    with pytest.raises(NotFound):
        RemoteBlob(client, place, Descriptor("x", digest_of(b"never"), 5), piece).read()
    with pytest.raises(Transient, match="another range"):
        RemoteBlob(client, place, Descriptor("x", blob.digest, 1001), 2000).read()


def test_a_large_blob_is_asked_for_in_pieces_and_a_broken_one_again(registry: Served, far: Served) -> None:
    content = random.Random(3).randbytes(500_000)
    with running(Proxy(registry.host)) as proxy:
        near = Served(proxy.host, registry.storage)
        client = near.client()
        blob = Descriptor("x", upload.push_bytes(client, near.reference("remote/pieces"), content), len(content))
        proxy.faults = [Fault("GET .*/blobs/", "truncate", times=1)]
        remote = RemoteBlob(client, near.reference("remote/pieces"), blob, 100_000)
        place = far.reference("remote/pieces")
        upload.push(client, place, remote, blob.digest, blob.size, chunk=100_000)  # type: ignore[arg-type]
        asked = [headers.get("range") for line, headers in proxy.log if re.search("GET .*/blobs/sha256", line)]
        assert asked[1:] == [f"bytes={at}-{at + 99_999}" for at in range(0, 500_000, 100_000)]
        assert blobs.read(client, place, blob.digest) == content


def large_image(client: Client, place: Reference, size: int) -> Digest:
    return put_row(client, place, "amd64", "0" * 64, layer=random.Random(size).randbytes(size))


def test_where_ranges_are_ignored_the_blob_goes_over_the_disk(registry: Served, far: Served) -> None:
    with running(Proxy(registry.host)) as proxy:
        near = Served(proxy.host, registry.storage)
        client = near.client()
        source = near.reference("remote/whole")
        digest = large_image(client, source, 17 * MIB)
        layer = next(one for one in client.get(source.with_digest(digest)).parsed().layers)  # type: ignore[union-attr]
        whole = blobs.read(client, source, layer.digest, limit=32 * MIB)
        proxy.faults = [Fault(f"GET .*/blobs/{layer.digest}", status=200, body=whole)]
        with pytest.raises(RangesRefused):
            RemoteBlob(client, source, layer).read(5)
        copy(client, source.with_digest(digest), far.reference("remote/whole"))
        tool("crane", "manifest", far.reference("remote/whole").with_digest(digest))


def test_in_one_registry_nothing_travels(registry: Served) -> None:
    with running(Proxy(registry.host)) as proxy:
        served = Served(proxy.host, registry.storage)
        client = served.client()
        source = served.reference("same/from")
        digest = put_index(client, source.with_tag("t"), {large_image(client, source, MIB): {}})
        proxy.log.clear()
        copy(client, source.with_digest(digest), served.reference("same/to"))
        assert len(proxy.requests(r"POST .*\?mount=.*&from=same/from")) == 2
        assert proxy.requests("^PATCH|^PUT .*/blobs/|^GET .*/blobs/") == []
        assert client.get(served.reference("same/to").with_digest(digest)).body


def test_credentials_are_each_registrys_own(locked_registry: Served, far: Served) -> None:
    given = {locked_registry.host: locked_registry.credential}
    client = far.client(credentials=given.get)
    source = locked_registry.reference("private/image")
    digest = large_image(client, source, MIB)
    with running(Proxy(far.host)) as proxy:
        copy(client, source.with_digest(digest), Served(proxy.host, far.storage).reference("public/image"))
        assert not [line for line, headers in proxy.log if "authorization" in headers]
    with pytest.raises(Denied) as refused:
        copy(far.client(), source.with_digest(digest), far.reference("public/other"))
    assert locked_registry.host in str(refused.value)


def test_what_is_incomplete_is_not_copied(registry: Served, far: Served) -> None:
    client = registry.client()
    source = registry.reference("incomplete/image")
    child = put_image(client, source, note="lost")
    digest = put_index(client, source.with_tag("t"), {child: {}})
    client.delete(source.with_digest(child))
    with pytest.raises(PolicyRefused, match=f"its child {child} is missing"):
        copy(client, source.with_digest(digest), far.reference("incomplete/image"))
    with pytest.raises(NotFound):
        client.head(far.reference("incomplete/image").with_digest(digest))


def test_a_repository_that_must_be_made_first_is_named(registry: Served, far: Served) -> None:
    """ECR answers so to an upload."""
    client = registry.client()
    source = registry.reference("made/first")
    digest = put_image(client, source)
    words = b'{"errors": [{"code": "NAME_UNKNOWN", "message": "The repository does not exist"}]}'
    with running(Proxy(far.host)) as proxy:
        proxy.faults = [Fault("POST .*/uploads/", status=404, headers={"Content-Type": "application/json"}, body=words)]
        with pytest.raises(NotFound, match="The repository does not exist"):
            copy(client, source.with_digest(digest), Served(proxy.host, far.storage).reference("made/first"))


def test_only_referrers_of_the_type_come_along_and_only_once(registry: Served, far: Served, tmp_path: Path) -> None:
    client = registry.client()
    source, there = registry.reference("beside/image"), far.reference("beside/image")
    digest = put_image(client, source)
    (tmp_path / "a.txt").write_text("a")
    for kind in ("application/vnd.test.one", "application/vnd.test.two"):
        tool("oras", "attach", "--plain-http", "--artifact-type", kind, "--disable-path-validation",
             source.with_digest(digest), f"{tmp_path}/a.txt:text/plain")  # fmt: skip
    copy(client, source.with_digest(digest), there)
    copied = copy_referrers(client, source.with_digest(digest), there, "application/vnd.test.one")
    assert len(copied) == 1
    assert [one.digest for one in referrers(client, there.with_digest(digest))] == list(copied)
    assert copy_referrers(client, source.with_digest(digest), there, "application/vnd.test.one") == ()
