"""Copying a whole image from one repository to another by digest: mounted where that can be, else streamed."""

from __future__ import annotations

from imageyard.errors import ConfigurationError
from imageyard.names import Digest, Reference
from imageyard.oci import store
from imageyard.oci.raw import Raw
from imageyard.registry.client import Client
from imageyard.registry.store import RegistryStore

__all__ = ["copy", "copy_referrers"]


def copy(client: Client, source: Reference, repository: Reference) -> Raw:
    """Put the image `source.digest` into `repository`, byte for byte, children before parents; no tag is touched.

    A blob is mounted where both are repositories of one registry; else it goes through this machine's memory,
    `remote.PIECE` bytes at a time. Raises NotFound where it is not there, PolicyRefused where the source lacks a part;
    Denied and Transient name the registry.
    """
    raw = client.get(source.with_digest(_digest(source)))
    store.copy_image(RegistryStore(client, source), RegistryStore(client, repository), raw)
    return raw


def copy_referrers(client: Client, source: Reference, repository: Reference, artifact_type: str) -> tuple[Digest, ...]:
    """Put what refers to the image `source.digest`, of one type, beside the same image in `repository`."""
    places = RegistryStore(client, source), RegistryStore(client, repository)
    return store.copy_referrers(*places, _digest(source), lambda entry: entry.artifact_type == artifact_type)


def _digest(reference: Reference) -> Digest:
    if reference.digest is None:
        raise ConfigurationError(f"{reference} names no digest, and images are copied by digest")
    return reference.digest
