"""Manifests and indexes of both media type families, read strictly from bytes that anyone may have written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeGuard

from imageyard import exact_json
from imageyard.errors import Transient
from imageyard.names import Digest, platform_text

__all__ = [
    "ACCEPT",
    "ATTESTED",
    "DOCKER_LIST",
    "DOCKER_MANIFEST",
    "INDEXES",
    "MEDIA_TYPES",
    "OCI_EMPTY",
    "OCI_INDEX",
    "OCI_MANIFEST",
    "READ_LIMIT",
    "Descriptor",
    "Index",
    "Manifest",
    "digest_of",
    "is_digest",
    "matches",
    "parse",
    "platform_of_config",
]

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MEDIA_TYPES = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)
ACCEPT = ", ".join(MEDIA_TYPES)
"""distribution 2.8 answers 404 for an OCI manifest that exists where its type is not in here."""

_IMAGE_CONFIGS = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_MOST_CHILDREN = 1000
_MOST_LAYERS = 1000
ATTESTATION = "attestation-manifest"
"""BuildKit, "Image attestation storage": the value of `vnd.docker.reference.type`."""

ATTESTED = "vnd.docker.reference.digest"
"""The annotation of an index's entry that names the image which it attests (the same place)."""
READ_LIMIT = 16 * 1024 * 1024
"""Bytes of the largest manifest that is read from a file; registries take 4 MiB."""


@dataclass(frozen=True)
class Descriptor:
    """What a manifest says of something that it points at; `size` in bytes, `platform` as `linux/arm64`."""

    media_type: str
    digest: Digest
    size: int
    platform: str | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_index(self) -> bool:
        """Whether it points at an index."""
        return self.media_type in INDEXES

    @property
    def attests(self) -> str | None:
        """The digest of the image that this entry of an index says to attest, `""` where it names none."""
        if self.annotations.get("vnd.docker.reference.type") != ATTESTATION:
            return None
        return self.annotations.get(ATTESTED, "")


@dataclass(frozen=True)
class Manifest:
    """One image, or an artifact: a config and layers."""

    digest: Digest
    size: int
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_image(self) -> bool:
        """Whether it is a container image, not an artifact (OCI image-spec 1.1, "Guidelines for Artifact Usage")."""
        return self.config.media_type in _IMAGE_CONFIGS


@dataclass(frozen=True)
class Index:
    """A list of manifests, and of indexes."""

    digest: Digest
    size: int
    media_type: str
    manifests: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


Document: TypeAlias = "Index | Manifest"


class _Wrong(ValueError):
    """A document is not what it says; the message names the field."""


def digest_of(body: bytes) -> Digest:
    """The sha256 digest of bytes."""
    return Digest(f"sha256:{hashlib.sha256(body).hexdigest()}")


def is_digest(text: str) -> bool:
    """Whether `text` is a digest of an algorithm that registries use (sha256, sha512)."""
    return _DIGEST.fullmatch(text) is not None


def matches(body: bytes, digest: str) -> bool:
    """Whether bytes have this digest; False for a digest that is none."""
    return is_digest(digest) and hashlib.new(digest.partition(":")[0], body).hexdigest() == digest.partition(":")[2]


def parse(body: bytes, declared: str | None = None) -> Index | Manifest:
    """Read an index or a manifest; `declared` is the Content-Type it came with.

    Strict where a loose reading could be turned against us: one meaning only (CVE-2021-41190: both `manifests` and
    `layers`, or a `mediaType` other than the declared one), no duplicate keys, right types throughout. Digests other
    than sha256 and sha512 are refused. Raises Transient, with the field's name: what a registry hands out in this
    state says nothing of the image.
    """
    try:
        return _document(body, (declared or "").partition(";")[0].strip())
    except _Wrong as wrong:
        raise Transient(f"not a manifest that can be believed: {wrong}", doing="reading a manifest") from None


def platform_of_config(body: bytes) -> str:
    """The platform that an image's config names. Raises Transient where it names none."""
    try:
        content = _object(_json(body), "the config")
        os, architecture = _text(content, "os"), _text(content, "architecture")
        if not os or not architecture:
            raise _Wrong("`os` or `architecture` is missing")
        return platform_text(os, architecture, _text(content, "variant") or "")
    except _Wrong as wrong:
        raise Transient(f"not an image config that can be believed: {wrong}", doing="reading a config") from None


