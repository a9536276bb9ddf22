"""Images as builders push them: by digest, with the labels of their recipe, here without content that matters."""

from __future__ import annotations

import json
from collections.abc import Sequence

from imageyard.names import Reference
from imageyard.oci.indexes import joined
from imageyard.oci.manifests import OCI_MANIFEST, digest_of
from imageyard.oci.raw import Raw
from imageyard.project.labels import INPUTS_LABEL
from imageyard.project.row_facts import RowFacts
from imageyard.registry.client import Client
from imageyard.registry.upload import push_bytes


def put_built(client: Client, place: Reference, facts: RowFacts, *, note: str = "", inputs: str | None = None) -> Raw:
    """Put the image of a row by digest; another `note` makes another image of the same inputs."""
    labels = {INPUTS_LABEL: facts.recipe.inputs if inputs is None else inputs}
    content = {"os": "linux", "architecture": facts.row.arch, "config": {"Labels": labels}, "rootfs": {}, "note": note}
    config, layer = json.dumps(content).encode(), f"layer {note}".encode()
    kind = "application/vnd.oci.image"
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": f"{kind}.config.v1+json",
                "digest": push_bytes(client, place, config),
                "size": len(config),
            },
            "layers": [
                {
                    "mediaType": f"{kind}.layer.v1.tar",
                    "digest": push_bytes(client, place, layer),
                    "size": len(layer),
                }
            ],
        }
    ).encode()
    client.put(place.with_digest(digest_of(body)), body, OCI_MANIFEST)
    return Raw(OCI_MANIFEST, digest_of(body), body)


def put_index(client: Client, place: Reference, rows: Sequence[tuple[RowFacts, Raw]]) -> Raw:
    """Put the index of rows by digest, as promotion does."""
    whole = joined({f"linux/{facts.row.arch}": raw for facts, raw in rows})
    client.put(place.with_digest(whole.digest), whole.body, whole.media_type)
    return whole
