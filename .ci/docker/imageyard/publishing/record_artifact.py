"""Records beside images: each an OCI artifact whose subject is the row's image, put there and read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from imageyard.errors import ConfigurationError, NotFound, Transient
from imageyard.oci.manifests import OCI_EMPTY, OCI_MANIFEST, Manifest
from imageyard.records import Record, from_json, to_json
from imageyard.registry import blobs, referrers
from imageyard.registry.upload import push_bytes

if TYPE_CHECKING:
    from imageyard.console import Story
    from imageyard.names import Digest, Reference
    from imageyard.oci.raw import Raw
    from imageyard.registry.client import Client

__all__ = ["ARTIFACT_TYPE", "attach", "read"]

ARTIFACT_TYPE = "application/vnd.imageyard.record.v1+json"


def attach(client: Client, repository: Reference, image: Raw, record: Record) -> Digest:
    """Put a record beside an image that is there by digest; the same record twice is one (returns its digest).

    OCI image-spec 1.1, "Guidelines for Artifact Usage": the empty config, the content as the one layer.
    """
    content = json.dumps(to_json(record), sort_keys=True, separators=(",", ":")).encode()
    empty = b"{}"
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": {"mediaType": OCI_EMPTY, "digest": push_bytes(client, repository, empty), "size": len(empty)},
        "layers": [
            {"mediaType": ARTIFACT_TYPE, "digest": push_bytes(client, repository, content), "size": len(content)}
        ],
        "subject": {"mediaType": image.media_type, "digest": image.digest, "size": len(image.body)},
        "annotations": {"io.imageyard.image": record.image, "io.imageyard.recipe": record.recipe or ""},
    }
    return referrers.attach(client, repository, json.dumps(manifest, separators=(",", ":")).encode())


def read(client: Client, image: Reference, story: Story) -> list[Record]:
    """The records beside the image `image.digest`, oldest first; one that cannot be read is told and left out.

    Whoever may write to the repository may put artifacts there. Raises Denied or Transient.
    """
    found = []
    for entry in referrers.referrers(client, image, ARTIFACT_TYPE):
        try:
            manifest = client.get(image.with_digest(entry.digest)).parsed()
            if not isinstance(manifest, Manifest) or len(manifest.layers) != 1:
                raise ConfigurationError("it is not one document")
            found.append(from_json(blobs.read(client, image, manifest.layers[0].digest), "the record"))
        except (ConfigurationError, NotFound, UnicodeDecodeError) as error:
            story.warn(f"{image.with_digest(entry.digest)} is left out: {error}")
        except RecursionError:
            raise Transient(f"{image.with_digest(entry.digest)} is nested too deeply") from None
    return sorted(found, key=lambda record: record.started)
