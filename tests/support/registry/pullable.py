"""Images that other clients find right: their layer is a packed tar, whose digest their config has."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

from imageyard.names import Digest, Reference
from imageyard.oci.manifests import OCI_MANIFEST, digest_of
from imageyard.registry.client import Client
from imageyard.registry.upload import push_bytes
from support.registry.served import tool

__all__ = ["put_pullable", "tagged", "validate"]


def put_pullable(client: Client, place: Reference, note: str, arch: str = "amd64", system: str = "linux") -> Digest:
    """One image by digest, with a file that has the note."""
    plain, packed = io.BytesIO(), note.encode()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        file = tarfile.TarInfo("note")
        file.size = len(packed)
        archive.addfile(file, io.BytesIO(packed))
    layer = gzip.compress(plain.getvalue(), mtime=0)
    rootfs = {"type": "layers", "diff_ids": [digest_of(plain.getvalue())]}
    config = json.dumps({"os": system, "architecture": arch, "config": {}, "rootfs": rootfs}).encode()
    types = {
        "config": "application/vnd.oci.image.config.v1+json",
        "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
    }
    entries = {
        name: {"mediaType": types[name], "digest": push_bytes(client, place, content), "size": len(content)}
        for name, content in (("config", config), ("layer", layer))
    }
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": entries["config"], "layers": [entries["layer"]]}
    content = json.dumps(body).encode()
    return client.put(place.with_digest(digest_of(content)), content, OCI_MANIFEST)


def tagged(client: Client, place: Reference, note: str, arch: str = "amd64") -> Digest:
    """The same under the tag of `place`."""
    digest = put_pullable(client, place, note, arch)
    raw = client.get(place.with_digest(digest))
    return client.put(place, raw.body, raw.media_type)


def validate(place: Reference) -> None:
    """Have another client read an image whole: every blob, every digest."""
    tool("crane", "validate", "--remote", place)
