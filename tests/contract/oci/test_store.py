"""What every store does: the same cases against a dict, a folder, a bucket, and a repository at the real registry."""

from __future__ import annotations

import gzip
import io
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imageyard.bucket.objects import Bucket
from imageyard.bucket.store import BucketStore
from imageyard.errors import NotFound, PolicyRefused, Transient
from imageyard.names import Digest
from imageyard.oci.archive import Archive
from imageyard.oci.compressed import Compressed
from imageyard.oci.layout import LayoutStore
from imageyard.oci.manifests import OCI_INDEX, OCI_MANIFEST, Descriptor, Index, digest_of
from imageyard.oci.memory import MemoryStore
from imageyard.oci.raw import Raw
from imageyard.oci.revocation import (
    NOTICE_TAG,
    REVOCATION_TYPE,
    Revocation,
    mark,
    marker_tag,
    revocation_of,
    revocations,
)
from imageyard.oci.store import ReadableStore, Store, copy, copy_referrers
from imageyard.registry.referrers import detach
from imageyard.registry.store import RegistryStore
from support.engine.archives import engine_archive
from support.registry.memory import MemoryRegistry
from support.registry.served import Served

NUMBERS = itertools.count()
LAYER = "application/vnd.oci.image.layer.v1.tar"
Make = Callable[[], Store]


