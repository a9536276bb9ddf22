"""Which images are revoked, by the markers beside them, and that no list of tags hides one."""

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
    NOTICE_TAG,
    REVOCATION_TYPE,
    Revocation,
    give_notice,
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


def test_where_nothing_was_ever_revoked_two_requests_answer_for_all(store: Counting) -> None:
    images = [put(store, str(number), f"image-{number}") for number in range(MANY)]
    assert revocations(store, [one.digest for one in images], tags_of(images)) == {}
    assert store.asked == [NOTICE_TAG, "tags"]


HOLDS = "broken"
LISTS: dict[str, tuple[bool, tuple[str, ...] | None, str]] = {
    # whether the notice is there, what the list of tags leaves out (None: it is refused), which tags are known to be
    "a whole list": (True, (), "all"),
    "a list that is refused": (True, None, "all"),
    "a list without the marker, and with all that is known": (True, ("MARKER",), "all"),
    "a list without the marker and the notice": (True, ("MARKER", NOTICE_TAG), "all"),
    "a list without a tag that is known": (True, ("MARKER", NOTICE_TAG, "image-39"), "all"),
    "an empty list": (True, ("*",), "all"),
    "a list without the marker, and nothing that is known": (True, ("MARKER",), "none"),
    "the notice was deleted": (False, (), "all"),
    "the notice was deleted, and the list is refused": (False, None, "all"),
    "the notice was deleted, and the list lacks a tag that is known": (False, ("MARKER", "image-39"), "all"),
    "the notice was deleted, and nothing is known": (False, ("MARKER",), "none"),
}


@pytest.mark.parametrize(("noticed", "hidden", "known"), LISTS.values(), ids=LISTS)
def test_no_list_of_tags_hides_a_revocation(
    store: Counting, many: list[Raw], noticed: bool, hidden: tuple[str, ...] | None, known: str
) -> None:
    """The notice is asked for by its name, as no list proves that it is whole; where either speaks, all markers are."""
    marker = marker_tag(many[7].digest)
    if not noticed:
        del store.tagged[NOTICE_TAG]
    store.refuses = hidden is None
    store.hidden = (
        list(store.tagged) if hidden == ("*",) else [marker if one == "MARKER" else one for one in hidden or ()]
    )
    found = revocations(store, [one.digest for one in many], tags_of(many) if known == "all" else ())
    assert found == {many[7].digest: Revocation(many[7].digest, HOLDS, "2026-01-01T00:00:00Z")}
    assert set(store.asked) - {"tags", NOTICE_TAG} == {marker_tag(one.digest) for one in many}


def test_a_list_that_costs_more_than_it_saves_is_not_read_to_its_end(
    store: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imageyard.oci.revocation._TAGS_EACH", 0)
    images = [put(store, str(number), f"image-{number}") for number in range(MANY)]
    assert revocations(store, [one.digest for one in images], tags_of(images)) == {}
    assert len(store.asked) == 2 + MANY


def test_the_notice_comes_before_the_marker_and_stays_as_it_is(store: Counting) -> None:
    image = put(store, "one", "a-tag")
    mark(store, Revocation(image.digest, HOLDS))
    assert list(store.tagged) == ["a-tag", NOTICE_TAG, marker_tag(image.digest)]
    notice = store.tagged[NOTICE_TAG]
    mark(store, Revocation(image.digest, "", undone=True))
    assert store.tagged[NOTICE_TAG] == notice
    again = MemoryStore()
    give_notice(again)
    assert again.tagged == {NOTICE_TAG: notice}, "two writers write the same"


def test_nothing_is_marked_where_no_notice_is_kept(store: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    image = put(store, "one", "a-tag")
    monkeypatch.setattr(store, "put_manifest", lambda manifest, tag=None: None)
    with pytest.raises(Transient, match="does not keep _revocations"):
        mark(store, Revocation(image.digest, HOLDS))
    assert list(store.tagged) == ["a-tag"]


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
