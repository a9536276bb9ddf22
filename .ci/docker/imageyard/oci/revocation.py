"""Revocations: a marker beside an image says that the image must not be used, wherever the image is read.

A marker is an artifact whose `subject` is the image, under a tag that is made of the image's digest as cosign makes its
own (sigstore/cosign, `specs/SIGNATURE_SPEC.md`): `sha256-HEX.revoked`. One request finds it or finds it absent, two
writers never write the same document, and a repository whose tags are immutable takes it. As a referrer it is kept,
copied and deleted with the image (OCI image-spec 1.1, `subject`).

Before its first marker a repository gets a notice, under a tag of its own that stays: where one request finds no
notice nothing is revoked, and nobody has to believe a list of tags, which may be cut without a sign.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from imageyard.errors import Denied, NotFound, Transient
from imageyard.names import Digest
from imageyard.oci.manifests import OCI_EMPTY, OCI_MANIFEST, Descriptor, Manifest, digest_of
from imageyard.oci.raw import Raw
from imageyard.oci.store import ReadableStore, Store
from imageyard.parallel import each

__all__ = [
    "NOTICE_TAG",
    "REVOCATION_TYPE",
    "Revocation",
    "give_notice",
    "is_marker_tag",
    "mark",
    "marker_tag",
    "revocation_of",
    "revocations",
]

REVOCATION_TYPE = "application/vnd.imageyard.revocation.v1+json"
NOTICE_TAG = "_revocations"
"""The tag of the notice; no image can have this name."""

_NOTICE_TYPE = "application/vnd.imageyard.revocations.v1+json"
_MARKER_ENDING = ".revoked"

_REASON = "io.imageyard.revocation.reason"
_STATE = "io.imageyard.revocation.state"
_CREATED = "org.opencontainers.image.created"
_EMPTY = b"{}"
_WORKERS = 32
_FEW = 32
"""Markers that are asked for one by one; of more it is asked first whether there is any."""
_TAGS_EACH = 10
"""Tags in a list for each request that it saves: a page of 1,000 takes about as long as 100 requests."""


@dataclass(frozen=True)
class Revocation:
    """What a marker says: which manifest, why, since when (ISO 8601), and whether it was taken back."""

    digest: Digest
    reason: str
    created: str = ""
    undone: bool = False


def marker_tag(digest: Digest) -> str:
    """The tag of a manifest's marker; of a digest it has 64 hex, as the tag of the referrers has."""
    algorithm, _, text = digest.partition(":")
    return f"{algorithm}-{text[:64]}{_MARKER_ENDING}"


def is_marker_tag(tag: str) -> bool:
    """Whether a tag is that of a marker, of whatever manifest."""
    return tag.endswith(_MARKER_ENDING)


def give_notice(store: Store) -> None:
    """Put the notice where it is not there yet, which comes before any marker. Two writers put the same bytes.

    Raises Transient where it is not there in the end, and what the store raises.
    """
    if store.manifest(NOTICE_TAG) is not None:
        return
    store.put_manifest(_artifact(_NOTICE_TYPE, _put_empty(store)), NOTICE_TAG)
    if store.digest_of(NOTICE_TAG) is None:
        raise Transient(f"{store.name} does not keep {NOTICE_TAG}", doing="revoking an image", hint="run it again")


def mark(store: Store, revocation: Revocation) -> Raw:
    """Put the marker of a manifest, in the place of one that is there, and read its tag back.

    A revocation that is undone is written like one that holds: registries that let nobody delete take it back so.
    Raises NotFound where the manifest is not there, PolicyRefused where the tag cannot be moved, Transient where
    another marker is there in the end, and what the store raises.
    """
    subject = store.manifest(revocation.digest)
    if subject is None:
        raise NotFound(f"{store.name} has no {revocation.digest}", doing="revoking it")
    give_notice(store)
    raw = _marker(subject, revocation, _put_empty(store))
    tag = marker_tag(revocation.digest)
    store.put_manifest(raw, tag)
    if store.digest_of(tag) != raw.digest:
        raise Transient(f"{store.name}:{tag} names another marker", doing="revoking an image", hint="run it again")
    return raw


