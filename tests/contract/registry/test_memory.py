"""The registry in memory answers as the real one does: each case is asked of both, and what came of it compared."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from imageyard.errors import ImageyardError
from imageyard.names import Reference
from imageyard.oci.manifests import OCI_INDEX, OCI_MANIFEST, Descriptor, digest_of
from imageyard.registry import blobs, referrers, states, tagging, upload
from imageyard.registry.client import Client
from imageyard.registry.remote import RemoteBlob
from support.registry.memory import MemoryRegistry
from support.registry.served import Served, put_image

NUMBERS = itertools.count()
NEVER = digest_of(b"never")
Case = Callable[[Client, Reference], object]


def body_of(config: bytes, layer: bytes, **more: object) -> bytes:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config), "size": 2},
            "layers": [{"mediaType": "x/y", "digest": digest_of(layer), "size": len(layer)}],
            **more,
        }
    ).encode()


def nothing_there(client: Client, place: Reference) -> object:
    return [
        attempt(lambda: client.head(place.with_tag("none"))),
        attempt(lambda: client.get(place.with_digest(NEVER))),
        attempt(lambda: client.tags(place)),
        blobs.has(client, place, NEVER),
        attempt(lambda: blobs.read(client, place, NEVER)),
        str(states.state(client, place.with_tag("none"))),
    ]


def an_image(client: Client, place: Reference) -> object:
    digest = put_image(client, place, note="n")
    raw = client.get(place.with_digest(digest))
    given = tagging.give(client, place.with_tag("one"), raw)
    again = tagging.give(client, place.with_tag("one"), raw)
    return [
        raw,
        given,
        again,
        client.head(place.with_tag("one")),
        client.tags(place),
        states.state(client, place.with_tag("one")),
    ]


def a_tag_that_moves(client: Client, place: Reference) -> object:
    one, two = (client.get(place.with_digest(put_image(client, place, note=note))) for note in "12")
    tagging.give(client, place.with_tag("t"), one)
    kept = tagging.give(client, place.with_tag("t"), two)
    return [kept, tagging.give(client, place.with_tag("t"), two, force=True), client.digest_of(place.with_tag("t"))]


def many_tags(client: Client, place: Reference) -> object:
    raw = client.get(place.with_digest(put_image(client, place)))
    for number in range(7):
        client.put(place.with_tag(f"t{number}"), raw.body, raw.media_type)
    return sorted(client.tags(place))  # in what order, and in which pages, is the registry's to say


def what_is_deleted(client: Client, place: Reference) -> object:
    raw = client.get(place.with_digest(put_image(client, place)))
    client.put(place.with_tag("a"), raw.body, raw.media_type)
    client.delete(place.with_digest(raw.digest))
    gone = [client.digest_of(place.with_tag("a")), client.digest_of(place.with_digest(raw.digest)), client.tags(place)]
    return [*gone, attempt(lambda: client.delete(place.with_digest(raw.digest)))]


def a_manifest_without_its_blobs(client: Client, place: Reference) -> object:
    upload.push_bytes(client, place, b"{}")
    lacking = attempt(lambda: client.put(place.with_tag("x"), body_of(b"{}", b"never"), OCI_MANIFEST))
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [{"mediaType": OCI_MANIFEST, "digest": NEVER, "size": 1}],
    }
    return [lacking, attempt(lambda: client.put(place.with_tag("x"), json.dumps(index).encode(), OCI_INDEX))]


def bytes_of_another_digest(client: Client, place: Reference) -> object:
    upload.push_bytes(client, place, b"{}")
    forged = attempt(lambda: upload.push(client, place, io.BytesIO(b"forged"), NEVER, 6))
    return [forged, blobs.has(client, place, NEVER)]


def a_blob_in_pieces(client: Client, place: Reference) -> object:
    content = bytes(range(256)) * 40
    upload.push(client, place, io.BytesIO(content), digest_of(content), len(content), chunk=1000)
    blob = RemoteBlob(client, place, Descriptor("x", digest_of(content), len(content)), piece=700)
    with blob as read:
        whole = read.read()
    return [whole == content, blobs.read(client, place, digest_of(content)) == content]


def a_blob_that_is_mounted(client: Client, place: Reference) -> object:
    source = Reference(place.registry, f"{place.repository}-source")
    digest = upload.push_bytes(client, source, b"shared")
    mount = f"blobs/uploads/?mount={digest}&from={source.repository}"
    mounted = client.call("POST", place, mount, "pull", "push", headers={"Content-Length": "0"})
    absent = client.call("POST", place, mount.replace(digest, NEVER), "pull", "push", headers={"Content-Length": "0"})
    return [mounted.status, absent.status, "location" in absent.headers, blobs.has(client, place, digest)]


def an_upload_that_nobody_began(client: Client, place: Reference) -> object:
    upload.push_bytes(client, place, b"{}")
    reply = client.call("PUT", place, f"blobs/uploads/none?digest={NEVER}", "pull", "push", body=b"")
    return [reply.status // 100]


def what_refers_to_an_image(client: Client, place: Reference) -> object:
    """The real registry has no API for it (distribution 2.8), so both keep the fallback tag."""
    image = client.get(place.with_digest(put_image(client, place)))
    upload.push_bytes(client, place, b"{}")
    layer = upload.push_bytes(client, place, b"record")
    subject = {"mediaType": image.media_type, "digest": image.digest, "size": len(image.body)}
    found = []
    for kind in ("a/b", "c/d"):
        body = body_of(b"{}", b"record", artifactType=kind, subject=subject)
        assert layer == digest_of(b"record")
        found.append(referrers.attach(client, place, body))
    entries = referrers.referrers(client, place.with_digest(image.digest))
    referrers.detach(client, place, image.digest, found[0])
    left = referrers.referrers(client, place.with_digest(image.digest))
    return [entries, left, client.tags(place)]


def attempt(ask: Callable[[], object]) -> object:
    """What is answered, or the class of the error with the registry's words."""
    try:
        return ask()
    except ImageyardError as error:
        return type(error).__name__, re.sub(r": [A-Z_]+: .*", "", error.headline)


