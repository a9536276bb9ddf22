"""Which images were made by another version of recipes, so that no tag that is computed now can be theirs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from imageyard.errors import NotFound
from imageyard.names import Digest
from imageyard.oci.manifests import Index
from imageyard.parallel import each
from imageyard.project.labels import VERSION_LABEL
from imageyard.recipe.model import VERSION
from imageyard.registry import blobs

if TYPE_CHECKING:
    from imageyard.keep.inventory import InventoryReader

__all__ = ["unversioned"]

_WORKERS = 16
_DEEPEST = 4


def unversioned(reader: InventoryReader, digests: Sequence[str]) -> frozenset[str]:
    """Those of the images whose label does not say that their recipe is of the version of now.

    An index is what its first image is. Raises Denied or Transient.
    """
    versions = each(tuple(digests), lambda digest: _version(reader, digest, 0), _WORKERS)
    return frozenset(digest for digest, version in zip(digests, versions, strict=True) if version != str(VERSION))


def _version(reader: InventoryReader, digest: str, depth: int) -> str:
    raw = reader.raw(digest)
    if raw is None or depth > _DEEPEST:
        return ""
    document = raw.parsed()
    if isinstance(document, Index):
        entries = (entry.digest for entry in document.manifests if entry.attests is None)
        return next((version for one in entries if (version := _version(reader, one, depth + 1))), "")
    try:
        content = json.loads(
            blobs.read(reader.client, reader.repository, Digest(document.config.digest), limit=blobs.CONFIG_LIMIT)
        )
        return str(content["config"]["Labels"][VERSION_LABEL])
    except (NotFound, ValueError, KeyError, TypeError, RecursionError):
        return ""