def revocation_of(store: ReadableStore, digest: Digest) -> Revocation | None:
    """The revocation of one manifest; None where it has none, or one that was taken back. One request.

    A marker that nobody can read revokes all the same: whoever may write there put it there.
    """
    raw = store.manifest(marker_tag(digest))
    if raw is None:
        return None
    found = _read(raw, digest)
    return None if found.undone else found


def revocations(
    store: ReadableStore, digests: Collection[Digest], tags: Collection[str] = ()
) -> Mapping[Digest, Revocation]:
    """The revocations of many manifests, by digest; `tags` are tags that the place has.

    Each marker is asked for by its name, but where two answers agree that there is none: there is no notice, and the
    list of tags has no marker. A list that is refused, long, or lacks one of `tags` agrees with nothing. Raises what
    the store raises: what is not known is not taken for "not revoked".
    """
    wanted = tuple(dict.fromkeys(digests))
    if len(wanted) > _FEW and _nothing_is_revoked(store, _TAGS_EACH * len(wanted), tags):
        return {}
    marks = each(wanted, lambda digest: revocation_of(store, digest), _WORKERS)
    return {one.digest: one for one in marks if one is not None}


def _nothing_is_revoked(store: ReadableStore, most: int, known: Collection[str]) -> bool:
    """Whether a place has no notice and lists no marker: who lost the notice may still have the markers."""
    if store.manifest(NOTICE_TAG) is not None:
        return False
    listed = _listed(store, most, known)
    return listed is not None and not any(map(is_marker_tag, listed))


def _listed(store: ReadableStore, most: int, known: Collection[str]) -> frozenset[str] | None:
    """All tags of a place; None where they are more than `most`, or the list cannot be believed."""
    try:
        listed = frozenset(islice(store.tags(), most + 1))
    except Denied:
        return None
    return listed if known and len(listed) <= most and listed.issuperset(known) else None


def _put_empty(store: Store) -> dict[str, object]:
    """The entry of the empty blob, which is put where it is not there."""
    empty = Descriptor(OCI_EMPTY, digest_of(_EMPTY), len(_EMPTY))
    if not store.has_blob(empty.digest):
        store.put_blob(empty, io.BytesIO(_EMPTY), store)
    return _entry(empty)


def _marker(subject: Raw, revocation: Revocation, empty: dict[str, object]) -> Raw:
    said = {
        _REASON: revocation.reason,
        _STATE: "undone" if revocation.undone else "revoked",
        _CREATED: revocation.created,
    }
    about = Descriptor(subject.media_type, subject.digest, len(subject.body))
    return _artifact(REVOCATION_TYPE, empty, subject=_entry(about), annotations=said)


def _artifact(kind: str, empty: dict[str, object], **more: Any) -> Raw:
    """An artifact (OCI image-spec 1.1, "Guidelines for Artifact Usage": what has no content has the empty layer)."""
    content = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": empty,
        "layers": [empty],
        **more,
    }
    body = json.dumps(content, separators=(",", ":")).encode()
    return Raw(OCI_MANIFEST, digest_of(body), body)


def _entry(one: Descriptor) -> dict[str, object]:
    return {"mediaType": one.media_type, "digest": one.digest, "size": one.size}


def _read(raw: Raw, digest: Digest) -> Revocation:
    document = raw.parsed()
    subject = document.subject.digest if document.subject else None
    if not isinstance(document, Manifest) or document.artifact_type != REVOCATION_TYPE or subject != digest:
        return Revocation(digest, "its marker says nothing that can be read")
    said = document.annotations
    return Revocation(digest, said.get(_REASON, ""), said.get(_CREATED, ""), said.get(_STATE) == "undone")
