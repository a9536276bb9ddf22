"""A place in memory: for tests, and for images that are put together before they are sent."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import IO

from imageyard.errors import NotFound, Transient
from imageyard.names import Digest
from imageyard.oci.manifests import Descriptor, Manifest, digest_of
from imageyard.oci.raw import Raw
from imageyard.oci.store import ReadableStore, require_parts

__all__ = ["MemoryStore", "referrer_entry"]


class MemoryStore:
    """Manifests, blobs and tags in dicts."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.manifests: dict[Digest, Raw] = {}
        self.blobs: dict[Digest, bytes] = {}
        self.tagged: dict[str, Digest] = {}

    def digest_of(self, name: str) -> Digest | None:
        """The digest of the manifest that a tag or a digest names."""
        digest = self.tagged.get(name, Digest(name))
        return digest if digest in self.manifests else None

    def manifest(self, name: str) -> Raw | None:
        """The manifest that a tag or a digest names."""
        digest = self.digest_of(name)
        return None if digest is None else self.manifests[digest]

    def has_blob(self, digest: Digest) -> bool:
        """Whether the blob is there."""
        return digest in self.blobs

    def blob(self, blob: Descriptor) -> IO[bytes]:
        """The blob as a file. Raises NotFound where it is not there."""
        if blob.digest not in self.blobs:
            raise NotFound(f"{self.name} has no blob {blob.digest}")
        return io.BytesIO(self.blobs[blob.digest])

    def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """The manifests whose `subject` is this one, in the order in which they were put."""
        return [
            referrer_entry(raw)
            for raw in self.manifests.values()
            if (subject := raw.parsed().subject) is not None and subject.digest == digest
        ]

    def tags(self) -> Iterator[str]:
        """All tags, sorted."""
        yield from sorted(self.tagged)

    def put_manifest(self, manifest: Raw, tag: str | None = None) -> None:
        """Put a manifest under its digest, and under a tag. Raises PolicyRefused where a part of it is not there."""
        require_parts(self, manifest)
        self.manifests[manifest.digest] = manifest
        if tag is not None:
            self.tagged[tag] = manifest.digest

    def put_blob(self, blob: Descriptor, content: IO[bytes], origin: ReadableStore) -> None:
        """Put a blob. Raises Transient for bytes of another digest."""
        body = content.read()
        if digest_of(body) != blob.digest:
            raise Transient(f"{origin.name} answered with other bytes than {blob.digest}")
        self.blobs[blob.digest] = body

    def delete(self, digest: Digest) -> None:
        """Delete a manifest, and with it every tag that names it. Raises NotFound where it is not there."""
        if digest not in self.manifests:
            raise NotFound(f"{self.name} has no manifest {digest}")
        del self.manifests[digest]
        self.tagged = {tag: held for tag, held in self.tagged.items() if held != digest}


def referrer_entry(raw: Raw) -> Descriptor:
    """The entry of a referrer in a list (OCI distribution-spec 1.1, "Listing Referrers")."""
    document = raw.parsed()
    kind = document.artifact_type or (document.config.media_type if isinstance(document, Manifest) else None)
    return Descriptor(raw.media_type, raw.digest, len(raw.body), artifact_type=kind, annotations=document.annotations)
