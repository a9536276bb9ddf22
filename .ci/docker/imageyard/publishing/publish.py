"""From an image that a repository has by digest to a published row: proven, its record beside it, its tag last."""

from __future__ import annotations

import hashlib
import os
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

from imageyard.files import locked, user_cache
from imageyard.publishing import record_artifact
from imageyard.publishing.verify_published import images, prove
from imageyard.registry.tagging import give

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imageyard.console import Story
    from imageyard.names import Reference
    from imageyard.records import Record
    from imageyard.registry.client import Client
    from imageyard.registry.tagging import Given

__all__ = ["RAISE_EPOCH", "land", "lock_of"]

RAISE_EPOCH = "raise `epoch` in the catalogue, which gives the same inputs a new tag"


def land(
    client: Client, image: Reference, tag: str, wanted: Mapping[str, str], record: Record, *, move: bool = False
) -> Given:
    """Give `tag` to `image`, which its repository has by digest; `wanted` are the inputs that each platform is made of.

    To be called under `lock_of` the tag. Whatever stops this leaves no tag behind, or one with all that belongs to it.
    Where somebody else was faster, their image is proven and adopted; `move` gives the tag to ours all the same.
    Raises PolicyRefused for an image that is not what it should be, Denied and Transient as a registry does.
    """
    seen = prove(client, image, wanted, RAISE_EPOCH)
    layers = tuple(layer.size for manifest in images(seen)[:1] for layer in manifest.layers)
    record_artifact.attach(client, image, seen.raw, replace(record, digest=seen.raw.digest, layers=layers))
    given = give(client, image.with_tag(tag), seen.raw, force=move)
    if given.adopted:
        prove(client, image.with_digest(given.digest), wanted, RAISE_EPOCH)
    return given


def lock_of(reporter: Story, target: Reference) -> AbstractContextManager[None]:
    """The lock of a tag, for all processes of this user on this machine, in whatever checkout they are."""
    folder = user_cache(os.environ).absolute() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(str(target).encode()).hexdigest()[:32]
    waiting = lambda: reporter.step(f"another process is publishing {target}: waiting for it")  # noqa: E731
    return locked(folder / f"{name}.lock", waiting)