@pytest.fixture(
    params=["memory", "layout", "bucket", "registry", "registry in memory", "registry in memory with referrers"]
)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes a store of one kind, empty, another one at each call."""
    if request.param == "memory":
        return MemoryStore
    if request.param == "layout":
        return lambda: LayoutStore(tmp_path / f"layout-{next(NUMBERS)}")
    if request.param == "bucket":
        bucket: Callable[[], Bucket] = request.getfixturevalue("make_bucket")
        return lambda: BucketStore(bucket(), "registry.test/contract")
    if request.param.startswith("registry in memory"):
        served = MemoryRegistry(has_referrers="with" in request.param)
        talking = served.client()
        return lambda: RegistryStore(talking, served.reference(f"contract/store-{next(NUMBERS)}"))
    registry: Served = request.getfixturevalue("registry")
    client = registry.client()
    return lambda: RegistryStore(client, registry.reference(f"contract/store-{next(NUMBERS)}"))


def entry(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def put_blob(store: Store, content: bytes) -> Descriptor:
    blob = Descriptor("application/octet-stream", digest_of(content), len(content))
    store.put_blob(blob, io.BytesIO(content), store)
    return blob


def manifest_of(config: bytes, layers: Sequence[bytes], subject: Raw | None = None, kind: str = "") -> Raw:
    content: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": entry("application/vnd.oci.image.config.v1+json", config),
        "layers": [entry(f"{LAYER}+gzip", layer) for layer in layers],
    }
    if subject is not None:
        content |= {"artifactType": kind, "subject": entry(subject.media_type, subject.body)}
    body = json.dumps(content).encode()
    return Raw(OCI_MANIFEST, digest_of(body), body)


def put_image(store: Store, config: bytes, layers: Sequence[bytes], subject: Raw | None = None, kind: str = "") -> Raw:
    for content in (config, *layers):
        put_blob(store, content)
    raw = manifest_of(config, layers, subject, kind)
    store.put_manifest(raw)
    return raw


def put_index(store: Store, children: Sequence[Raw]) -> Raw:
    entries = [{"mediaType": child.media_type, "digest": child.digest, "size": len(child.body)} for child in children]
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    raw = Raw(OCI_INDEX, digest_of(body), body)
    store.put_manifest(raw)
    return raw


def test_what_is_not_there_is_none_and_no_error(make: Make) -> None:
    store = make()
    put_image(store, b"{}", [])  # a registry knows no repository before
    never = digest_of(b"never")
    assert (store.manifest(never), store.manifest("no-tag")) == (None, None)
    assert (store.digest_of(never), store.digest_of("no-tag")) == (None, None)
    assert not store.has_blob(never)
    assert list(store.referrers(never)) == []
    assert list(store.tags()) == []
    with pytest.raises(NotFound):
        store.delete(never)
    with pytest.raises(NotFound), store.blob(Descriptor("x", never, 5)) as blob:
        blob.read()


def test_what_was_put_comes_back_to_the_byte(make: Make) -> None:
    store = make()
    raw = put_image(store, b"{}", [b"one", b"two"])
    store.put_manifest(raw, "a-tag")
    assert store.manifest("a-tag") == store.manifest(raw.digest) == raw
    assert store.digest_of("a-tag") == raw.digest
    assert list(store.tags()) == ["a-tag"]
    for content in (b"{}", b"one", b"two"):
        assert store.has_blob(digest_of(content))
        with store.blob(Descriptor("x", digest_of(content), len(content))) as blob:
            assert blob.read() == content
            blob.seek(1)
            assert blob.read(1) == content[1:2]


def test_a_tag_moves_and_a_deleted_manifest_takes_its_tags_along(make: Make) -> None:
    store = make()
    one, two = put_image(store, b"{}", [b"1"]), put_image(store, b"{}", [b"2"])
    store.put_manifest(one, "first")
    store.put_manifest(one, "moving")
    store.put_manifest(two, "moving")
    assert (store.digest_of("first"), store.digest_of("moving")) == (one.digest, two.digest)
    store.delete(two.digest)
    assert (store.digest_of("moving"), store.manifest(two.digest)) == (None, None)
    assert list(store.tags()) == ["first"]


def test_a_manifest_without_its_parts_is_refused(make: Make) -> None:
    store = make()
    put_blob(store, b"{}")
    with pytest.raises(PolicyRefused):
        store.put_manifest(manifest_of(b"{}", [b"never"]), "a-tag")
    child = manifest_of(b"{}", [])
    with pytest.raises(PolicyRefused):
        put_index(store, [child])
    assert (store.digest_of("a-tag"), store.manifest(child.digest)) == (None, None)


def test_a_blob_of_a_layout_is_no_manifest(tmp_path: Path) -> None:
    """Both lie in one folder; a registry keeps them apart (distribution 2.8 answers 500 to a config's digest)."""
    store = LayoutStore(tmp_path / "layout")
    image = put_image(store, b"{}", [b"layer", b'{"schemaVersion": 2}'])
    for content in (b"{}", b"layer", b'{"schemaVersion": 2}'):
        assert (store.digest_of(digest_of(content)), store.manifest(digest_of(content))) == (None, None)
    assert store.digest_of(image.digest) == image.digest


def test_a_referrer_that_is_deleted_is_not_listed_any_more(make: Make) -> None:
    store = make()
    image = put_image(store, b"{}", [b"layer"])
    record = put_image(store, b"{}", [b"record"], image, "application/x-record")
    store.put_manifest(image, "a-tag")
    assert [entry.digest for entry in store.referrers(image.digest)] == [record.digest]
    store.delete(record.digest)
    assert list(store.referrers(image.digest)) == []
    assert list(store.tags()) == ["a-tag"], "what lists referrers is no tag"


def test_a_referrer_that_is_there_and_not_listed_is_listed_by_the_next_copy(make: Make) -> None:
    """A copy can be stopped between the two where a registry has no referrers API."""
    source, target = MemoryStore(), make()
    image = put_image(source, b"{}", [b"layer"])
    record = put_image(source, b"{}", [b"record"], image, "application/x-record")
    copy(source, target, image.digest)
    copy(source, target, record.digest)
    if isinstance(target, RegistryStore):
        detach(target.client, target.repository, image.digest, record.digest)
    copy(source, target, record.digest)
    assert [entry.digest for entry in target.referrers(image.digest)] == [record.digest]


def test_bytes_of_another_digest_are_refused(make: Make) -> None:
    store = make()
    put_image(store, b"{}", [])
    forged = Descriptor("x", digest_of(b"what was asked for"), len(b"something"))
    with pytest.raises((Transient, PolicyRefused)):  # who stores it, or the registry, which has words of its own
        store.put_blob(forged, io.BytesIO(b"something"), store)
    assert not store.has_blob(forged.digest)


def test_what_refers_to_a_manifest_is_found(make: Make) -> None:
    store = make()
    image = put_image(store, b"{}", [b"layer"])
    record = put_image(store, b"{}", [b"record"], image, "application/x-record")
    signature = put_image(store, b"{}", [b"signature"], image, "application/x-signature")
    found = {one.digest: one.artifact_type for one in store.referrers(image.digest)}
    assert found == {record.digest: "application/x-record", signature.digest: "application/x-signature"}
    assert list(store.referrers(record.digest)) == []


def test_what_refers_to_a_manifest_is_found_where_it_has_a_tag_too(make: Make) -> None:
    store = make()
    image = put_image(store, b"{}", [b"layer"])
    put_blob(store, b"record")
    record = manifest_of(b"{}", [b"record"], image, "application/x-record")
    store.put_manifest(record, "a-record")
    assert [one.digest for one in store.referrers(image.digest)] == [record.digest]
    assert store.manifest("a-record") == record


@pytest.fixture(params=["memory", "layout", "bucket", "registry"])
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """The place that is copied from; each kind meets each."""
    if request.param == "registry":
        registry: Served = request.getfixturevalue("registry")
        client = registry.client()
        return lambda: RegistryStore(client, registry.reference(f"contract/from-{next(NUMBERS)}"))
    if request.param == "bucket":
        bucket: Callable[[], Bucket] = request.getfixturevalue("make_bucket")
        return lambda: BucketStore(bucket(), "registry.test/from")
    return MemoryStore if request.param == "memory" else lambda: LayoutStore(tmp_path / f"from-{next(NUMBERS)}")


def test_an_image_is_copied_with_what_refers_to_it(another: Make, make: Make) -> None:
    source, target = another(), make()
    children = [put_image(source, b'{"n": %d}' % n, [b"shared", b"own %d" % n]) for n in range(2)]
    root = put_index(source, children)
    record = put_image(source, b"{}", [b"record"], root, "application/x-record")
    put_image(source, b"{}", [b"signature"], root, "application/x-signature")
    raw = copy(source, target, root.digest, tag="it", referrers=lambda one: one.artifact_type == "application/x-record")
    assert raw == root == target.manifest("it")
    assert [target.manifest(child.digest) for child in children] == children
    assert [one.digest for one in target.referrers(root.digest)] == [record.digest]
    for content in (b"shared", b"own 0", b"own 1", b"record"):
        assert target.has_blob(digest_of(content))
    assert copy_referrers(source, target, root.digest, lambda one: "record" in str(one.artifact_type)) == ()


@pytest.mark.parametrize("lost", ["child", "blob", "root"])
def test_a_source_that_lacks_a_part_is_refused_and_no_tag_is_given(make: Make, lost: str) -> None:
    source, target = MemoryStore("the source"), make()
    child = put_image(source, b"{}", [b"layer"])
    root = put_index(source, [child])
    match lost:
        case "child":
            del source.manifests[child.digest]
        case "blob":
            del source.blobs[digest_of(b"layer")]
        case _:
            del source.manifests[root.digest]
    with pytest.raises(PolicyRefused, match=r"the source@sha256:.* is incomplete: "):
        copy(source, target, root.digest, tag="it")
    assert target.digest_of("it") is None


class Stopped(Exception):
    """The copy was killed here."""


@dataclass(eq=False)
class Watched(MemoryStore):
    """A store that notes what is put, in order, and stops before the `last`-th write."""

    last: int = 10**9
    puts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__("watched")

    def put_manifest(self, manifest: Raw, tag: str | None = None) -> None:
        self._note(tag or manifest.digest)
        document = manifest.parsed()
        if isinstance(document, Index):
            assert all(child.digest in self.manifests for child in document.manifests), "children before parents"
        else:
            assert all(blob.digest in self.blobs for blob in (document.config, *document.layers)), "blobs first"
        super().put_manifest(manifest, tag)

    def put_blob(self, blob: Descriptor, content: IO[bytes], origin: ReadableStore) -> None:
        self._note(blob.digest)
        super().put_blob(blob, content, origin)

    def _note(self, what: str) -> None:
        if len(self.puts) >= self.last:
            raise Stopped
        self.puts.append(what)


@st.composite
def images(draw: st.DrawFn) -> tuple[MemoryStore, Raw]:
    """A store with an image: a manifest, or indexes of manifests, which share layers."""
    store = MemoryStore()
    layers = st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=4)
    level = [put_image(store, b'{"n": %d}' % n, draw(layers)) for n in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(0, 2))):
        chosen = draw(st.lists(st.sampled_from(level), min_size=1, max_size=3, unique_by=lambda raw: raw.digest))
        level.append(put_index(store, chosen))
    for n in range(draw(st.integers(0, 2))):
        put_image(store, b"{}", [b"about %d" % n], level[-1], "application/x-about")
    return store, level[-1]


