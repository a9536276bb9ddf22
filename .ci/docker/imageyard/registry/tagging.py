"""Giving a tag to what is there by digest: never over another image, whoever else is giving it at the same time."""

from __future__ import annotations

from dataclasses import dataclass

from imageyard.errors import PolicyRefused, Transient
from imageyard.names import Digest, Reference
from imageyard.oci.raw import Raw
from imageyard.registry.client import Client

__all__ = ["SETTLE", "Given", "give"]

SETTLE = 1.0
"""Seconds between giving a tag and the second look at it; a request that found the tag free is long answered then."""


@dataclass(frozen=True)
class Given:
    """What the tag names now. `adopted`: it is an image that somebody else gave it to."""

    digest: Digest
    adopted: bool


def give(client: Client, target: Reference, raw: Raw, *, force: bool = False) -> Given:
    """Give `target.tag` to a manifest that the repository has by digest, unless the tag is taken; `force` moves it.

    A registry has no compare-and-swap (OCI distribution-spec 1.1 knows no condition on a PUT), so two writers on two
    machines that both found the tag free both write, and the later one stays. Each looks again after `SETTLE`, when
    whoever found the tag free has written too: all then name the same image, and all but its writer adopted it. What
    remains open is a writer whose request is under way for longer than that: it replaces an image of the same inputs
    after the other has told its digest; both are whole, and digests that were told stay valid. A registry whose tags
    are immutable closes this gap too: it refuses the second writer, who then adopts the winner.
    Raises PolicyRefused where a tag that is to be moved is immutable, else as `Client.put` and `Client.head` do.
    """
    there = client.digest_of(target)
    if there is not None and (there == raw.digest or not force):
        return Given(there, adopted=there != raw.digest)
    try:
        client.put(target, raw.body, raw.media_type)
    except PolicyRefused as refused:
        winner = client.digest_of(target)
        if winner is None or force:
            raise _immutable(refused, target) if winner else refused from None
        return Given(winner, adopted=True)
    client.http.clock.sleep(SETTLE)
    now = client.digest_of(target)
    if now is None:
        raise Transient(
            f"{target.registry} accepted {target} and does not have it",
            doing="reading back what was published",
            hint="its storage loses what it takes: ask who runs it",
        )
    return Given(now, adopted=now != raw.digest)


def _immutable(refused: PolicyRefused, target: Reference) -> PolicyRefused:
    return PolicyRefused(
        refused.headline,
        doing=f"giving {target.tag} to another image",
        hint="tags cannot be moved there: raise `epoch` in the catalogue, which gives the same inputs a new tag",
    )
