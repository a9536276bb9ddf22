"""Indexes made from others, by their descriptors: what belongs to one platform, and several platforms in one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from imageyard.errors import Transient
from imageyard.names import Digest
from imageyard.oci.manifests import OCI_INDEX, Index, digest_of
from imageyard.oci.raw import Raw

__all__ = ["joined", "part"]


def part(whole: Raw, platform: str) -> Raw | Digest:
    """What an index has for a platform: the digest of its image, or an index of the image and what attests it.

    Raises Transient where it does not have the platform once.
    """
    index = whole.parsed()
    assert isinstance(index, Index)
    own = [entry.digest for entry in index.manifests if entry.attests is None and entry.platform == platform]
    if len(own) != 1:
        raise Transient(f"{whole.digest} has {len(own)} images for {platform}", doing="reading what was built")
    kept = [n for n, entry in enumerate(index.manifests) if own[0] in (entry.digest, entry.attests)]
    return own[0] if len(kept) == 1 else _index([_entries(whole)[n] for n in kept])


def joined(parts: Mapping[str, Raw]) -> Raw:
    """One index of what several references lead to, by platform; each is an image, or an index as `part` gives it."""
    entries: list[dict[str, Any]] = []
    for platform, raw in parts.items():
        if isinstance(raw.parsed(), Index):
            entries += _entries(raw)
            continue
        os, architecture = platform.split("/")
        entry = {"mediaType": raw.media_type, "digest": raw.digest, "size": len(raw.body)}
        entries.append({**entry, "platform": {"architecture": architecture, "os": os}})
    return _index(entries)


def _entries(raw: Raw) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(raw.body)["manifests"]
    return found


def _index(entries: Sequence[Mapping[str, Any]]) -> Raw:
    content = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}
    body = json.dumps(content, separators=(",", ":")).encode()
    return Raw(OCI_INDEX, digest_of(body), body)
