"""`inv backup`: copy published images to the catalogue's bucket, what belongs to them with them, their tags last."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageyard import git
from imageyard.bucket.store import BucketStore
from imageyard.bucket.upload import PART
from imageyard.errors import ImageyardError, NotFound, Transient, exit_code
from imageyard.keep.backup_copy import companions, copy_whole, is_companion, manifests_of
from imageyard.keep.backup_index import write_generation
from imageyard.keep.backup_marker import Marker, backing_up
from imageyard.layout import size
from imageyard.names import Digest, Reference, parse_reference
from imageyard.oci.revocation import NOTICE_TAG, is_marker_tag, marker_tag
from imageyard.parallel import each
from imageyard.project import publish_policy
from imageyard.records import worst
from imageyard.registry.store import RegistryStore

if TYPE_CHECKING:
    from imageyard.board import Board
    from imageyard.bucket.entries import TagEntry
    from imageyard.bucket.objects import Bucket
    from imageyard.oci.raw import Raw
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["backup", "content_tags"]


@dataclass(frozen=True)
class _Outcome:
    """What came of a tag: its entries in the bucket, or why there are none."""

    tag: str
    entries: tuple[TagEntry, ...] = ()
    error: ImageyardError | None = None


def content_tags(project: Project, recipes: Recipes, pattern: str) -> dict[str, str]:
    """The tags of the images of a pattern as they are now, of their rows first, each with the image's name.

    What may not be published (a tag that ends in `-local`) has no tag here.
    """
    tags: dict[str, str] = {}
    for row in project.rows(pattern):
        if not publish_policy.why_not(recipes, row):
            tags[recipes.tag(row)] = row.name
            tags[recipes.index_tag(row.image)] = row.name
    return tags


def backup(
    project: Project, recipes: Recipes, services: Services, bucket: Bucket, pattern: str, *, jobs: int
) -> tuple[list[tuple[str, Reference]], int]:
    """Copy what the trusted repository has of a pattern's images; returns each by digest, and the exit code.

    An image that fails stops no other. A generation, of the commit and of the week, is written last, and only where
    nothing failed. What is not published is told, and is no failure. Revocations are saved of all that the bucket has,
    also of images that are none of the pattern's. Raises NotFound where nothing is published, Transient where the list
    of tags was cut.
    """
    repository = publish_policy.repository(project.catalogue, "trusted")
    source = RegistryStore(services.registry(), repository, PART)  # a piece is a part: none is copied in memory
    target = BucketStore(bucket, repository.name)
    tags = content_tags(project, recipes, pattern)
    known = tuple(source.tags())
    revoking = source.digest_of(NOTICE_TAG) is not None
    if revoking and NOTICE_TAG not in known:
        raise Transient(f"{source.name} cut its list of tags", doing="backing up", hint="run it again")
    with backing_up(bucket) as marker, services.reporter.board(f"backup to {bucket.name}") as board:
        progress = _Progress(board, target, len(tags))
        copying = _Copying(source, target, known, revoking, marker)
        outcomes = each(list(tags), lambda tag: _save(copying, tag, progress), jobs)
        entries = [entry for one in outcomes for entry in one.entries]
        saved = {entry.tag for entry in entries}
        others = [tag for tag in known if is_marker_tag(tag) and is_companion(tag) and tag not in saved]
        outcomes += each(others, lambda tag: _save_marker(copying, tag), jobs)
        marker.confirm()  # or what the entries name may be gone
        errors = [one.error for one in outcomes if one.error is not None]
        if entries and not errors:
            _write_generations(project, bucket, entries)
    _tell(services, outcomes, target)
    if not entries and not errors:
        raise NotFound(
            f"{repository.name} has none of the images of {pattern}",
            doing="backing up",
            hint="inv refs PATTERN --existing    (what is published)",
        )
    done = [(tags.get(one.tag, one.tag), _reference(one)) for one in entries]
    return done, worst(map(exit_code, errors))


class _Progress:
    """What the board is told, by several threads."""

    def __init__(self, board: Board, target: BucketStore, count: int) -> None:
        self._board = board
        self._target = target
        self._count = count
        self._done = 0
        self._lock = threading.Lock()

    def began(self, tag: str) -> None:
        """A tag is being copied."""
        with self._lock:
            self._board.step_started(tag)

    def ended(self, tag: str, seconds: float) -> None:
        """A tag is done with, well or not."""
        with self._lock:
            self._done += 1
            self._board.step_done(tag, seconds)
            self._board.log(f"{self._done} of {self._count} tags, {size(self._target.sent)} sent")


@dataclass(frozen=True)
class _Copying:
    """From where images are copied to where: `known` are the tags of the source, `marker` says that a backup runs.

    `revoking`: something was revoked at the source once.
    """

    source: RegistryStore
    target: BucketStore
    known: Sequence[str]
    revoking: bool
    marker: Marker


def _save(copying: _Copying, tag: str, progress: _Progress) -> _Outcome:
    begun = time.monotonic()
    progress.began(tag)
    try:
        digest = copying.source.digest_of(tag)
        if digest is None:
            return _Outcome(tag)
        return _Outcome(tag, tuple(_copied(copying, tag, digest)))
    except ImageyardError as error:
        return _Outcome(tag, error=error)
    finally:
        progress.ended(tag, time.monotonic() - begun)


def _copied(copying: _Copying, tag: str, root: Digest) -> Iterator[TagEntry]:
    """Copy an image, and what cosign keeps under tags of its own, which comes first; the entries that were written."""
    source, target = copying.source, copying.target
    raw = copy_whole(source, target, root)
    manifests = tuple(manifests_of(target, raw))
    markers = map(marker_tag, manifests) if copying.revoking else ()
    for beside in sorted({*companions(copying.known, manifests), *markers}):
        digest = source.digest_of(beside)
        if digest is not None:
            yield _tagged(copying, copy_whole(source, target, digest), beside)
    yield _tagged(copying, raw, tag)


def _save_marker(copying: _Copying, tag: str) -> _Outcome:
    """Save a revocation whose image the bucket has, and no image of this backup is: recovered, it stays revoked."""
    try:
        digest = copying.source.digest_of(tag)
        raw = copying.source.manifest(digest) if digest else None
        subject = raw.parsed().subject if raw else None
        if digest is None or subject is None or copying.target.digest_of(subject.digest) is None:
            return _Outcome(tag)
        return _Outcome(tag, (_tagged(copying, copy_whole(copying.source, copying.target, digest), tag),))
    except ImageyardError as error:
        return _Outcome(tag, error=error)


def _tagged(copying: _Copying, raw: Raw, tag: str) -> TagEntry:
    copying.marker.confirm()
    copying.target.put_manifest(raw, tag)
    return copying.target.required(tag)


def _write_generations(project: Project, bucket: Bucket, entries: Sequence[TagEntry]) -> None:
    now = bucket.now()
    year, week, _ = now.isocalendar()
    for id in (git.resolve(project.top, "HEAD"), f"{year}-W{week:02}"):
        write_generation(bucket, id, now.isoformat(timespec="seconds"), entries)


def _tell(services: Services, outcomes: Sequence[_Outcome], target: BucketStore) -> None:
    rows = []
    for one in outcomes:
        if one.error is not None:
            services.reporter.error(one.error)
            rows.append(("failed", one.tag, "", one.error.headline))
        elif one.entries:
            entry = one.entries[-1]
            rows.append(("backed up", one.tag, entry.digest, f"{len(entry.blobs)} blobs, {size(entry.size)}"))
        else:
            why = "the bucket has no such image" if is_marker_tag(one.tag) else "it is not published"
            rows.append(("absent", one.tag, "", f"{why}: there is nothing to copy"))
    services.reporter.table(("", "tag", "digest", "what"), rows, cut=("what",))
    services.reporter.step(f"{size(target.sent)} of blobs were sent to {target.bucket.name}")


def _reference(entry: TagEntry) -> Reference:
    return parse_reference(entry.repository).with_digest(entry.digest)
