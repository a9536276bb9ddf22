"""Images that an engine runs: one layer with a root file system, whose digest the config has."""

from __future__ import annotations

import gzip
import json

from imageyard.names import Digest, Reference
from imageyard.oci.manifests import OCI_MANIFEST, digest_of
from imageyard.registry.client import Client
from imageyard.registry.upload import push_bytes

__all__ = ["put_runnable"]


def put_runnable(client: Client, place: Reference, root: bytes, arch: str, note: str) -> Digest:
    """Push an image with `root`, a tar, by digest and under the tag of `place`; its label `note` makes it unique."""
    layer = gzip.compress(root, 1, mtime=0)
    config = {
        "os": "linux",
        "architecture": arch,
        "config": {"Env": ["PATH=/bin"], "Labels": {"note": note}},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(root)]},
    }
    entries = [
        {"mediaType": f"application/vnd.oci.image.{kind}", "digest": push_bytes(client, place, body), "size": len(body)}
        for kind, body in (("config.v1+json", json.dumps(config).encode()), ("layer.v1.tar+gzip", layer))
    ]
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": entries[0], "layers": entries[1:]}
    body = json.dumps(manifest).encode()
    client.put(place.with_digest(digest_of(body)), body, OCI_MANIFEST)
    return client.put(place, body, OCI_MANIFEST)