def _document(body: bytes, declared: str) -> Index | Manifest:
    content = _object(_json(body), "the document")
    stated = _text(content, "mediaType") or ""
    if "schemaVersion" in content and content["schemaVersion"] != 2:
        raise _Wrong(f"`schemaVersion` is {content['schemaVersion']!r:.20}, not 2")
    listing, single = "manifests" in content, "config" in content or "layers" in content
    if listing and single:
        raise _Wrong("it is an index and a manifest at once")
    if not listing and not single:
        raise _Wrong("it has neither `manifests` nor `config`")
    if "fsLayers" in content:
        raise _Wrong("it mixes in the old schema 1")
    known = (OCI_INDEX, DOCKER_LIST) if listing else (OCI_MANIFEST, DOCKER_MANIFEST)
    media_type = stated or (declared if declared in known else known[0])
    if media_type not in known:
        raise _Wrong(f"`mediaType` is {media_type!r:.100}, which has no such fields")
    if declared and declared != media_type:
        raise _Wrong(f"it came as {declared!r:.100} and says that it is {media_type!r:.100}")
    subject = content.get("subject")
    common: dict[str, Any] = {
        "digest": digest_of(body),
        "size": len(body),
        "media_type": media_type,
        "subject": None if subject is None else _descriptor(subject, "subject"),
        "artifact_type": _text(content, "artifactType"),
        "annotations": _annotations(content, ""),
    }
    if listing:
        return Index(manifests=_descriptors(content, "manifests", _MOST_CHILDREN), **common)
    config = _descriptor(content.get("config"), "config")
    return Manifest(config=config, layers=_descriptors(content, "layers", _MOST_LAYERS), **common)


def _json(body: bytes) -> object:
    try:
        return exact_json.read(body)
    except exact_json.RepeatedKey:
        raise _Wrong("it has one key twice") from None
    except exact_json.NoNumber as found:
        raise _Wrong(f"{found} is not JSON") from None
    except UnicodeDecodeError:
        raise _Wrong("it is not UTF-8") from None
    except RecursionError:
        raise _Wrong("it is nested too deeply") from None
    except ValueError:
        raise _Wrong("it is not JSON") from None


def _object(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _Wrong(f"{name} is not an object")
    return value


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _text(content: Mapping[str, object], key: str, within: str = "") -> str | None:
    value = content.get(key)
    if value is not None and not isinstance(value, str):
        raise _Wrong(f"`{within}{key}` is not text")
    return value


def _annotations(content: Mapping[str, object], within: str) -> Mapping[str, str]:
    value = content.get("annotations")
    found = {} if value is None else _object(value, f"`{within}annotations`")
    for key, text in found.items():
        if not isinstance(text, str):
            raise _Wrong(f"the annotation {key!r:.60} is not text")
    return {key: str(text) for key, text in found.items()}


def _descriptors(content: Mapping[str, object], name: str, most: int) -> tuple[Descriptor, ...]:
    value = content.get(name)
    if value is None and name == "layers":
        value = []
    if not _is_list(value):
        raise _Wrong(f"`{name}` is not a list")
    if len(value) > most:
        raise _Wrong(f"`{name}` has more than {most} entries")
    return tuple(_descriptor(entry, f"{name}[{at}]") for at, entry in enumerate(value))


def _descriptor(value: object, name: str) -> Descriptor:
    content = _object(value, f"`{name}`")
    media_type, digest, size = _text(content, "mediaType", f"{name}."), content.get("digest"), content.get("size")
    if not media_type:
        raise _Wrong(f"`{name}.mediaType` is missing")
    if not isinstance(digest, str) or not is_digest(digest):
        raise _Wrong(f"`{name}.digest` is not a digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63:
        raise _Wrong(f"`{name}.size` is not a number of bytes")
    return Descriptor(
        media_type=media_type,
        digest=Digest(digest),
        size=size,
        platform=_platform(content.get("platform"), f"{name}.platform"),
        artifact_type=_text(content, "artifactType", f"{name}."),
        annotations=_annotations(content, f"{name}."),
    )


def _platform(value: object, name: str) -> str | None:
    if value is None:
        return None
    content = _object(value, f"`{name}`")
    os, architecture = _text(content, "os", f"{name}."), _text(content, "architecture", f"{name}.")
    if not os or not architecture:
        raise _Wrong(f"`{name}` names no system or no architecture")
    return platform_text(os, architecture, _text(content, "variant", f"{name}.") or "")
