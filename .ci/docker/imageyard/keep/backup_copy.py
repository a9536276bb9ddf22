"""Copying an image with all that belongs to it: children, and whatever refers to any of its manifests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from imageyard.names import Digest
from imageyard.oci import store
from imageyard.oci.manifests import Index
from imageyard.oci.raw import Raw
from imageyard.oci.store import ReadableStore, Store

__all__ = ["companions", "copy_whole", "is_companion", "manifests_of"]

_COSIGN = re.compile(r"sha256-([0-9a-f]{64})\.(sig|att|sbom|revoked)")
"""Tags by which cosign 1 and 2 name what belongs to a manifest (sigstore/cosign, specs/SIGNATURE_SPEC.md), and ours
for its revocation (`oci/revocation.py`): a recovered image stays revoked."""


def copy_whole(source: ReadableStore, target: Store, root: Digest) -> Raw:
    """Copy an image and its referrers by digest, theirs too; no tag is given. Raises as `oci.store.copy` does."""
    raw = store.copy(source, target, root)
    done: set[Digest] = set()
    waiting = list(manifests_of(source, raw))
    while waiting:
        digest = waiting.pop()
        if digest not in done:
            done.add(digest)
            store.copy_referrers(source, target, digest, lambda entry: True)
            waiting += [entry.digest for entry in source.referrers(digest)]
    return raw


def manifests_of(place: ReadableStore, raw: Raw) -> Iterator[Digest]:
    """The digests of an image's manifests, of its own first."""
    yield raw.digest
    document = raw.parsed()
    if isinstance(document, Index):
        for entry in document.manifests:
            child = place.manifest(entry.digest)
            if child is not None:
                yield from manifests_of(place, child)


def companions(tags: Iterable[str], manifests: Iterable[Digest]) -> list[str]:
    """The tags by which cosign names what belongs to some manifests."""
    wanted = set(manifests)
    matches = [(tag, _COSIGN.fullmatch(tag)) for tag in tags]
    return sorted(tag for tag, match in matches if match and f"sha256:{match[1]}" in wanted)


def is_companion(tag: str) -> bool:
    """Whether cosign names something by this tag that belongs to a manifest."""
    return _COSIGN.fullmatch(tag) is not None
