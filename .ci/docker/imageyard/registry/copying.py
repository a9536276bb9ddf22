"""Copying a whole image from one repository to another by digest: mounted where that can be, else streamed."""

from __future__ import annotations

import tempfile
from typing import IO, cast

from imageyard.errors import Absent, PolicyRefused
from imageyard.http.parallel import each
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import Descriptor, Index, Manifest
from imageyard.oci.raw import Raw
from imageyard.registry import blobs, referrers
from imageyard.registry.client import Client
from imageyard.registry.remote import RangesRefused, RemoteBlob
from imageyard.registry.upload import push

__all__ = ["copy", "copy_referrers"]

_WORKERS = 4


def copy(client: Client, source: Reference, repository: Reference) -> Raw:
    """Put the image `source.digest` into `repository`, byte for byte, children before parents; no tag is touched.

    What is there is not sent again. A blob is mounted where both are repositories of one registry; else it goes
    through this machine's memory, `remote.PIECE` bytes at a time, and not over its disk. The other registry checks
    every digest. Raises PolicyRefused where the source lacks a part; Denied and Transient name the registry.
    """
    raw = client.get(source)
    document = raw.parsed()
    if isinstance(document, Index):
        for entry in document.manifests:
            child = source.with_digest(entry.digest)
            if not _has(client, child):
                raise _incomplete(source, f"its child {entry.digest} is missing", repository)
            copy(client, child, repository)
    else:
        _blobs(client, source, repository, document)
    there = repository.with_digest(raw.digest)
    if not _has(client, there):
        client.put(there, raw.body, raw.media_type)
    return raw


def copy_referrers(client: Client, source: Reference, repository: Reference, artifact_type: str) -> tuple[Digest, ...]:
    """Put what refers to the image `source.digest`, of one type, beside the same image in `repository`."""
    known = {entry.digest for entry in referrers.referrers(client, repository.with_digest(_digest(source)))}
    copied = []
    for entry in referrers.referrers(client, source, artifact_type):
        if entry.digest in known:
            continue
        raw = client.get(source.with_digest(entry.digest))
        document = raw.parsed()
        if not isinstance(document, Manifest) or document.subject is None:
            continue
        _blobs(client, source, repository, document)
        copied.append(referrers.attach(client, repository, raw.body))
    return tuple(copied)


def _blobs(client: Client, source: Reference, repository: Reference, manifest: Manifest) -> None:
    wanted = tuple({entry.digest: entry for entry in (manifest.config, *manifest.layers)}.values())
    each(wanted, lambda blob: _blob(client, source, repository, blob), _WORKERS)


def _blob(client: Client, source: Reference, repository: Reference, blob: Descriptor) -> None:
    mount_from = source.repository if source.registry == repository.registry else None
    remote = cast("IO[bytes]", RemoteBlob(client, source, blob))
    try:
        push(client, repository, remote, blob.digest, blob.size, mount_from=mount_from)
    except RangesRefused:
        with tempfile.TemporaryFile(prefix="imageyard-") as spooled:
            blobs.fetch(client, source, blob, spooled)
            push(client, repository, spooled, blob.digest, blob.size)
    except Absent:  # of the blob, or of the repository that is to have it
        if blobs.has(client, source, blob.digest):
            raise
        raise _incomplete(source, f"its blob {blob.digest} is missing", repository) from None


def _incomplete(source: Reference, why: str, repository: Reference) -> PolicyRefused:
    return PolicyRefused(f"{source} is incomplete: {why}", doing=f"copying it to {repository.name}")


def _has(client: Client, reference: Reference) -> bool:
    try:
        client.head(reference)
    except Absent:
        return False
    return True


def _digest(reference: Reference) -> Digest:
    if reference.digest is None:
        raise ValueError(f"{reference} names no digest")
    return reference.digest
