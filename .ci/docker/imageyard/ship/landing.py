"""From an image that a repository has by digest to a published row: proven, its record beside it, its tag last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageyard.ship import beside
from imageyard.ship.proof import prove
from imageyard.ship.push import lock_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imageyard.names import Reference
    from imageyard.records import Record
    from imageyard.registry.client import Client
    from imageyard.registry.tagging import Given
    from imageyard.ship.workspace import Workspace

__all__ = ["RAISE_EPOCH", "land"]

RAISE_EPOCH = "raise `epoch` in the catalogue, which gives the same inputs a new tag"


def land(
    workspace: Workspace,
    client: Client,
    image: Reference,
    tag: str,
    wanted: Mapping[str, str],
    record: Record,
    *,
    move: bool,
) -> Given:
    """Give `tag` to `image`, which its repository has by digest; `wanted` are the inputs that each platform is made of.

    Whatever stops this leaves no tag behind, or one with all that belongs to it. Where somebody else was faster, their
    image is proven and adopted; `move` gives the tag to ours all the same.
    Raises PolicyRefused for an image that is not what it should be, Denied and Transient as a registry does.
    """
    from imageyard.registry.tagging import give

    seen = prove(client, image, wanted, RAISE_EPOCH)
    target = image.with_tag(tag)
    with lock_of(workspace, target):
        beside.attach(client, image, seen.raw, record)
        given = give(client, target, seen.raw, force=move)
    if given.adopted:
        prove(client, image.with_digest(given.digest), wanted, RAISE_EPOCH)
    return given
