"""`inv backup --verify --repair`: write damaged objects of a backup anew, from the registry, and read them back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from imageyard.bucket.store import blob_key, manifest_key
from imageyard.bucket.upload import PART, upload
from imageyard.errors import ImageyardError, NotFound
from imageyard.keep.backup_index import keys_of
from imageyard.keep.backup_marker import backing_up
from imageyard.names import parse_reference
from imageyard.oci.manifests import Descriptor, Manifest
from imageyard.registry.store import RegistryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from imageyard.bucket.entries import TagEntry
    from imageyard.bucket.objects import Bucket
    from imageyard.keep.backup_marker import Marker
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
    then. Raises Transient while old backups are being deleted.
    """
    left = dict(faulty)
    with backing_up(bucket) as marker:
        for entry in entries:
            if keys_of(entry).isdisjoint(left):
                continue
            source = RegistryStore(services.registry(), parse_reference(entry.repository), PART)
            try:
                for key, size in _written(bucket, source, entry, left, marker):
                    if (why := damage(key, size)) is None:
                        del left[key]
                        services.reporter.step(f"written anew: {bucket.path(key)}")
                    else:
                        left[key] = why
            except ImageyardError as error:
                told = f"{source.name} could not give it: {error.headline}"
                left |= {key: f"{left[key]}; {told}" for key in keys_of(entry) & set(left)}
    return left


def _written(
    bucket: Bucket, source: RegistryStore, entry: TagEntry, wanted: Mapping[str, str], marker: Marker
) -> Iterator[tuple[str, int]]:
    """Write what is wanted of an image, manifests and blobs as they are met; gives the key and the size of each."""
    for digest in entry.manifests:
        raw = source.manifest(digest)
        if raw is None:
            raise NotFound(f"{source.name} has no {digest}", doing="repairing a backup")
        if (key := manifest_key(digest)) in wanted:
            marker.confirm()
            bucket.replace(key, raw.body, raw.media_type)
            yield key, len(raw.body)
        for blob in _blobs(raw):
            if (key := blob_key(blob.digest)) in wanted:
                marker.confirm()
                with source.blob(blob) as content:
                    upload(bucket, key, blob, content, source.name, replace=True)
                yield key, blob.size


def _blobs(raw: Raw) -> tuple[Descriptor, ...]:
    document = raw.parsed()
    return (document.config, *document.layers) if isinstance(document, Manifest) else ()
