"""What retention says of one repository as it is now, for whoever deletes by it and for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imageyard.keep.recipe_versions import unversioned
from imageyard.keep.retention import decide
from imageyard.keep.retention_plan import DeleteReason, HandsOff

if TYPE_CHECKING:
    from datetime import datetime

    from imageyard.keep.inventory import InventoryReader
    from imageyard.keep.retention_facts import Claims, Inventory, RepositoryKind, RetentionPolicy
    from imageyard.keep.retention_plan import RetentionPlan
    from imageyard.names import Digest

__all__ = ["Judgement"]


@dataclass
class Judgement:
    """The rules for one repository; `claims` learn of what is of another recipe version.

    `saved` are the digests that a backup has whole, None where nobody asked. `last` is when the repository was judged
    last. `by_content`: tags are computed from recipes, so that those of another version cannot be computed.
    """

    claims: Claims
    policy: RetentionPolicy
    kind: RepositoryKind
    saved: frozenset[Digest] | None
    by_content: bool
    last: datetime | None = None

    def plan(self, inventory: Inventory, reader: InventoryReader, now: datetime) -> RetentionPlan:
        """Decide; what would go as unreachable is asked for its recipe version, and judged again.

        Raises Denied or Transient.
        """
        found = self._decide(inventory, now)
        asked = [
            digest
            for digest, verdict in found.verdicts.items()
            if verdict.reason is DeleteReason.UNREACHABLE and digest not in self.claims.unversioned
        ]
        if self.by_content and asked and found.hands_off is not HandsOff.CLOCK:
            other = unversioned(reader, asked)
            self.claims = replace(self.claims, unversioned=self.claims.unversioned | other)
            found = self._decide(inventory, now)
        return found

    def _decide(self, inventory: Inventory, now: datetime) -> RetentionPlan:
        return decide(
            inventory,
            self.claims,
            self.policy,
            now,
            kind=self.kind,
            backed_up=self.saved,
            last=self.last,
        )
