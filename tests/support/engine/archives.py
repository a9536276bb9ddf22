"""Archives as `docker save` writes them: an index of an index of one manifest, with its blobs."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

from imageyard.oci.manifests import ATTESTATION, ATTESTED, OCI_INDEX, OCI_MANIFEST, digest_of

CONFIG = b'{"architecture": "amd64", "os": "linux"}'


def engine_archive(
    file: Path, layers: Sequence[bytes], media_type: str, config: bytes = CONFIG, *, attested: bool = False
) -> Path:
    """Write the archive of an image, with what attests it where it is `attested`, and give its path."""

    def entry(kind: str, content: bytes) -> dict[str, object]:
        return {"mediaType": kind, "digest": digest_of(content), "size": len(content)}

    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": entry("application/vnd.oci.image.config.v1+json", config),
            "layers": [entry(media_type, layer) for layer in layers],
        }
    ).encode()
    head = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    platform = {"architecture": json.loads(config)["architecture"], "os": "linux"}
    children = [{**entry(OCI_MANIFEST, manifest), "platform": platform}]
    statement, more = b'{"_type": "statement"}', []
    if attested:
        attesting = json.loads(manifest) | {"layers": [entry("application/vnd.in-toto+json", statement)]}
        attestation = json.dumps(attesting).encode()
        annotations = {"vnd.docker.reference.type": ATTESTATION, ATTESTED: digest_of(manifest)}
        unknown = {"architecture": "unknown", "os": "unknown"}
        children.append({**entry(OCI_MANIFEST, attestation), "annotations": annotations, "platform": unknown})
        more = [statement, attestation]
    inner = json.dumps({**head, "manifests": children}).encode()
    index = json.dumps({**head, "manifests": [entry(OCI_INDEX, inner)]}).encode()
    blobs = {f"blobs/sha256/{digest_of(body)[7:]}": body for body in (config, manifest, inner, *layers, *more)}
    with tarfile.open(file, "w") as tar:
        for name, content in ({"index.json": index} | blobs).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file
