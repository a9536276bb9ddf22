"""`inv backup --expire`: which backups are older than their lifetime, and the objects that no younger one needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from imageyard.bucket.entries import tag_key
from imageyard.bucket.upload import give_up
from imageyard.keep.backup_index import generation_key, keys_of, objects, read_generations, read_tags
from imageyard.keep.backup_marker import LONGEST_BACKUP, expiring
from imageyard.keep.backup_place import BackupPlace
from imageyard.oci.revocation import is_marker_tag, marker_tag

if TYPE_CHECKING:
    from imageyard.bucket.entries import TagEntry
    from imageyard.bucket.objects import Bucket, ObjectEntry
    from imageyard.keep.backup_index import Generation
    from imageyard.run.services import Services

__all__ = ["ExpiryItem", "expire", "judge"]


@dataclass(frozen=True)
class ExpiryItem:
    """A document or an object of the bucket. `goes` is the judgement."""

    key: str
    reason: str
    goes: bool


def judge(
    tags: Iterable[TagEntry],
    generations: Iterable[Generation],
    objects: Iterable[ObjectEntry],
    lifetime: timedelta,
    now: datetime,
) -> list[ExpiryItem]:
    """What goes and what stays, in the order of deletion: documents before the objects that they name.

    An object stays while a younger document names it, and for the longest time that a backup may take after it was
    written: the document that will name it comes last. A revocation stays while a document that stays has its image,
    which without it would come back as if nobody had revoked it.
    """
    tags, generations = list(tags), list(generations)
    items: list[ExpiryItem] = []
    needed: dict[str, str] = {}
    documents: list[tuple[str, str, frozenset[str]]] = [
        (tag_key(one.repository, one.tag), one.saved, keys_of(one)) for one in tags
    ]
    documents += [
        (generation_key(one.id), one.saved, frozenset().union(*map(keys_of, one.tags))) for one in generations
    ]
    markers = {tag_key(one.repository, one.tag) for one in tags if is_marker_tag(one.tag)}
    revoked = _revocations_of(tags, generations, now - lifetime)
    documents.sort(key=lambda one: one[0] in markers)  # who dies half-way leaves no image without its revocation
    for key, saved, keys in documents:
        age = now - datetime.fromisoformat(saved)
        subject = revoked.get(key)
        goes = age > lifetime and subject is None
        why = f"the revocation of what {subject} has" if subject else f"kept for {_days(lifetime)}"
        items.append(ExpiryItem(key, f"backed up {_days(age)} ago, {why}", goes))
        if not goes:
            needed |= dict.fromkeys(keys, key)
    for entry in objects:
        if entry.key in needed:
            items.append(ExpiryItem(entry.key, f"needed by {needed[entry.key]}", False))
        elif now - entry.modified < LONGEST_BACKUP:
            items.append(ExpiryItem(entry.key, "written a short while ago", False))
        else:
            items.append(ExpiryItem(entry.key, "no backup that is kept needs it", True))
    return items


def _revocations_of(tags: Iterable[TagEntry], generations: Iterable[Generation], oldest: datetime) -> Mapping[str, str]:
    """The keys of the revocations of what documents have that are not older than this, each with such a document."""
    documents: list[tuple[str, str, tuple[TagEntry, ...]]] = [
        (tag_key(one.repository, one.tag), one.saved, (one,)) for one in tags if not is_marker_tag(one.tag)
    ]
    documents += [(generation_key(one.id), one.saved, one.tags) for one in generations]
    return {
        tag_key(entry.repository, marker_tag(digest)): key
        for key, saved, entries in documents
        if datetime.fromisoformat(saved) >= oldest
        for entry in entries
        for digest in entry.manifests
    }


def expire(services: Services, place: BackupPlace, *, yes: bool, now: datetime | None = None) -> None:
    """Delete with `yes` what goes; without it only say what would.

    Raises Denied or Transient, before anything is deleted, where the bucket or a document in it cannot be read.
    """
    bucket, today = place.bucket, now or place.bucket.now()
    if not yes:
        _tell(services, bucket, _judged(place, today), yes=False)
        return
    with expiring(bucket) as marker:
        items = _judged(place, today)
        _tell(services, bucket, items, yes=True)
        for item in items:
            if item.goes:
                marker.confirm()  # or a backup has begun, and counts on what is left
                bucket.delete(item.key)
        for key, upload_id, begun in list(bucket.unfinished("")):
            if today - begun > LONGEST_BACKUP:
                give_up(bucket, key, upload_id)


def _judged(place: BackupPlace, now: datetime) -> list[ExpiryItem]:
    bucket = place.bucket
    items = judge(read_tags(bucket), read_generations(bucket), objects(bucket), place.lifetime, now)
    going = {item.key.rpartition("/")[2] for item in items if item.goes and item.key.startswith("manifests/")}
    listed = [entry.key for entry in bucket.list("referrers/")]
    lists = [key for key in listed if key.rpartition("/")[2].removesuffix(".json") in going]
    return [*(ExpiryItem(key, "its manifest goes", True) for key in lists), *items]


def _tell(services: Services, bucket: Bucket, items: Iterable[ExpiryItem], *, yes: bool) -> None:
    items = list(items)
    words: Mapping[bool, str] = {True: "goes" if yes else "would go", False: "stays"}
    documents = [item for item in items if item.goes or item.key.startswith(("tags/", "generations/"))]
    if documents:
        services.reporter.table(("", "what", "why"), [(words[one.goes], one.key, one.reason) for one in documents])
    going = sum(item.goes for item in items)
    again = "; --yes does it" if going and not yes else ""
    services.reporter.step(f"{going} of {len(items)} objects of {bucket.name} {'go' if yes else 'would go'}{again}")


def _days(age: timedelta) -> str:
    return f"{age.days} d" if age.days else f"{age.seconds // 3600} h"
