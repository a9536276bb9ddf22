"""What a bucket says that it holds: entries of tags, and generations, each all the tags of a commit or of a week."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imageyard.bucket.entries import TagEntry, content_of, dumps, entry_from
from imageyard.bucket.objects import Bucket, ObjectEntry
from imageyard.bucket.store import blob_key, manifest_key, read_document, read_entry
from imageyard.errors import Transient
from imageyard.names import Digest
from imageyard.parallel import each

__all__ = [
    "Generation",
    "backed_up",
    "generation_key",
    "keys_of",
    "lists_of",
    "objects",
    "read_entries",
    "read_generation",
    "read_generations",
    "read_tags",
    "whole",
    "write_generation",
]

_WORKERS = 16


@dataclass(frozen=True)
class Generation:
    """The tags that were backed up together; `id` is a commit, or a week as `2026-W48`; `saved` as in a tag's entry."""

    id: str
    saved: str
    tags: tuple[TagEntry, ...]


def generation_key(id: str) -> str:
    """The key of a generation."""
    return f"generations/{id}.json"


def keys_of(entry: TagEntry) -> frozenset[str]:
    """The keys of all that an image is made of."""
    return frozenset([*map(manifest_key, entry.manifests), *map(blob_key, entry.blobs)])


def lists_of(entry: TagEntry, keys: Iterable[str]) -> set[str]:
    """Those among keys that list a manifest of an image beside its `subject`."""
    digests = {digest.partition(":")[2] for digest in entry.manifests}
    lists = [key for key in keys if key.startswith("referrers/")]
    return {key for key in lists if key.rpartition("/")[2].removesuffix(".json") in digests}


def objects(bucket: Bucket) -> Iterator[ObjectEntry]:
    """What images are made of in a bucket: all manifests, then all blobs."""
    for prefix in ("manifests/", "blobs/"):
        yield from bucket.list(prefix)


def whole(entry: TagEntry, keys: Collection[str]) -> bool:
    """Whether a listing has all that an image is made of."""
    return keys_of(entry) <= set(keys)


def backed_up(bucket: Bucket, *, tags: Iterable[TagEntry] | None = None) -> frozenset[Digest]:
    """The digests of all manifests whose image is whole in the bucket: indexes, their children, referrers.

    What entries say is compared with a listing, so that one whose parts were deleted by hand does not count. Nothing is
    re-hashed: `inv backup --verify` does that. Raises Denied or Transient where the bucket cannot be read.
    """
    entries = read_entries(bucket) if tags is None else list(tags)
    keys = {listed.key for listed in objects(bucket)}
    return frozenset(digest for entry in entries if whole(entry, keys) for digest in entry.manifests)


def read_entries(bucket: Bucket) -> list[TagEntry]:
    """The entries of all tags, and of all generations. Raises Transient for one that is damaged."""
    return [*read_tags(bucket), *(one for generation in read_generations(bucket) for one in generation.tags)]


def read_tags(bucket: Bucket, repository: str | None = None) -> list[TagEntry]:
    """The entries of all tags, or of a repository's. Raises Transient for one that is damaged."""
    prefix = "tags/" if repository is None else f"tags/{repository}/"
    keys = [listed.key for listed in bucket.list(prefix)]
    found = [entry for entry in each(keys, lambda key: read_entry(bucket, key), _WORKERS) if entry is not None]
    return [entry for entry in found if repository in (None, entry.repository)]


def read_generations(bucket: Bucket) -> list[Generation]:
    """All generations, by their keys. Raises Transient for one that is damaged."""
    ids = [listed.key.rpartition("/")[2].removesuffix(".json") for listed in bucket.list("generations/")]
    return [one for one in each(ids, lambda id: read_generation(bucket, id), _WORKERS) if one is not None]


def read_generation(bucket: Bucket, id: str) -> Generation | None:
    """One generation, None where there is none."""
    return read_document(bucket, generation_key(id), _generation)


def write_generation(bucket: Bucket, id: str, saved: str, entries: Sequence[TagEntry]) -> None:
    """Write a generation; one that is there keeps its other tags: a backup may be of some images only."""
    before = read_generation(bucket, id)
    tags = {(one.repository, one.tag): one for one in (*(before.tags if before else ()), *entries)}
    content = {"id": id, "saved": saved, "tags": [content_of(tags[key]) for key in sorted(tags)]}
    bucket.replace(generation_key(id), dumps(content))


def _generation(content: Mapping[str, Any], name: str) -> Generation:
    try:
        return Generation(content["id"], content["saved"], tuple(entry_from(one, name) for one in content["tags"]))
    except (KeyError, TypeError):
        raise Transient(f"{name} is no generation", doing="reading a backup") from None
