"""Images as builders push them: by digest, with the labels of their recipe, here without content that matters."""

from __future__ import annotations

from collections.abc import Sequence

from imageyard.names import Reference
from imageyard.oci.indexes import joined
from imageyard.oci.raw import Raw
from imageyard.project.labels import INPUTS_LABEL
from imageyard.project.row_facts import RowFacts
from imageyard.registry.client import Client
from support.registry.served import put_image


def put_built(client: Client, place: Reference, facts: RowFacts, *, note: str = "", inputs: str | None = None) -> Raw:
    """Put the image of a row by digest; another `note` makes another image of the same inputs."""
    labels = {INPUTS_LABEL: facts.recipe.inputs if inputs is None else inputs}
    digest = put_image(client, place, note=note, architecture=facts.row.arch, config={"Labels": labels})
    return client.get(place.with_digest(digest))


def put_index(client: Client, place: Reference, rows: Sequence[tuple[RowFacts, Raw]]) -> Raw:
    """Put the index of rows by digest, as promotion does."""
    whole = joined({f"linux/{facts.row.arch}": raw for facts, raw in rows})
    client.put(place.with_digest(whole.digest), whole.body, whole.media_type)
    return whole
