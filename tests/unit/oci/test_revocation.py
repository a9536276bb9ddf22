"""Which images are revoked, by the markers beside them: one by one, or by a list of tags that can be believed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence

import pytest
from imageyard.errors import Denied, NotFound, Transient
from imageyard.names import Digest
from imageyard.oci.manifests import OCI_EMPTY, OCI_MANIFEST, Descriptor, digest_of
from imageyard.oci.memory import MemoryStore
from imageyard.oci.raw import Raw
from imageyard.oci.revocation import (
    REVOCATION_TYPE,
    Revocation,
    mark,
    marker_tag,
    revocation_of,
    revocations,
)

MANY = 40


class Counting(MemoryStore):
    """A store that counts what it is asked, and may not list its tags, or not all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.refuses = False
        self.hidden: Sequence[str] = ()

    def manifest(self, name: str) -> Raw | None:
        self.asked.append(name)
        return super().manifest(name)

    def tags(self) -> Iterator[str]:
        self.asked.append("tags")
        if self.refuses:
            raise Denied("no list for you")
        yield from (tag for tag in super().tags() if tag not in self.hidden)


def put(store: MemoryStore, note: str, tag: str | None = None) -> Raw:
    """An image without layers; another `note` makes another one."""
    config = json.dumps({"note": note}).encode()
    blob = Descriptor("application/vnd.oci.image.config.v1+json", digest_of(config), len(config))
    store.put_blob(blob, io.BytesIO(config), store)
    entry = {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": entry, "layers": []}).encode()
    raw = Raw(OCI_MANIFEST, digest_of(body), body)
    store.put_manifest(raw, tag)
    return raw


@pytest.fixture
def store() -> Counting:
    return Counting()


@pytest.fixture
def many(store: Counting) -> list[Raw]:
    """Images under tags, of which the seventh is revoked."""
    images = [put(store, str(number), f"image-{number}") for number in range(MANY)]
    mark(store, Revocation(images[7].digest, "broken", "2026-01-01T00:00:00Z"))
    store.asked.clear()
    return images


def tags_of(images: Sequence[Raw]) -> list[str]:
    return [f"image-{number}" for number in range(len(images))]


def test_the_marker_is_named_after_the_digest() -> None:
    assert marker_tag(Digest(f"sha256:{'a' * 64}")) == f"sha256-{'a' * 64}.revoked"
    assert len(marker_tag(Digest(f"sha512:{'b' * 128}"))) <= 128, "a tag has at most 128 characters"


def test_few_are_asked_one_by_one_in_one_request_each(store: Counting, many: list[Raw]) -> None:
    few = [one.digest for one in many[5:9]]
    assert set(revocations(store, few, tags_of(many))) == {many[7].digest}
    assert sorted(store.asked) == sorted(marker_tag(one) for one in few)


def test_many_are_read_off_the_list_of_tags(store: Counting, many: list[Raw]) -> None:
    found = revocations(store, [one.digest for one in many], tags_of(many))
    assert found == {many[7].digest: Revocation(many[7].digest, "broken", "2026-01-01T00:00:00Z")}
    assert store.asked == ["tags", marker_tag(many[7].digest)]


@pytest.mark.parametrize("fault", ["refused", "cut", "long", "nothing known"])
def test_a_list_that_proves_nothing_is_not_believed(
    store: Counting, many: list[Raw], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the list leaves out would be taken for not revoked: every marker is asked for instead."""
    known = tags_of(many)
    match fault:
        case "refused":
            store.refuses = True
        case "cut":
            store.hidden = ("image-39", marker_tag(many[7].digest))
        case "long":
            monkeypatch.setattr("imageyard.oci.revocation._TAGS_EACH", 1)
        case _:
            known = []
            store.hidden = (marker_tag(many[7].digest),)
    assert set(revocations(store, [one.digest for one in many], known)) == {many[7].digest}
    assert len(store.asked) >= MANY


def test_a_place_that_does_not_answer_is_no_answer(
    store: Counting, many: list[Raw], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(name: str) -> Raw | None:
        raise Transient("502")

    monkeypatch.setattr(store, "manifest", silent)
    with pytest.raises(Transient):
        revocations(store, [many[0].digest])
    with pytest.raises(Transient):
        revocations(store, [one.digest for one in many], tags_of(many))


@pytest.mark.parametrize("what", ["an image", "the marker of another"])
def test_a_marker_that_says_nothing_revokes_all_the_same(store: Counting, what: str) -> None:
    image, other = put(store, "one"), put(store, "two")
    marker = image if what == "an image" else mark(store, Revocation(other.digest, "broken"))
    store.put_manifest(marker, marker_tag(image.digest))
    found = revocation_of(store, image.digest)
    assert found == Revocation(image.digest, "its marker says nothing that can be read")


def test_only_what_is_there_can_be_revoked(store: Counting) -> None:
    with pytest.raises(NotFound, match="memory has no sha256:"):
        mark(store, Revocation(digest_of(b"never"), "broken"))
    assert store.tagged == {}


def test_the_marker_is_an_artifact_that_refers_to_the_image(store: Counting) -> None:
    image = put(store, "one")
    raw = mark(store, Revocation(image.digest, "broken", "2026-01-01T00:00:00Z"))
    content = json.loads(raw.body)
    assert (content["artifactType"], content["subject"]["digest"]) == (REVOCATION_TYPE, image.digest)
    assert content["config"]["mediaType"] == content["layers"][0]["mediaType"] == OCI_EMPTY
    assert [entry.artifact_type for entry in store.referrers(image.digest)] == [REVOCATION_TYPE]
