"""An image as an engine takes it in: an OCI image layout in a tar, with the list that the classic image store reads.

OCI image-spec 1.1 ("Image Layout"); moby 28, `daemon/containerd/image_exporter.go` and `image/tarexport/load.go`: the
containerd image store reads `index.json`, the classic one `manifest.json` and no index.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from imageyard.errors import PolicyRefused, Transient
from imageyard.oci.manifests import OCI_INDEX, Descriptor, Index, Manifest
from imageyard.oci.raw import Raw
from imageyard.oci.store import ReadableStore

__all__ = ["manifest_for", "write_loadable"]

_NAME = "io.containerd.image.name"
"""The annotation that names an image for containerd (containerd 1.7, `images/annotations.go`)."""


def write_loadable(file: Path, source: ReadableStore, root: Raw, name: str, classic: Raw | None) -> None:
    """Write the archive of an image and of all its children. `classic` is the one manifest that the classic store gets.

    Each blob is written once and hashed on the way. Raises Transient for bytes of another digest, PolicyRefused where
    the source lacks a part.
    """
    manifests = {raw.digest: raw for raw in _manifests(source, root)}
    blobs: dict[str, Descriptor] = {}
    for raw in manifests.values():
        document = raw.parsed()
        if isinstance(document, Manifest):
            blobs |= {blob.digest: blob for blob in (document.config, *document.layers)}
    entry = {"mediaType": root.media_type, "digest": root.digest, "size": len(root.body)}
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [entry | {"annotations": {_NAME: name}}],
    }
    with tarfile.open(file, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add(tar, "index.json", json.dumps(index).encode())
        if classic is not None:
            _add(tar, "manifest.json", json.dumps([_for_classic(classic, name)]).encode())
        for raw in manifests.values():
            _add(tar, _place(raw.digest), raw.body)
        for blob in blobs.values():
            with source.blob(blob) as content:
                _copy(tar, blob, content, source)


def manifest_for(source: ReadableStore, root: Raw, platform: str) -> Raw | None:
    """The manifest that an engine of a platform (`linux/amd64`) runs: an image's own, or an index's child for it."""
    document = root.parsed()
    if isinstance(document, Manifest):
        return root
    for entry in document.manifests:
        fits = entry.is_index or entry.platform == platform
        child = source.manifest(entry.digest) if fits and entry.attests is None else None
        if child is not None and (found := manifest_for(source, child, platform)) is not None:
            return found
    return None


def _manifests(source: ReadableStore, raw: Raw) -> Iterator[Raw]:
    document = raw.parsed()
    if isinstance(document, Index):
        for entry in document.manifests:
            child = source.manifest(entry.digest)
            if child is None:
                raise PolicyRefused(f"{source.name}@{raw.digest} is incomplete: its child {entry.digest} is missing")
            yield from _manifests(source, child)
    yield raw


def _for_classic(raw: Raw, name: str) -> dict[str, Any]:
    document = raw.parsed()
    assert isinstance(document, Manifest)
    layers = [_place(layer.digest) for layer in document.layers]
    return {"Config": _place(document.config.digest), "RepoTags": [name], "Layers": layers}


def _copy(tar: tarfile.TarFile, blob: Descriptor, content: IO[bytes], source: ReadableStore) -> None:
    hashed = _Hashed(content, blob, source.name)
    info = tarfile.TarInfo(_place(blob.digest))
    info.size = blob.size
    tar.addfile(info, hashed)
    hashed.end()


class _Hashed(io.RawIOBase):
    """Bytes of a blob that are read on, hashed. Reading raises Transient where they end too early."""

    def __init__(self, content: IO[bytes], blob: Descriptor, origin: str) -> None:
        super().__init__()
        self._content = content
        self._digest = blob.digest
        self._hash = hashlib.new(blob.digest.partition(":")[0])
        self._refused = Transient(f"{origin} answered with other bytes than {blob.digest}", doing="writing an archive")

    def read(self, size: int | None = -1, /) -> bytes:
        """The next `size` bytes, and never fewer."""
        piece = self._content.read(-1 if size is None else size)
        if size is not None and len(piece) < size:
            raise self._refused
        self._hash.update(piece)
        return piece

    def end(self) -> None:
        """Raise Transient where there are more bytes, or where they were others."""
        if self._content.read(1) or f"{self._hash.name}:{self._hash.hexdigest()}" != self._digest:
            raise self._refused


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