@given(image=images(), stops=st.lists(st.integers(0, 12), max_size=4))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_copy_that_is_stopped_anywhere_goes_on_and_sends_nothing_twice(
    image: tuple[MemoryStore, Raw], stops: list[int]
) -> None:
    source, root = image
    target = Watched()
    sent: list[str] = []
    for last in [*stops, 10**9]:
        target.last, target.puts = last, []
        try:
            copy(source, target, root.digest, tag="it", referrers=lambda one: True)
        except Stopped:
            assert target.digest_of("it") is None, "the tag comes last"
        sent += target.puts
    assert sent[-1] == "it"
    assert len(set(sent)) == len(sent)
    assert target.digest_of("it") == root.digest
    assert {raw.digest for raw in target.manifests.values()} >= {one.digest for one in source.referrers(root.digest)}
    again = len(target.puts)
    copy(source, target, root.digest, tag="it", referrers=lambda one: True)
    assert len(target.puts) == again, "what is there is not sent"


def test_an_archive_of_the_engine_is_sent_as_it_is(make: Make, tmp_path: Path) -> None:
    archive = Archive(engine_archive(tmp_path / "image.tar", [gzip.compress(b"one", mtime=0)], f"{LAYER}+gzip"))
    image, target = Compressed(archive, tmp_path), make()
    assert image.root == archive.root.digest
    assert copy(image, target, image.root) == target.manifest(archive.root.digest)


