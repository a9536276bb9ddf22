"""Where a built row is published, where it counts as there, and whether what is there may be replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageyard.errors import PolicyRefused
from imageyard.names import Absent, Present, Reference, Revoked, Unknown, platform_of
from imageyard.project import publish_policy
from imageyard.publishing.verify_published import revoked, unknown
from imageyard.registry.states import state
from imageyard.registry.vendors.table import vendor_of

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue, Row
    from imageyard.plan.trust import Decision, Repository
    from imageyard.project.options import BuildOptions
    from imageyard.registry.client import Client

__all__ = ["Destination", "destination", "place"]


@dataclass(frozen=True)
class Destination:
    """`reads` are asked in order; `moves`: a tag that is there may be given to another image.

    `lane` is whose rows are published; what these start from is of no lane, and is in the repositories `below`.
    """

    at: Repository
    repository: Reference
    reads: tuple[Reference, ...]
    moves: bool = False
    lane: str | None = None
    below: tuple[Reference, ...] = ()

    def reads_of(self, row: Row) -> tuple[Reference, ...]:
        """The repositories in which a row counts as there."""
        return self.reads if row.image.lane == self.lane else self.below

    def find(self, client: Client, tag: str, row: Row) -> Reference | None:
        """The row by digest, in the first repository that has its tag; None where it is in none of them.

        Raises Denied or Transient where one does not say, PolicyRefused where the tag is for another platform, or the
        image is revoked.
        """
        for repository in self.reads_of(row):
            wanted = repository.with_tag(tag)
            match state(client, wanted):
                case Present(digest=digest, platforms=platforms):
                    if platforms != (platform_of(row.arch),):
                        raise PolicyRefused(
                            f"{wanted} is for {', '.join(platforms) or 'no platform'}, not for {platform_of(row.arch)}",
                            hint="raise `epoch` in the catalogue, which gives the same inputs a new tag",
                        )
                    return repository.with_digest(digest)
                case Absent():
                    continue
                case Revoked() as why:
                    raise revoked(why, wanted, f"asking whether {wanted} is there; nothing was built", row.image)
                case Unknown() as why:
                    raise unknown(why, wanted, f"asking whether {wanted} is there; nothing was built")
        return None

    def target(self, client: Client, tag: str, row: Row) -> Reference:
        """Where a tag is given.

        Raises PolicyRefused where one that is there is to be moved, and cannot be or names a revoked image: another
        build of the same inputs would have in it what that was revoked for. Raises Denied or Transient where the
        registry does not say what is there.
        """
        target = self.repository.with_tag(tag)
        if self.moves:
            vendor_of(target.registry).refuse_immutable(target)
            there, doing = state(client, target), f"building {row.name} {row.arch} by force"
            if isinstance(there, Revoked):
                raise revoked(there, target, doing, row.image)
            if isinstance(there, Unknown):
                raise unknown(there, target, doing)
        return target


def place(decision: Decision, asked: Repository | None) -> tuple[Repository, tuple[Repository, ...]]:
    """The repository that a run writes, and those in which a row counts as there; `asked` is what `--at` says.

    A person writes where told, `branch` unless told. Raises PolicyRefused where the run's trust does not allow it.
    """
    if decision.is_local:
        told = asked or "branch"
        return told, (told,)
    at = asked or decision.push
    if at is None or not decision.publishes:
        raise PolicyRefused(
            f"a run at {decision.trust} trust publishes nothing: {decision.reason}",
            doing="choosing where to publish",
            hint=("--builder local    (builds and checks in the engine)", "inv ci.decide    (why)"),
        )
    if not decision.may_publish_to(at):
        raise PolicyRefused(
            f"a run at {decision.trust} trust does not publish at trusted: {decision.reason}",
            doing="choosing where to publish",
            hint=(f"--at {decision.push}", "inv ci.decide    (why)"),
        )
    if not decision.publishes_to(at):
        return at, (at,)
    return at, (*decision.reads, *(() if at in decision.reads else (at,)))


def destination(catalogue: Catalogue, options: BuildOptions) -> Destination:
    """The place for the rows of a call. Raises as `place` does, ConfigurationError where there is no registry.

    In CI a forced build replaces nothing in the trusted repository; a person may.
    """
    decision = options.decision
    at, reads = place(decision, options.at)
    repository = publish_policy.repository(catalogue, at)
    found = dict.fromkeys(publish_policy.repository(catalogue, one) for one in reads)
    trusted = publish_policy.repository(catalogue, "trusted")
    moves = options.forced and (decision.may_replace_trusted or repository != trusted)
    below = (publish_policy.repository_read(catalogue),) if catalogue.lane and catalogue.main else ()
    return Destination(at, repository, tuple(found), moves, catalogue.lane, below)
