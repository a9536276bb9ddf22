"""A repository at a registry as a place that holds images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, cast

from imageyard.errors import NotFound
from imageyard.names import Digest, Reference
from imageyard.oci.manifests import Descriptor
from imageyard.oci.raw import Raw
from imageyard.oci.store import ReadableStore
from imageyard.registry import blobs, referrers
from imageyard.registry.client import Client
from imageyard.registry.remote import PIECE, SpooledBlob
from imageyard.registry.upload import push

__all__ = ["RegistryStore"]


class RegistryStore:
    """One repository. Methods raise Denied, PolicyRefused or Transient with the registry's words."""

    def __init__(self, client: Client, repository: Reference, piece: int = PIECE) -> None:
        """`piece`: how many bytes of a blob are read at once, and held in memory twice."""
        self.client = client
        self.piece = piece
        self.repository = Reference(repository.registry, repository.repository)
        self.name = self.repository.name

    def digest_of(self, name: str) -> Digest | None:
        """The digest of the manifest that a tag or a digest names, by HEAD."""
        return self.client.digest_of(self._named(name))

    def manifest(self, name: str) -> Raw | None:
        """The manifest that a tag or a digest names."""
        try:
            return self.client.get(self._named(name))
        except NotFound:
            return None

    def has_blob(self, digest: Digest) -> bool:
        """Whether the blob is there, by HEAD."""
        return blobs.has(self.client, self.repository, digest)

    def blob(self, blob: Descriptor) -> IO[bytes]:
        """The blob as a file that is read in ranges; no more than two pieces of it are in memory."""
        return cast("IO[bytes]", SpooledBlob(self.client, self.repository, blob, self.piece))

    def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """The manifests whose `subject` is this one, by the API or the fallback tag."""
        return referrers.referrers(self.client, self.repository.with_digest(digest))

    def tags(self) -> Iterator[str]:
        """All tags, page by page, but for those that only list referrers; none where there is no such repository."""
        try:
            for page in self.client.tag_pages(self.repository):
                yield from (tag for tag in page if not referrers.is_fallback_tag(tag))
        except NotFound:
            return

    def put_manifest(self, manifest: Raw, tag: str | None = None) -> None:
        """Put a manifest under its digest, with its referrer entry where it has a `subject`, or under a tag."""
        if manifest.parsed().subject is not None:
            referrers.attach(self.client, self.repository, manifest.body)
        elif tag is None:
            self.client.put(self.repository.with_digest(manifest.digest), manifest.body, manifest.media_type)
        if tag is not None:
            self.client.put(self.repository.with_tag(tag), manifest.body, manifest.media_type)

    def put_blob(self, blob: Descriptor, content: IO[bytes], origin: ReadableStore) -> None:
        """Put a blob, mounted where `origin` is another repository of the same registry. The registry checks it."""
        mount_from = None
        if isinstance(origin, RegistryStore) and origin.repository.registry == self.repository.registry:
            mount_from = origin.repository.repository
        push(self.client, self.repository, content, blob.digest, blob.size, mount_from=mount_from, absent=True)

    def delete(self, digest: Digest) -> None:
        """Delete a manifest, and with it every tag that names it and its entry among the referrers of its subject."""
        raw = self.manifest(digest)
        if raw is not None and (subject := raw.parsed().subject) is not None:
            referrers.detach(self.client, self.repository, subject.digest, digest)
        self.client.delete(self.repository.with_digest(digest))

    def _named(self, name: str) -> Reference:
        return self.repository.with_digest(Digest(name)) if ":" in name else self.repository.with_tag(name)
