"""An archive of the engine whose layers are compressed on the way: the classic image store hands plain ones out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from imageyard.names import Digest
from imageyard.oci.archive import Archive
from imageyard.oci.manifests import ATTESTED, Descriptor, Index, Manifest, digest_of
from imageyard.oci.packing import compress, digest_of_file
from imageyard.oci.raw import Raw
from imageyard.parallel import each

__all__ = ["Compressed"]

_PLAIN = "application/vnd.oci.image.layer.v1.tar"
_WORKERS = 4


class Compressed:
    """The image of an archive, always the same bytes for the same archive; `root` is its digest.

    An image without plain layers is the archive's own, to the byte. Else its manifest is another, and so is every
    index above it. The compressed layers are files in `staging`.
    """

    def __init__(self, archive: Archive, staging: Path) -> None:
        self.name = archive.name
        self._archive = archive
        self._staging = staging
        self._manifests: dict[Digest, Raw] = {}
        self._layers: dict[Digest, Path] = {}
        self.root = self._rewritten(archive.root.digest)

    def digest_of(self, name: str) -> Digest | None:
        """The digest of a manifest, where the image has it."""
        return Digest(name) if Digest(name) in self._manifests else None

    def manifest(self, name: str) -> Raw | None:
        """A manifest of the image."""
        return self._manifests.get(Digest(name))

    def has_blob(self, digest: Digest) -> bool:
        """Whether the blob is there."""
        return digest in self._layers or self._archive.has_blob(digest)

    def blob(self, blob: Descriptor) -> IO[bytes]:
        """The blob as a file."""
        return self._layers[blob.digest].open("rb") if blob.digest in self._layers else self._archive.blob(blob)

    def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """Nothing: an engine hands an image over, and not what refers to it."""
        return ()

    def tags(self) -> Iterator[str]:
        """The tags of the archive."""
        return self._archive.tags()

    def _rewritten(self, digest: Digest) -> Digest:
        raw = self._archive.required(digest)
        document = raw.parsed()
        content: dict[str, Any] = json.loads(raw.body)
        changed = False
        if isinstance(document, Index):
            children = {entry["digest"]: self._rewritten(Digest(entry["digest"])) for entry in content["manifests"]}
            for entry in content["manifests"]:
                child = children[entry["digest"]]
                changed = changed or child != entry["digest"]
                entry.update(digest=child, size=len(self._manifests[child].body))
                attested = (entry.get("annotations") or {}).get(ATTESTED)
                if attested in children:  # what attests an image names it by digest
                    entry["annotations"][ATTESTED] = children[attested]
        else:
            changed = self._compress(document, content)
        if changed:
            body = json.dumps(content, separators=(",", ":")).encode()
            raw = Raw(raw.media_type, digest_of(body), body)
        self._manifests[raw.digest] = raw
        return raw.digest

    def _compress(self, manifest: Manifest, content: dict[str, Any]) -> bool:
        plain = tuple({layer.digest: layer for layer in manifest.layers if layer.media_type == _PLAIN}.values())
        packed = dict(zip((layer.digest for layer in plain), each(plain, self._packed, _WORKERS), strict=True))
        for layer in content["layers"]:
            if layer["mediaType"] == _PLAIN:
                digest, size = packed[Digest(layer["digest"])]
                layer.update(mediaType=f"{_PLAIN}+gzip", digest=digest, size=size)
        return bool(packed)

    def _packed(self, layer: Descriptor) -> tuple[Digest, int]:
        path = self._staging / f"{layer.digest.partition(':')[2]}.gz"
        with self._archive.blob(layer) as source, path.open("wb") as packed:
            compress(source, packed, level=6)
        with path.open("rb") as packed_layer:
            digest = digest_of_file(packed_layer)
        self._layers[digest] = path
        return digest, path.stat().st_size
