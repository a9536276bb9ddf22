"""`inv backup --verify`: read every object of a backup, hash it anew, and say which images could not come back.

With `--repair` what is damaged is written anew from the registry (`backup_repair.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from imageyard.bucket.objects import Bucket
from imageyard.bucket.store import BucketStore, manifest_key, read_entry, referrer_key
from imageyard.errors import CheckFailed, Denied, ImageyardError, NotFound
from imageyard.keep.backup_index import keys_of, lists_of, objects, read_generation
from imageyard.keep.backup_repair import repair
from imageyard.layout import size
from imageyard.parallel import each

if TYPE_CHECKING:
    from imageyard.bucket.entries import TagEntry
    from imageyard.names import Digest
    from imageyard.run.services import Services

__all__ = ["damage", "verify"]

_PIECE = 8 * 1024 * 1024


def verify(services: Services, bucket: Bucket, *, jobs: int, mend: bool = False) -> None:
    """Hash all that the entries of tags and generations name, and look whether referrers are listed.

    Raises CheckFailed with what could not come back.

    `mend`: what is damaged or missing is written anew where the registry still has it. Raises Denied or Transient
    where the bucket cannot be listed; an object that cannot be read counts as damaged.
    """
    entries, faults = _entries(bucket)
    sizes = {listed.key: listed.size for listed in objects(bucket)}
    keys = sorted({key for _, entry in entries for key in keys_of(entry)})
    services.reporter.step(
        f"{bucket.name}: hashing {len(keys)} objects, {size(sum(sizes.get(key, 0) for key in keys))}"
    )
    results = each(keys, lambda key: damage(bucket, key, sizes), jobs)
    faulty = {key: why for key, why in zip(keys, results, strict=True) if why}
    faulty |= _unlisted(bucket, entries, faulty, jobs)
    if faulty and mend:
        tagged = [entry for _, entry in entries]
        faulty = repair(services, bucket, tagged, faulty, lambda key, size: damage(bucket, key, {key: size}))
    faults += [(name, f"{key}: {faulty[key]}") for name, entry in entries for key in _first(entry, faulty)]
    if not entries and not faults:
        raise NotFound(f"{bucket.name} holds no backup", doing="verifying backups", hint="inv backup")
    services.reporter.step(f"{len(entries)} entries were read, {len(faults)} could not come back")
    if faults:
        services.reporter.table(("could not come back", "why"), faults, cut=("why",))
        raise CheckFailed(
            f"{len(faults)} of the entries of {bucket.name} could not come back",
            doing="verifying backups",
            detail=[f"{bucket.path(key)}: {why}" for key, why in faulty.items()],
            hint=_hints(mend),
        )


def _hints(mended: bool) -> tuple[str, ...]:
    again = ("inv backup    (the entries of the tags that there are now are written anew)",)
    return again if mended else ("inv backup --verify --repair    (writes damaged objects anew)", *again)


def damage(bucket: Bucket, key: str, sizes: Mapping[str, int]) -> str | None:
    """What is wrong with an object, by its bytes; None where they are those that its name says."""
    if key not in sizes:
        return "it is missing"
    digest = hashlib.sha256()
    try:
        for at in range(0, sizes[key], _PIECE):
            digest.update(bucket.range(key, at, min(at + _PIECE, sizes[key]) - 1))
    except Denied:
        raise
    except ImageyardError as error:
        return f"it cannot be read: {error.headline}"
    return None if digest.hexdigest() == key.rpartition("/")[2] else "its bytes are of another digest"


def _entries(bucket: Bucket) -> tuple[list[tuple[str, TagEntry]], list[tuple[str, str]]]:
    """The entries of tags and generations with where they stand, and the documents that cannot be read."""
    entries: list[tuple[str, TagEntry]] = []
    faults: list[tuple[str, str]] = []
    for listed in [*bucket.list("tags/"), *bucket.list("generations/")]:
        try:
            if listed.key.startswith("tags/"):
                tagged = read_entry(bucket, listed.key)
                entries += [(listed.key, tagged)] if tagged else []
            else:
                id = listed.key.rpartition("/")[2].removesuffix(".json")
                generation = read_generation(bucket, id)
                entries += [(f"{id} {one.tag}", one) for one in generation.tags] if generation else []
        except Denied:
            raise
        except ImageyardError as error:
            faults.append((listed.key, error.headline))
    return entries, faults


def _unlisted(
    bucket: Bucket, entries: Iterable[tuple[str, TagEntry]], faulty: Mapping[str, str], jobs: int
) -> dict[str, str]:
    """The keys that lack of lists of referrers: a recovery would leave out what they list, and not say so."""
    listed = {one.key for one in bucket.list("referrers/")}
    digests = sorted({digest for _, entry in entries for digest in entry.manifests})
    store = BucketStore(bucket, "")

    def missing(digest: Digest) -> str | None:
        raw = store.manifest(digest)
        key = referrer_key(raw) if raw is not None else None
        return key if key not in listed else None

    readable = [digest for digest in digests if manifest_key(digest) not in faulty]
    return {key: "it is missing, and lists a referrer" for key in each(readable, missing, jobs) if key is not None}


def _first(entry: TagEntry, faulty: Mapping[str, str]) -> list[str]:
    """The first key of an entry that is faulty, if any."""
    return sorted((keys_of(entry) & set(faulty)) | lists_of(entry, faulty))[:1]
