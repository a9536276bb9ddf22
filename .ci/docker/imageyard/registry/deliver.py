"""Putting a whole image into a repository, children before parents and everything by digest: no tag is touched."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import IO, Any, cast

from imageyard.http.parallel import each
from imageyard.names import Digest, Reference
from imageyard.oci.archive import Archive
from imageyard.oci.manifests import Descriptor, Index, Manifest, digest_of, parse
from imageyard.oci.raw import Raw
from imageyard.registry.client import Client
from imageyard.registry.upload import push

__all__ = ["deliver"]

_WORKERS = 4
_PLAIN = "application/vnd.oci.image.layer.v1.tar"


def deliver(client: Client, repository: Reference, archive: Archive, staging: Path) -> Raw:
    """Put an image there by digest; returns its root as the registry has it. What is there already is not sent again.

    The engine's classic store hands out layers that are not compressed: they are here, in the folder `staging`, always
    to the same bytes, and the root is then another than the archive's. A process that is killed leaves blobs and
    manifests that no tag names, and the next one uses them. Raises Denied, PolicyRefused, Transient, EnvironmentLacks.
    """
    return _put(client, repository, archive, archive.root, staging)


def _put(client: Client, repository: Reference, archive: Archive, entry: Descriptor, staging: Path) -> Raw:
    body = archive.manifest(entry.digest)
    document = parse(body, entry.media_type)
    if isinstance(document, Index):
        for child in document.manifests:
            _put(client, repository, archive, child, staging)
    else:
        body = _blobs(client, repository, archive, document, body, staging)
    digest = client.put(repository.with_digest(digest_of(body)), body, entry.media_type)
    return Raw(entry.media_type, digest, body)


def _blobs(
    client: Client, repository: Reference, archive: Archive, manifest: Manifest, body: bytes, staging: Path
) -> bytes:
    """Put the config and the layers; the manifest's bytes, which are others where a layer was compressed."""
    wanted = tuple({entry.digest: entry for entry in (manifest.config, *manifest.layers)}.values())

    def send(entry: Descriptor) -> tuple[Digest, int]:
        source, size = archive.blob(entry.digest)
        with source:
            if entry.media_type == _PLAIN:
                return _compressed(client, repository, source, staging)
            push(client, repository, source, entry.digest, size)
        return entry.digest, size

    sent = dict(zip((entry.digest for entry in wanted), each(wanted, send, _WORKERS), strict=True))
    if not any(entry.media_type == _PLAIN for entry in manifest.layers):
        return body
    content: dict[str, Any] = json.loads(body)
    for layer in content["layers"]:
        if layer["mediaType"] == _PLAIN:
            digest, size = sent[Digest(layer["digest"])]
            layer.update(mediaType=f"{_PLAIN}+gzip", digest=digest, size=size)
    return json.dumps(content, separators=(",", ":")).encode()


def _compressed(client: Client, repository: Reference, layer: IO[bytes], staging: Path) -> tuple[Digest, int]:
    with tempfile.TemporaryFile(dir=staging) as packed:
        # Neither name nor time go into the header: they would make another digest of the same bytes.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=packed, mtime=0) as sink:
            shutil.copyfileobj(layer, sink, 1 << 20)
        size = packed.tell()
        packed.seek(0)
        digest = hashlib.sha256()
        while piece := packed.read(1 << 20):
            digest.update(piece)
        found = Digest(f"sha256:{digest.hexdigest()}")
        push(client, repository, cast("IO[bytes]", packed), found, size)
    return found, size
