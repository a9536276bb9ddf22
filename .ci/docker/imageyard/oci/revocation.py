"""Revocations: a marker beside an image says that the image must not be used, wherever the image is read.

A marker is an artifact whose `subject` is the image, under a tag that is made of the image's digest as cosign makes its
own (sigstore/cosign, `specs/SIGNATURE_SPEC.md`): `sha256-HEX.revoked`. One request finds it or finds it absent, two
writers never write the same document, and a repository whose tags are immutable takes it. As a referrer it is kept,
copied and deleted with the image (OCI image-spec 1.1, `subject`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice

from imageyard.errors import Denied, NotFound, Transient
from imageyard.names import Digest
from imageyard.oci.manifests import OCI_EMPTY, OCI_MANIFEST, Descriptor, Manifest, digest_of
from imageyard.oci.raw import Raw
from imageyard.oci.store import ReadableStore, Store
from imageyard.parallel import each

__all__ = ["REVOCATION_TYPE", "Revocation", "mark", "marker_tag", "revocation_of", "revocations"]

REVOCATION_TYPE = "application/vnd.imageyard.revocation.v1+json"

_REASON = "io.imageyard.revocation.reason"
_STATE = "io.imageyard.revocation.state"
_CREATED = "org.opencontainers.image.created"
_EMPTY = b"{}"
_WORKERS = 32
_FEW = 32
"""Markers that are asked for one by one; of more the list of tags tells at once which there are."""
_TAGS_EACH = 10
"""Tags in a list for each marker that it saves a request: a page of 1,000 takes about as long as 100 requests."""


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
    return f"{algorithm}-{text[:64]}.revoked"


def mark(store: Store, revocation: Revocation) -> Raw:
    """Put the marker of a manifest, in the place of one that is there, and read its tag back.

    A revocation that is undone is written like one that holds: registries that let nobody delete take it back so.
    Raises NotFound where the manifest is not there, PolicyRefused where the tag cannot be moved, Transient where
    another marker is there in the end, and what the store raises.
    """
    subject = store.manifest(revocation.digest)
    if subject is None:
        raise NotFound(f"{store.name} has no {revocation.digest}", doing="revoking it")
    empty = Descriptor(OCI_EMPTY, digest_of(_EMPTY), len(_EMPTY))
    if not store.has_blob(empty.digest):
        store.put_blob(empty, io.BytesIO(_EMPTY), store)
    raw = _marker(subject, revocation, _entry(empty))
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

    The list of all tags answers for many, unless it is refused, long, or lacks one of `tags`: a list that is not whole
    proves nothing. Raises what the store raises: what is not known is not taken for "not revoked".
    """
    wanted = {marker_tag(digest): digest for digest in digests}
    if len(wanted) > _FEW and (listed := _listed(store, _TAGS_EACH * len(wanted), tags)) is not None:
        wanted = {tag: digest for tag, digest in wanted.items() if tag in listed}
    marks = each(tuple(wanted.values()), lambda digest: revocation_of(store, digest), _WORKERS)
    return {one.digest: one for one in marks if one is not None}


def _listed(store: ReadableStore, most: int, known: Collection[str]) -> frozenset[str] | None:
    """All tags of a place; None where they are more than `most`, or the list cannot be believed."""
    try:
        listed = frozenset(islice(store.tags(), most + 1))
    except Denied:
        return None
    return listed if known and len(listed) <= most and listed.issuperset(known) else None


def _marker(subject: Raw, revocation: Revocation, empty: dict[str, object]) -> Raw:
    """The artifact (OCI image-spec 1.1, "Guidelines for Artifact Usage": what has no content has the empty layer)."""
    content = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": REVOCATION_TYPE,
        "config": empty,
        "layers": [empty],
        "subject": _entry(Descriptor(subject.media_type, subject.digest, len(subject.body))),
        "annotations": {
            _REASON: revocation.reason,
            _STATE: "undone" if revocation.undone else "revoked",
            _CREATED: revocation.created,
        },
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
