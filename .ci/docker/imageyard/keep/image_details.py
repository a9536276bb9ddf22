"""What is below and beside the images of a repository that have tags: platforms, sizes, attestations, records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from imageyard.errors import ConfigurationError, Denied, NotFound, Transient
from imageyard.keep.page_facts import PlatformImage
from imageyard.names import Digest, known_arch, platform_of
from imageyard.oci.manifests import Index, Manifest, platform_of_config
from imageyard.parallel import each
from imageyard.publishing.record_artifact import ARTIFACT_TYPE
from imageyard.records import Record, from_json
from imageyard.registry import blobs

if TYPE_CHECKING:
    from imageyard.keep.inventory import InventoryReader
    from imageyard.keep.retention_facts import Inventory

__all__ = ["DetailReader", "ImageDetails"]

_WORKERS = 16
_DEEPEST = 4
_PREDICATE = "in-toto.io/predicate-type"
"""BuildKit, "Image attestation storage": the annotation of an attestation's layer that says what it is."""


@dataclass(frozen=True)
class ImageDetails:
    """The images of each platform by the digest of what has the tag, and which manifests have a signature beside them.

    `unread` is how many records could not be understood, `error` what kept the rest from being read.
    """

    platforms: Mapping[str, tuple[PlatformImage, ...]]
    signed: frozenset[str]
    unread: int = 0
    error: Denied | Transient | None = None


@dataclass
class DetailReader:
    """Reads the details of one repository; the first refusal ends it, and what was read by then is kept."""

    reader: InventoryReader
    inventory: Inventory
    unread: int = 0
    error: Denied | Transient | None = None
    _lines: dict[str, str] = field(default_factory=dict)

    def read(self, digests: Sequence[str]) -> ImageDetails:
        """Read what is below and beside these manifests."""
        self._referrers: dict[str, list[str]] = {}
        for digest, one in self.inventory.manifests.items():
            for subject in one.subjects:
                self._referrers.setdefault(subject, []).append(digest)
        found = each(tuple(digests), self._platforms, _WORKERS)
        platforms = dict(zip(digests, found, strict=True))
        return ImageDetails(platforms, self._signed(), self.unread, self.error)

    def _platforms(self, digest: str) -> tuple[PlatformImage, ...]:
        """The images below a manifest; empty once something was refused."""
        if self.error is not None:
            return ()
        try:
            return tuple(self._below(digest, "", (), 0))
        except (Denied, Transient) as error:
            self.error = self.error or error
            return ()

    def _below(self, digest: str, platform: str, subjects: Sequence[str], depth: int) -> Iterable[PlatformImage]:
        """An image, or the images that an index lists; `subjects` are the indexes above, whose record may be of it."""
        raw = self.reader.raw(digest)
        listed = self.inventory.manifests.get(digest)
        if raw is None or depth > _DEEPEST:
            yield PlatformImage(digest, platform, listed.size if listed else None)
            return
        document = raw.parsed()
        if isinstance(document, Manifest):
            if document.is_image:
                yield self._image(digest, document, platform, subjects)
            return
        attested: dict[str, list[str]] = {}
        for entry in document.manifests:
            if entry.attests:
                attested.setdefault(entry.attests, []).append(entry.digest)
        for entry in document.manifests:
            if entry.attests is None:
                for one in self._below(entry.digest, entry.platform or "", (*subjects, digest), depth + 1):
                    predicates = (kind for proof in attested.get(one.digest, ()) for kind in self._predicates(proof))
                    yield replace(one, predicates=tuple(dict.fromkeys([*one.predicates, *predicates])))

    def _image(self, digest: str, document: Manifest, platform: str, subjects: Sequence[str]) -> PlatformImage:
        size = document.config.size + sum(layer.size for layer in document.layers)
        record = self._record([digest, *reversed(subjects)], platform)
        arch = known_arch(record.arch) if record else None
        if not platform:
            platform = platform_of(arch) if arch else self._configured(document)
        return PlatformImage(digest, platform, size, record=record)

    def _configured(self, document: Manifest) -> str:
        """The platform that the config of an image names; empty where it is damaged or gone."""
        try:
            config = Digest(document.config.digest)
            return platform_of_config(
                blobs.read(self.reader.client, self.reader.repository, config, limit=blobs.CONFIG_LIMIT)
            )
        except NotFound:
            return ""

    def _predicates(self, digest: str) -> list[str]:
        raw = self.reader.raw(digest)
        document = raw.parsed() if raw else None
        if not isinstance(document, Manifest):
            return []
        return [layer.annotations.get(_PREDICATE, layer.media_type) for layer in document.layers]

    def _record(self, subjects: Sequence[str], platform: str) -> Record | None:
        """The newest record of a platform with facts, else the newest, beside the first of these that has one."""
        for subject in subjects:
            beside = [self._read_record(digest) for digest in self._referrers.get(subject, ())]
            own = [
                record for record in beside if record is not None and (not platform or _is_of(record.arch, platform))
            ]
            own.sort(key=lambda record: record.started)
            if own:
                return next((record for record in reversed(own) if record.facts), own[-1])
        return None

    def _read_record(self, digest: str) -> Record | None:
        """A record, None for what is none or cannot be understood: whoever may write may put artifacts there."""
        raw = self.reader.raw(digest)
        document = raw.parsed() if raw else None
        if not isinstance(document, Manifest) or document.artifact_type != ARTIFACT_TYPE:
            return None
        try:
            if len(document.layers) != 1:
                raise ConfigurationError("it is not one document")
            content = blobs.read(self.reader.client, self.reader.repository, document.layers[0].digest)
            return self._shared(from_json(content, "the record"))
        except (ConfigurationError, NotFound, UnicodeDecodeError):
            self.unread += 1
            return None

    def _shared(self, record: Record) -> Record:
        """A record whose facts share their lines with other records: thousands of images have the same packages."""
        lines = self._lines
        facts = {name: tuple(lines.setdefault(line, line) for line in fact) for name, fact in record.facts.items()}
        return replace(record, facts=facts)

    def _signed(self) -> frozenset[str]:
        """The manifests beside which a signature lies (sigstore/cosign: by tag, `.sig`; by referrer, a bundle)."""
        found = set()
        for digest, one in self.inventory.manifests.items():
            by_tag = any(tag.endswith(".sig") for tag in one.tags)
            if one.subjects and (by_tag or self._is_signature(digest)):
                found |= set(one.subjects)
        return frozenset(found)

    def _is_signature(self, digest: str) -> bool:
        raw = self.reader.documents.get(digest)
        if raw is None:
            return False
        document = raw.parsed()
        kinds = [document.artifact_type or ""]
        kinds += [] if isinstance(document, Index) else [document.config.media_type]
        return any(kind.startswith(("application/vnd.dev.sigstore.", "application/vnd.dev.cosign.")) for kind in kinds)


def _is_of(arch: str, platform: str) -> bool:
    known = known_arch(arch)
    return known is not None and platform_of(known) == platform
