"""Published means pulled back: what a registry hands out is compared with what was meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from imageyard.errors import Denied, PolicyRefused, RevokedImage, Transient
from imageyard.names import Revoked, parse_tag
from imageyard.oci.manifests import Manifest
from imageyard.oci.revocation import revocation_of
from imageyard.oci.verify import runnable
from imageyard.project.labels import INPUTS_LABEL
from imageyard.registry import blobs, states
from imageyard.registry.answers import login_hint
from imageyard.registry.store import RegistryStore

if TYPE_CHECKING:
    from imageyard.catalogue.model import Image
    from imageyard.names import Digest, Reference, Unknown
    from imageyard.registry.client import Client
    from imageyard.registry.states import Complete

__all__ = ["images", "prove", "remedies", "revoked", "unknown"]


def prove(client: Client, reference: Reference, wanted: Mapping[str, str], hint: str = "") -> Complete:
    """Read all that a reference leads to; `wanted` are the recipe's `inputs` that each platform must be built of.

    Raises PolicyRefused with everything that is wrong: a platform missing, twice or foreign, a child that is not
    there, an attestation of something else, another recipe; RevokedImage for one that somebody revoked. Absent, Denied
    and Transient as reading does.
    """
    seen = states.inspect(client, reference, thorough=True)
    if found := revocation_of(RegistryStore(client, reference), seen.raw.digest):
        raise revoked(Revoked(seen.raw.digest, found.reason), reference, "reading back what is published")
    wrong = [*seen.faults(wanted), *_recipes(client, reference, seen, wanted)]
    if wrong:
        raise PolicyRefused(
            f"{reference} is not what it should be: {wrong[0]}",
            doing="reading back what is published",
            detail=wrong,
            hint=hint,
        )
    return seen


def unknown(state: Unknown, reference: Reference, doing: str) -> Denied | Transient:
    """The error that a state which nobody knows is: of a registry that refused us, or that did not answer."""
    if isinstance(state.error, Denied):
        return Denied(state.why, doing=doing, hint=login_hint(reference.registry))
    return Transient(state.why, doing=doing, hint="run it again")


def revoked(state: Revoked, reference: Reference, doing: str, image: Image | None = None) -> RevokedImage:
    """The error that a revoked image is, with what gives its row another tag; `image` is its entry of the catalogue."""
    return RevokedImage(f"{reference} must not be used: {state.why}", doing=doing, hint=remedies(reference.tag, image))


def remedies(tag: str | None, image: Image | None = None) -> tuple[str, ...]:
    """What to change so that the row of a revoked tag has another one, with the line of the catalogue where known."""
    parsed = parse_tag(tag) if tag else None
    name = image.name if image else parsed.image if parsed else ""
    where = f" at {image.where}" if image else " in the catalogue"
    return (
        f"raise `epoch`{f' of {name}' if name else ''}{where}: the same inputs get a new tag, and are built anew",
        "or move what it is built on: inv lock --refresh    (its bases), or its Dockerfile, files and args",
        f"inv revoke {tag or 'TAG'} --undo    (takes it back)",
    )


def _recipes(client: Client, reference: Reference, seen: Complete, wanted: Mapping[str, str]) -> list[str]:
    """The images whose label names other inputs than those of their platform."""
    wrong = []
    for manifest in images(seen):
        platform = seen.platforms.get(manifest.digest, "")
        found = _label(client, reference, manifest.config.digest)
        if platform in wanted and found != wanted[platform]:
            was = f"of the inputs {found[:20]}" if found else "of no recipe"
            wrong.append(f"{manifest.digest} ({platform}) is {was}, not of {wanted[platform][:20]}")
    return wrong


def images(seen: Complete) -> list[Manifest]:
    """Return the manifests of the images that were read thoroughly, without what attests them."""
    if isinstance(seen.root, Manifest):
        return [seen.root]
    return [leaf.document for leaf in runnable(seen.root, seen.documents) if leaf.document is not None]


def _label(client: Client, reference: Reference, config: Digest) -> str:

    try:
        labels = json.loads(blobs.read(client, reference, config, limit=blobs.CONFIG_LIMIT))["config"]["Labels"] or {}
        return str(labels.get(INPUTS_LABEL, ""))
    except (ValueError, AttributeError):
        raise Transient(f"{config} is not an image config", doing=f"reading {reference}") from None
    except (KeyError, TypeError):
        return ""