def test_plain_layers_are_compressed_and_every_index_above_names_the_new_manifest(make: Make, tmp_path: Path) -> None:
    """An index with the digest of a manifest that was never sent names nothing."""
    archive = Archive(engine_archive(tmp_path / "image.tar", [b"one", b"two", b"one"], LAYER))
    image, target = Compressed(archive, tmp_path), make()
    assert image.root != archive.root.digest
    assert image.root == Compressed(archive, tmp_path).root, "the same bytes each time"
    copy(image, target, image.root)
    index = target.manifest(image.root)
    assert index is not None
    (child,) = index.parsed().manifests  # type: ignore[union-attr]
    raw = target.manifest(child.digest)
    assert raw is not None
    assert child.size == len(raw.body)
    layers = raw.parsed().layers  # type: ignore[union-attr]
    assert [layer.media_type for layer in layers] == [f"{LAYER}+gzip"] * 3
    contents = []
    for layer in layers:
        with target.blob(layer) as blob:
            contents.append(gzip.decompress(blob.read()))
    assert contents == [b"one", b"two", b"one"]


@pytest.fixture
def served(registry: Served) -> RegistryStore:
    return RegistryStore(registry.client(), registry.reference(f"contract/mount-{next(NUMBERS)}"))


def test_a_name_with_a_tag_or_a_digest_is_the_repository_alone(served: RegistryStore) -> None:
    named = RegistryStore(served.client, served.repository.with_digest(Digest(f"sha256:{'0' * 64}")))
    assert named.name == served.name


def test_what_others_wrote_into_a_layout_stays(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "layout")
    image = put_image(store, b"{}", [b"layer"])
    store.put_manifest(image, "one")
    index = json.loads((tmp_path / "layout/index.json").read_bytes())
    index["annotations"] = {"by": "another tool"}
    (tmp_path / "layout/index.json").write_text(json.dumps(index))
    store.put_manifest(image, "two")
    assert json.loads((tmp_path / "layout/index.json").read_bytes())["annotations"] == {"by": "another tool"}
    assert list(store.tags()) == ["one", "two"]


def test_what_attests_an_image_names_the_one_that_is_sent(tmp_path: Path) -> None:
    plain = engine_archive(tmp_path / "plain.tar", [b"one"], LAYER, attested=True)
    image, target = Compressed(Archive(plain), tmp_path), MemoryStore()
    copy(image, target, image.root)
    root = target.manifest(image.root)
    assert root is not None
    sent, attestation = root.parsed().manifests  # type: ignore[union-attr]
    assert attestation.attests == sent.digest


def test_a_revocation_holds_until_it_is_taken_back(make: Make) -> None:
    store = make()
    image, other = put_image(store, b"{}", [b"one"]), put_image(store, b"{}", [b"two"])
    store.put_manifest(image, "a-tag")
    assert revocation_of(store, image.digest) is None
    revoked = Revocation(image.digest, "broken, \u00e4", "2026-01-01T00:00:00Z")
    mark(store, revoked)
    assert revocations(store, [image.digest, other.digest], ["a-tag"]) == {image.digest: revoked}
    assert set(store.tags()) == {"a-tag", marker_tag(image.digest), NOTICE_TAG}
    assert {one.artifact_type for one in store.referrers(image.digest)} == {REVOCATION_TYPE}
    mark(store, Revocation(image.digest, "it was right", undone=True))
    assert revocation_of(store, image.digest) is None
    again = Revocation(image.digest, "it was not")
    mark(store, again)
    assert revocations(store, [image.digest]) == {image.digest: again}
    assert store.manifest("a-tag") == image, "the image itself is as it was"


def test_a_marker_goes_with_its_copy(make: Make, tmp_path: Path) -> None:
    """A backup has the marker among the referrers, and its tag is one of those that a digest names."""
    store, away = make(), LayoutStore(tmp_path / "away")
    image = put_image(store, b"{}", [b"one"])
    raw = mark(store, Revocation(image.digest, "broken"))
    copy(store, away, image.digest, referrers=lambda entry: True)
    assert away.manifest(raw.digest) == raw
    copy(store, away, raw.digest, tag=marker_tag(image.digest))
    assert revocation_of(away, image.digest) == Revocation(image.digest, "broken")
