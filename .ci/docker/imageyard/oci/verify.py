"""Whether what is published is what was meant: each platform once, children present, nothing foreign."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from imageyard.names import Digest
from imageyard.oci.manifests import Descriptor, Index, Manifest

__all__ = ["Leaf", "attested", "faults", "leaves", "missing", "runnable"]

_DEEPEST = 4


@dataclass(frozen=True)
class Leaf:
    """A manifest that an index leads to: an image, or what attests one (`attests`: its digest)."""

    entry: Descriptor
    document: Manifest | None  # None: only known to be there, or not there
    within: Index

    @property
    def attests(self) -> str | None:
        """By BuildKit's annotation, or by the manifest's own `subject`."""
        if self.entry.attests is not None:
            return self.entry.attests
        subject = self.document.subject if self.document else None
        return subject.digest if subject else None


def leaves(root: Index, documents: Mapping[Digest, Index | Manifest | None], depth: int = 0) -> Iterator[Leaf]:
    """The manifests below an index, those of nested indexes too, in order; `documents` holds what was read of them."""
    for entry in root.manifests:
        document = documents.get(entry.digest)
        if isinstance(document, Index):
            if depth < _DEEPEST:
                yield from leaves(document, documents, depth + 1)
        elif not entry.is_index:
            yield Leaf(entry, document, root)


def runnable(root: Index, documents: Mapping[Digest, Index | Manifest | None]) -> tuple[Leaf, ...]:
    """The leaves that are images, not attestations of them."""
    return tuple(leaf for leaf in leaves(root, documents) if leaf.attests is None)


def attested(root: Index, documents: Mapping[Digest, Index | Manifest | None]) -> bool:
    """Whether every image below the index has an attestation there."""
    named = {leaf.attests for leaf in leaves(root, documents)} - {None}
    images = runnable(root, documents)
    return bool(images) and all(leaf.entry.digest in named for leaf in images)


def missing(
    root: Index, documents: Mapping[Digest, Index | Manifest | None], present: Collection[Digest] = ()
) -> list[str]:
    """Which children are not there, or too deep to be looked at, in words; arguments as in `faults`."""
    there = {digest for digest, document in documents.items() if document is not None} | set(present)
    gone = [entry for entry in _entries(root, documents) if entry.digest not in there]
    return _nesting(root, documents) + [f"child {entry.digest}{_of(entry)} is missing" for entry in gone]


def faults(
    root: Index | Manifest,
    expected: Collection[str],
    documents: Mapping[Digest, Index | Manifest | None],
    *,
    present: Collection[Digest] = (),
    platforms: Mapping[Digest, str] | None = None,
) -> list[str]:
    """What is wrong with a published image, in words; empty: it is complete and holds nothing else.

    `expected`: its platforms. `documents`: by digest, the indexes and manifests that were read below the root.
    `present`: digests of further manifests that are known to be there. `platforms`: those read from configs, which
    must agree with what the index says.
    """
    configs = platforms or {}
    found: list[tuple[str, str]] = []
    wrong: list[str] = []
    if isinstance(root, Manifest):
        if not root.is_image:
            wrong.append(f"{root.digest} is an artifact, not an image")
        found.append((configs.get(root.digest, ""), root.digest))
    else:
        wrong += missing(root, documents, present)
        wrong += _sizes(root, documents)
        wrong += _attestations(root, documents)
        for leaf in runnable(root, documents):
            if leaf.document is not None and not leaf.document.is_image:
                wrong.append(f"{leaf.entry.digest} is an artifact that belongs to no image of this index")
                continue
            said, own = leaf.entry.platform, configs.get(leaf.entry.digest)
            if said and own and said != own:
                wrong.append(f"{leaf.entry.digest} is called {said} in the index and is {own} by its config")
            found.append((own or said or "", leaf.entry.digest))
    return wrong + _platforms(found, expected)


def _platforms(found: list[tuple[str, str]], expected: Collection[str]) -> list[str]:
    have = [platform for platform, _ in found]
    wrong = [f"{digest} names no platform" for platform, digest in found if not platform]
    wrong += [f"platform {platform} is missing" for platform in expected if platform not in have]
    wrong += [
        f"platform {platform} is there {have.count(platform)} times"
        for platform in dict.fromkeys(have)
        if platform and have.count(platform) > 1
    ]
    wrong += [f"platform {platform} is foreign" for platform in dict.fromkeys(have) if platform not in {*expected, ""}]
    return wrong


def _entries(root: Index, documents: Mapping[Digest, Index | Manifest | None], depth: int = 0) -> Iterator[Descriptor]:
    for entry in root.manifests:
        yield entry
        below = documents.get(entry.digest)
        if isinstance(below, Index) and depth < _DEEPEST:
            yield from _entries(below, documents, depth + 1)


def _nesting(root: Index, documents: Mapping[Digest, Index | Manifest | None], depth: int = 0) -> list[str]:
    if depth > _DEEPEST:
        return [f"indexes are nested more than {_DEEPEST} deep"]
    below = [documents.get(entry.digest) for entry in root.manifests]
    return [fault for index in below if isinstance(index, Index) for fault in _nesting(index, documents, depth + 1)][:1]


def _sizes(root: Index, documents: Mapping[Digest, Index | Manifest | None]) -> list[str]:
    wrong = []
    for entry in _entries(root, documents):
        document = documents.get(entry.digest)
        if document is None:
            continue
        if document.size != entry.size:
            wrong.append(f"child {entry.digest} has {document.size} bytes, and the index says {entry.size}")
        if document.media_type != entry.media_type:
            wrong.append(f"child {entry.digest} is {document.media_type}, and the index says {entry.media_type}")
    return wrong


def _attestations(root: Index, documents: Mapping[Digest, Index | Manifest | None]) -> list[str]:
    inside = {leaf.entry.digest for leaf in runnable(root, documents)}
    return [
        f"attestation {leaf.entry.digest} points at {leaf.attests or 'nothing'}, which is not an image of this index"
        for leaf in leaves(root, documents)
        if leaf.attests is not None and leaf.attests not in inside
    ]


def _of(entry: Descriptor) -> str:
    if entry.attests is not None:
        return " (attestation)"
    return f" ({entry.platform})" if entry.platform else ""
