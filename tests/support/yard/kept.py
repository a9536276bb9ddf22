"""A trusted repository in memory with promoted images, and a bucket that they are backed up to."""

from __future__ import annotations

import itertools
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imageyard.bucket.objects import Bucket
from imageyard.keep.backup import backup
from imageyard.keep.recover import Recovery, entries_of_pattern, recover
from imageyard.names import Reference
from imageyard.oci.raw import Raw
from imageyard.publishing import record_artifact
from imageyard.records import Record
from imageyard.registry.client import Client
from support.aws.bucket import bucket_of
from support.building.checkout import Workplace, scene_of
from support.registry.built import put_built, put_index
from support.registry.faults import Proxy
from support.registry.memory import MemoryRegistry
from support.services import services

BASE = "linux-base"
REPOSITORY = "ci/image"
GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
NUMBERS = itertools.count()


@dataclass
class Kept:
    """A checkout, its registry, and its bucket behind `s3`, which may be a proxy with faults."""

    top: Path
    s3: Proxy
    bucket_name: str
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)

    def __post_init__(self) -> None:
        self._bucket: tuple[Proxy, Bucket] | None = None
        self.work = scene_of(self.top)
        for argv in (["add", "--all"], ["commit", "-qm", "first"]):
            subprocess.run([*GIT, "-C", str(self.top), *argv], check=True)

    @property
    def bucket(self) -> Bucket:
        """A client of AWS takes a third of a second to make: one for each proxy."""
        if self._bucket is None or self._bucket[0] is not self.s3:
            self._bucket = (self.s3, bucket_of(self.s3, self.bucket_name, "ci"))
        return self._bucket[1]

    def use(self, bucket: Bucket) -> None:
        """Reach the bucket by this one from now on."""
        self._bucket = (self.s3, bucket)

    def promote(self, note: str = "") -> Raw:
        """Publish an image with all that belongs to it; see `publish_whole`."""
        return publish_whole(self.work, self.registry.client(), self.registry.reference(REPOSITORY), note)

    def there(self) -> tuple[dict[str, str], set[str]]:
        """The tags of the registry with their digests, and all its manifests but for lists of referrers."""
        tags = {tag: digest for tag, digest in self.registry.tags(REPOSITORY).items() if not self._lists(tag)}
        lists = {digest for tag, digest in self.registry.tags(REPOSITORY).items() if self._lists(tag)}
        return tags, self.registry.manifests(REPOSITORY) - lists

    def empty(self) -> None:
        """Lose everything that the registry has."""
        self.registry = MemoryRegistry(has_referrers=self.registry.has_referrers)

    def back_up(self, pattern: str = BASE, jobs: int = 1) -> tuple[list[tuple[str, Reference]], int]:
        return backup(
            self.work.project, self.work.recipes, services(self.registry.client()), self.bucket, pattern, jobs=jobs
        )

    def recover(self, **wanted: Any) -> tuple[list[tuple[str, Reference]], int]:
        entries = entries_of_pattern(self.work.project, self.work.recipes, self.bucket, BASE)
        asked = Recovery(**{"yes": True, "jobs": 1, **wanted})
        return recover(self.work.project, services(self.registry.client()), self.bucket, entries, asked)

    @staticmethod
    def _lists(tag: str) -> bool:
        return tag.startswith("sha256-") and "." not in tag


def publish_whole(work: Workplace, client: Client, place: Reference, note: str = "") -> Raw:
    """Publish both rows of an image with their records, the image over them, and a signature under cosign's tag."""
    rows = []
    for arch in ("amd64", "arm64"):
        facts = work.facts(BASE, arch)
        raw = put_built(client, place, facts, note=note)
        record_artifact.attach(
            client, place, raw, Record(BASE, arch, "published", 0, "", started="2026-01-01T00:00:00Z")
        )
        client.put(place.with_tag(facts.tag), raw.body, raw.media_type)
        rows.append((facts, raw))
    whole = put_index(client, place, rows)
    client.put(
        place.with_tag(work.recipes.index_tag(work.project.catalogue.images[BASE])), whole.body, whole.media_type
    )
    signature = put_built(client, place, work.facts(BASE, "amd64"), note="a signature")
    client.put(place.with_tag(f"{whole.digest.replace(':', '-')}.sig"), signature.body, signature.media_type)
    return whole


def make_kept(top: Path, s3: Proxy, create: Any) -> Kept:
    """A checkout in an empty folder; `create` makes a bucket by name."""
    top.mkdir(parents=True, exist_ok=True)
    name = f"kept-{next(NUMBERS)}"
    create(name)
    return Kept(top, s3, name)
