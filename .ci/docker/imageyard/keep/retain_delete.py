"""Delete what a plan lets go, in its order, so that restore record and report say what came of each manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from imageyard import errors
from imageyard.errors import PolicyRefused
from imageyard.keep.retain_state import Deletions, item_of
from imageyard.keep.retention import confirmed
from imageyard.keep.retention_plan import bound_to, first_apart
from imageyard.names import Digest

if TYPE_CHECKING:
    from imageyard.keep.inventory import InventoryReader
    from imageyard.keep.retain_state import RestoreRecord
    from imageyard.keep.retention_plan import RetentionPlan

__all__ = ["delete", "items_of"]

_BATCH = 100
"""Manifests that are deleted between two looks at a repository."""

_BOUND = "it belongs to what could not be deleted"


def items_of(plan: RetentionPlan, reader: InventoryReader) -> list[dict[str, object]]:
    """What a plan deletes, in order and with its bytes, as a restore record has it. Raises Denied or Transient."""
    reader.fetch(plan.deletions)
    return [item_of(plan.verdicts[digest], reader.raw(digest)) for digest in plan.deletions]


def delete(
    plan: RetentionPlan,
    look: Callable[[], RetentionPlan],
    reader: InventoryReader,
    record: RestoreRecord,
    came: Deletions,
) -> None:
    """Delete in order, in batches, each after another look at the repository: only what both plans let go goes.

    A batch has nothing in it that belongs to another of its manifests, so that what a registry refuses keeps all its
    parts, and all that refers to it; the others go on. Raises Denied, EnvironmentLacks or Transient.
    """
    ended = "interrupted"
    try:
        while True:
            again = look()
            if again.hands_off is not None:
                raise errors.Transient(
                    f"{reader.repository.name} is left alone from here on: {again.hands_off.value}",
                    doing="deleting what nothing keeps",
                    hint="run it again",
                )
            for digest in bound_to(again, came.refused):
                came.refused.setdefault(digest, _BOUND)
            tried = {*came.deleted, *came.refused}
            batch = first_apart(again, [digest for digest in confirmed(plan, again) if digest not in tried], _BATCH)
            if not batch:
                break
            _delete_batch(batch, reader, record, came)
        ended = "complete"
    finally:
        record.end(ended)


def _delete_batch(batch: Sequence[str], reader: InventoryReader, record: RestoreRecord, came: Deletions) -> None:
    """Nobody knows of what is being deleted, until its answer is there."""
    before = len(came.deleted)
    try:
        came.unknown = list(batch)
        refused = reader.client.delete_listed(reader.repository, [reader.listed[digest] for digest in batch])
        came.unknown = []
        if refused is not None:
            came.refused |= refused
            came.deleted += [digest for digest in batch if digest not in refused]
            return
        for digest in batch:
            came.unknown = [digest]
            try:
                reader.client.delete(reader.repository.with_digest(Digest(digest)))
                came.deleted.append(digest)
            except errors.NotFound:
                came.deleted.append(digest)
            except PolicyRefused as error:
                came.refused[digest] = error.headline
            came.unknown = []
    finally:
        record.deleted(came.deleted[before:])