CASES: list[Case] = [
    nothing_there,
    an_image,
    a_tag_that_moves,
    many_tags,
    what_is_deleted,
    a_manifest_without_its_blobs,
    bytes_of_another_digest,
    a_blob_in_pieces,
    a_blob_that_is_mounted,
    an_upload_that_nobody_began,
    what_refers_to_an_image,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.replace("_", " "))
def test_the_registry_in_memory_answers_as_the_real_one(case: Case, registry: Served) -> None:
    memory = MemoryRegistry(has_referrers=False)
    repository = f"contract/memory-{next(NUMBERS)}"
    answers: list[Any] = []
    for client, place in (
        (registry.client(), registry.reference(repository)),
        (memory.client(), memory.reference(repository)),
    ):
        answers.append(str(case(client, place)).replace(place.registry, "HOST"))
    real, in_memory = answers
    assert in_memory == real


def test_the_registry_in_memory_lists_tags_by_pages() -> None:
    """As the specification has it (OCI distribution-spec 1.1, "Listing Tags"); distribution 2.8 has one page."""
    memory = MemoryRegistry(page=3)
    client, place = memory.client(), memory.reference("a/b")
    assert many_tags(client, place) == [f"t{number}" for number in range(7)]
    assert len([request for request in memory.requests if "tags/list" in request]) == 3


def test_a_password_is_asked_for_by_both(secured_registry: Served) -> None:
    memory = MemoryRegistry(password="secret")
    for client, place in (
        (secured_registry.client(credentials=lambda host: None), secured_registry.reference("a/b", "c")),
        (memory.client(credentials=lambda host: None), memory.reference("a/b", "c")),
    ):
        with pytest.raises(ImageyardError, match=r"refused us \(HTTP 401\)"):
            client.head(place)
    assert put_image(memory.client(), memory.reference("a/b"))
