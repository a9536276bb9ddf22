"""A manifest with the exact bytes that its digest is of."""

from __future__ import annotations

from dataclasses import dataclass

from imageyard.names import Digest
from imageyard.oci.manifests import Index, Manifest, parse

__all__ = ["Raw"]


@dataclass(frozen=True)
class Raw:
    """A manifest as a place keeps it: the digest is of these bytes."""

    media_type: str
    digest: Digest
    body: bytes

    def parsed(self) -> Index | Manifest:
        """The document in these bytes. Raises Transient where it is none."""
        return parse(self.body, self.media_type)
