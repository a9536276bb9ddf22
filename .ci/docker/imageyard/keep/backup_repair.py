"""`inv backup --verify --repair`: write damaged objects of a backup anew, from the registry, and read them back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, cast

from imageyard.bucket.store import BucketStore, blob_key, manifest_key, referrer_body, referrer_key
from imageyard.bucket.upload import PART, upload
from imageyard.errors import Denied, ImageyardError
from imageyard.keep.backup_index import keys_of, lists_of
from imageyard.keep.backup_marker import backing_up
from imageyard.names import parse_reference
from imageyard.oci.manifests import Descriptor, Manifest
from imageyard.registry.store import RegistryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from imageyard.bucket.entries import TagEntry
    from imageyard.bucket.objects import Bucket
    from imageyard.keep.backup_marker import Marker
    from imageyard.names import Digest
    from imageyard.oci.raw import Raw
    from imageyard.run.services import Services

__all__ = ["repair"]


def repair(
    services: Services,
    bucket: Bucket,
    entries: Iterable[TagEntry],
    faulty: Mapping[str, str],
    damage: Callable[[str, int], str | None],
) -> dict[str, str]:
    """Write anew what the entries need and is damaged or missing; returns what is still so, by key, each with why.

    Only bytes whose hash is the name of the object are written, and `damage` tells of them again by what the bucket has
    then. Raises Transient while old backups are being deleted, and Denied where the bucket refuses.
    """
    mending = _Mending(bucket, dict(faulty), damage)
    with backing_up(bucket) as marker:
        for entry in entries:
            if mending.named(entry):
                source = RegistryStore(services.registry(), parse_reference(entry.repository), PART)
                for key in mending.mend(entry, source, marker):
                    services.reporter.step(f"written anew: {bucket.path(key)}")
    return {key: f"{why}; {mending.notes[key]}" if key in mending.notes else why for key, why in mending.left.items()}


class _Mending:
    """What is still damaged or missing, by key (`left`), and why it could not be written anew (`notes`)."""

    def __init__(self, bucket: Bucket, left: dict[str, str], damage: Callable[[str, int], str | None]) -> None:
        self.bucket = bucket
        self.left = left
        self.damage = damage
        self.notes: dict[str, str] = {}

    def named(self, entry: TagEntry) -> set[str]:
        """What of an entry is still wrong."""
        return {*(keys_of(entry) & set(self.left))} | lists_of(entry, self.left)

    def mend(self, entry: TagEntry, source: RegistryStore, marker: Marker) -> Iterator[str]:
        """Write what is wrong of an image, manifests, lists and blobs as they are met; gives the key of each."""
        saved = BucketStore(self.bucket, entry.repository)
        for digest in entry.manifests:
            key = manifest_key(digest)
            raw = self._manifest(key, digest, source, saved)
            if raw is None:
                continue
            if key in self.left:
                marker.confirm()
                if self._put(key, raw.body, raw.media_type):
                    yield key
            listing = referrer_key(raw)
            if listing is not None and listing in self.left:
                marker.confirm()
                if self._put(listing, referrer_body(raw), "application/json"):
                    yield listing
            for blob in _blobs(raw):
                if (key := blob_key(blob.digest)) in self.left:
                    marker.confirm()
                    if self._copy(key, blob, source):
                        yield key
        for key in self.named(entry) - self.notes.keys():
            self.notes[key] = "no manifest that names it can be read"

    def _manifest(self, key: str, digest: Digest, source: RegistryStore, saved: BucketStore) -> Raw | None:
        """A manifest, from the bucket where it is whole there, else from the registry; None where neither gives it."""
        if key not in self.left and (raw := _read(saved, digest)) is not None:
            return raw
        why = f"it has no {digest}"
        try:
            if (raw := source.manifest(digest)) is not None:
                return raw
        except ImageyardError as error:
            why = error.headline
        if key in self.left:
            self.notes[key] = f"{source.name} could not give it: {why}"
        return None

    def _put(self, key: str, body: bytes, media_type: str) -> bool:
        try:
            self.bucket.replace(key, body, media_type)
        except Denied:
            raise
        except ImageyardError as error:
            self.notes[key] = f"it could not be written: {error.headline}"
            return False
        return self._is_mended(key, len(body))

    def _copy(self, key: str, blob: Descriptor, source: RegistryStore) -> bool:
        with source.blob(blob) as opened:
            content = _Reading(opened)
            try:
                upload(self.bucket, key, blob, cast("IO[bytes]", content), source.name, replace=True)
            except ImageyardError as error:
                if content.error is not None:
                    self.notes[key] = f"{source.name} could not give it: {content.error.headline}"
                elif isinstance(error, Denied):
                    raise
                else:
                    self.notes[key] = f"it could not be written: {error.headline}"
                return False
        return self._is_mended(key, blob.size)

    def _is_mended(self, key: str, size: int) -> bool:
        """Whether the bucket has the right bytes now; a list of a referrer says by its name all that it says."""
        why = None if key.startswith("referrers/") else self.damage(key, size)
        if why is None:
            del self.left[key]
        else:
            self.left[key] = why
            self.notes[key] = "it was written anew before"
        return why is None


class _Reading:
    """A blob that is read, and the error with which reading it ended: writing it elsewhere may fail too."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self.error: ImageyardError | None = None

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        try:
            return self._content.read(size)
        except ImageyardError as error:
            self.error = error
            raise

    def seek(self, at: int, whence: int = 0) -> int:
        """As of a file."""
        return self._content.seek(at, whence)


def _read(saved: BucketStore, digest: Digest) -> Raw | None:
    """A manifest that the bucket has whole. Raises Denied."""
    try:
        return saved.manifest(digest)
    except Denied:
        raise
    except ImageyardError:
        return None


def _blobs(raw: Raw) -> tuple[Descriptor, ...]:
    document = raw.parsed()
    return (document.config, *document.layers) if isinstance(document, Manifest) else ()
