"""Places that hold images (a registry's repository, a folder, an archive, a dict), and the walk that copies images.

OCI image-spec 1.1 ("Image Manifest", "Image Index", `subject`), distribution-spec 1.1 ("Listing Referrers").
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Protocol
from weakref import WeakKeyDictionary

from imageyard.errors import NotFound, PolicyRefused
from imageyard.names import Digest
from imageyard.oci.manifests import Descriptor, Index, Manifest
from imageyard.oci.raw import Raw
from imageyard.parallel import each

__all__ = ["ReadableStore", "Store", "copy", "copy_image", "copy_referrers", "require_parts"]

_WORKERS = 4
_LOCK = threading.Lock()
_WRITERS: WeakKeyDictionary[Store, defaultdict[Digest, threading.Lock]] = WeakKeyDictionary()


class ReadableStore(Protocol):
    """A place that images are read from: absent is None, False or empty, and a place that cannot be read raises."""

    @property
    def name(self) -> str:
        """The place as messages name it."""

    def digest_of(self, name: str) -> Digest | None:
        """The digest of the manifest that a tag or a digest names; no more than that is read."""

    def manifest(self, name: str) -> Raw | None:
        """The manifest that a tag or a digest names, its bytes checked against its digest."""

    def has_blob(self, digest: Digest) -> bool:
        """Whether the blob is there."""

    def blob(self, blob: Descriptor) -> IO[bytes]:
        """The blob as a seekable file, to be closed by the caller. Reading raises where the blob is not there."""

    def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """The manifests whose `subject` is this one."""

    def tags(self) -> Iterator[str]:
        """All tags of the place, but for those that only list referrers."""


class Store(ReadableStore, Protocol):
    """A place that images are put into, too."""

    def put_manifest(self, manifest: Raw, tag: str | None = None) -> None:
        """Put a manifest under its digest, with its referrer entry where it has a `subject`; and under a tag.

        Raises PolicyRefused where a part of it is not there.
        """

    def put_blob(self, blob: Descriptor, content: IO[bytes], origin: ReadableStore) -> None:
        """Put a blob that is not there and that `origin` has; a place may take it from there without reading `content`.

        Raises Transient or PolicyRefused for bytes of another digest.
        """

    def delete(self, digest: Digest) -> None:
        """Delete a manifest, and with it every tag that names it and its entry among the referrers of its subject."""


def copy(
    source: ReadableStore,
    target: Store,
    root: Digest,
    *,
    tag: str | None = None,
    referrers: Callable[[Descriptor], bool] | None = None,
) -> Raw:
    """Copy an image by digest: children before parents, then those of its referrers that are wanted, the tag last.

    What is there is not sent again, so that a copy which was stopped anywhere goes on from there. Raises PolicyRefused
    where the source lacks a part, and what the two places raise.
    """
    raw = source.manifest(root)
    if raw is None:
        raise _incomplete(source, root, "it is missing", target)
    copy_image(source, target, raw)
    if referrers is not None:
        copy_referrers(source, target, root, referrers)
    if tag is not None and target.digest_of(tag) != root:
        target.put_manifest(raw, tag)
    return raw


def copy_image(source: ReadableStore, target: Store, raw: Raw) -> None:
    """Copy a manifest that was read from the source, and all below it, which comes first."""
    document = raw.parsed()
    if isinstance(document, Index):
        for entry in document.manifests:
            child = source.manifest(entry.digest)
            if child is None:
                raise _incomplete(source, raw.digest, f"its child {entry.digest} is missing", target)
            copy_image(source, target, child)
    else:
        _blobs(source, target, raw.digest, document)
    # One with a `subject` may be there and not be listed, where a copy was stopped between the two.
    if document.subject is not None or target.digest_of(raw.digest) is None:
        target.put_manifest(raw)


def require_parts(store: ReadableStore, manifest: Raw) -> None:
    """Raise PolicyRefused where a place lacks a child or a blob of a manifest that is put there, as registries do."""
    document = manifest.parsed()
    if isinstance(document, Index):
        missing = [entry.digest for entry in document.manifests if store.digest_of(entry.digest) is None]
    else:
        parts = (document.config, *document.layers)
        missing = [blob.digest for blob in parts if not store.has_blob(blob.digest)]
    if missing:
        raise PolicyRefused(f"{store.name} does not take {manifest.digest}: it has no {missing[0]}")


def copy_referrers(
    source: ReadableStore, target: Store, subject: Digest, wanted: Callable[[Descriptor], bool]
) -> tuple[Digest, ...]:
    """Put what refers to an image beside the same image elsewhere; returns what was not there yet."""
    present = {entry.digest for entry in target.referrers(subject)}
    copied = []
    for entry in source.referrers(subject):
        if entry.digest in present or not wanted(entry):
            continue
        raw = source.manifest(entry.digest)
        document = raw.parsed() if raw else None
        if raw is None or not isinstance(document, Manifest) or document.subject is None:
            continue  # listed, and gone or something else: it is not the image's
        _blobs(source, target, entry.digest, document)
        target.put_manifest(raw)
        copied.append(entry.digest)
    return tuple(copied)


def _blobs(source: ReadableStore, target: Store, root: Digest, manifest: Manifest) -> None:
    def put(blob: Descriptor) -> None:
        with _writer(target, blob.digest):
            if target.has_blob(blob.digest):
                return
            try:
                with source.blob(blob) as content:
                    target.put_blob(blob, content, source)
            except NotFound:  # of the blob, or of the place that is to have it
                if source.has_blob(blob.digest):
                    raise
                raise _incomplete(source, root, f"its blob {blob.digest} is missing", target) from None

    each(tuple({blob.digest: blob for blob in (manifest.config, *manifest.layers)}.values()), put, _WORKERS)


def _writer(target: Store, digest: Digest) -> threading.Lock:
    """The lock of a blob at a place: images that are copied at the same time share layers, which are sent once."""
    with _LOCK:
        return _WRITERS.setdefault(target, defaultdict(threading.Lock))[digest]


def _incomplete(source: ReadableStore, digest: Digest, why: str, target: Store) -> PolicyRefused:
    return PolicyRefused(f"{source.name}@{digest} is incomplete: {why}", doing=f"copying it to {target.name}")
