"""The small documents of a bucket that name images: an entry for each tag. They carry a checksum of themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from imageyard.errors import ConfigurationError, Transient
from imageyard.names import Digest
from imageyard.oci.manifests import is_digest

__all__ = ["TagEntry", "content_of", "dumps", "entry_from", "loads", "tag_key", "tags_prefix"]

VERSION = 1


@dataclass(frozen=True)
class TagEntry:
    """A tag of a repository, and all that its image is made of: `manifests` and `blobs`, those of referrers too.

    `saved` is when it was backed up last, UTC in ISO 8601; `size` is of the blobs and the manifests, in bytes.
    """

    repository: str
    tag: str
    digest: Digest
    media_type: str
    size: int
    saved: str
    manifests: tuple[Digest, ...]
    blobs: tuple[Digest, ...]


def tags_prefix(repository: str) -> str:
    """Where the entries of a repository's tags begin."""
    return f"tags/{repository}/"


def tag_key(repository: str, tag: str) -> str:
    """The key of a tag's entry."""
    return f"{tags_prefix(repository)}{tag}.json"


def dumps(content: Mapping[str, Any]) -> bytes:
    """A document, with the SHA-256 of its content: not every S3 keeps a checksum, and these are named by no digest."""
    text = _canonical(content)
    document = {"version": VERSION, "sha256": hashlib.sha256(text).hexdigest(), "content": content}
    return json.dumps(document, indent=1, sort_keys=True).encode()


def loads(body: bytes, name: str) -> Mapping[str, Any]:
    """The content of a document. Raises Transient for one that is damaged, ConfigurationError for a later version."""
    damaged = Transient(f"{name} is damaged", doing="reading a backup", hint="inv backup    (writes it anew)")
    try:
        document = json.loads(body)
        version, content = document["version"], document["content"]
        told = document["sha256"]
    except (ValueError, KeyError, TypeError):
        raise damaged from None
    if version != VERSION:
        raise ConfigurationError(f"{name} is of version {version}", hint="use the newer version of this package")
    if not isinstance(content, dict) or hashlib.sha256(_canonical(content)).hexdigest() != told:
        raise damaged
    return content


def entry_from(content: Mapping[str, Any], name: str) -> TagEntry:
    """A tag's entry out of its content. Raises Transient where it is none."""
    try:
        lists = {key: tuple(map(Digest, content[key])) for key in ("manifests", "blobs")}
        entry = TagEntry(**{**content, **lists})
    except (TypeError, KeyError):
        raise Transient(f"{name} is no entry of a tag", doing="reading a backup") from None
    if not all(map(is_digest, (entry.digest, *entry.manifests, *entry.blobs))):
        raise Transient(f"{name} names what is no digest", doing="reading a backup")
    return entry


def content_of(entry: TagEntry) -> Mapping[str, Any]:
    """An entry as plain data."""
    return asdict(entry)


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
