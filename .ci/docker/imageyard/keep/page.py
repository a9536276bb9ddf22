"""The page of all images as values: one entry for each image that has a tag, and what it says in each column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal, TypeAlias

from imageyard.keep.page_facts import BackupFacts, PlatformImage, ShownRepository
from imageyard.keep.page_history import ImageHistory, histories
from imageyard.keep.retention_facts import RepositoryKind, StoredManifest, TagClass, class_of, image_of, life_of
from imageyard.keep.retention_left import time_left
from imageyard.keep.retention_plan import HandsOff
from imageyard.layout import one_line
from imageyard.oci.manifests import is_digest
from imageyard.oci.revocation import NOTICE_TAG
from imageyard.records import Record

__all__ = ["CheckState", "Page", "PageImage", "PagePlatform", "PageRepository", "Stay", "moment", "page_of", "plain"]

VERSION = 1
"""The version of the form of `plain`."""

Stay: TypeAlias = Literal["goes", "until", "open", "unknown"]
"""Whether an image stays: `goes` at the next retention, `until` its age says so, `open` as long as a rule keeps it."""

CheckState: TypeAlias = Literal["passed", "failed", "not run", "unknown"]
"""What the records say of an image's checks; `unknown`: there is no record."""

_WORST: tuple[CheckState, ...] = ("passed", "unknown", "not run", "failed")
_WORDS = 200  # characters of a text that a registry or a record says


@dataclass(frozen=True)
class PagePlatform:
    """One platform of an image; `seconds` is how long its build took, `built` when it ended."""

    platform: str
    digest: str
    size: int | None
    provenance: tuple[str, ...]
    bases: tuple[str, ...] | None
    commit: str | None
    dirty: bool
    built: datetime | None
    seconds: float | None
    checks: CheckState
    findings: tuple[str, ...]


@dataclass(frozen=True)
class PageImage:
    """One image that has tags. `left` are seconds where `stay` is `until`; `pushed` is None where nobody knows it.

    `backed_up` is None where that is not known, `saved` the time of the backup. `revoked` is the reason for which
    nobody should use it. `pull` is the command that gets it, by digest: what a tag says may be anything.
    """

    repository: str
    kind: RepositoryKind
    image: str
    tags: tuple[str, ...]
    digest: str
    tag_class: TagClass
    stay: Stay
    left: int | None
    why: str
    pushed: datetime | None
    pulled: datetime | None
    archived: bool
    backed_up: bool | None
    saved: str
    signed: bool
    revoked: str | None
    pull: str
    platforms: tuple[PagePlatform, ...]

    @property
    def born(self) -> datetime | None:
        """From when on its age counts for a reader: its push, else its build."""
        return self.pushed or max((one.built for one in self.platforms if one.built), default=None)

    @property
    def size(self) -> int | None:
        """The compressed bytes of all platforms that said theirs, None where none did."""
        sizes = [one.size for one in self.platforms if one.size is not None]
        return sum(sizes) if sizes else None

    @property
    def checks(self) -> CheckState:
        """The worst of what its platforms say."""
        return max((one.checks for one in self.platforms), key=_WORST.index, default="unknown")


@dataclass(frozen=True)
class PageRepository:
    """A repository, how many of its manifests have no tag, and what has to be said of it."""

    name: str
    kind: RepositoryKind
    images: int
    untagged: int
    notes: tuple[str, ...]
    troubles: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """The whole page as of `at`; `troubles` are about no repository in particular."""

    at: datetime
    title: str
    repositories: tuple[PageRepository, ...]
    images: tuple[PageImage, ...]
    histories: tuple[ImageHistory, ...]
    troubles: tuple[str, ...] = ()


def page_of(
    title: str,
    repositories: Sequence[ShownRepository],
    backups: BackupFacts,
    now: datetime,
    troubles: Iterable[str] = (),
) -> Page:
    """Make the page of repositories: the newest image first, those of unknown age last."""
    images = [image for one in repositories for image in _images(one, backups, now)]
    images.sort(key=lambda one: (one.born is None, -one.born.timestamp() if one.born else 0, one.image, one.digest))
    return Page(
        now,
        title,
        tuple(_repository(one, sum(image.repository == one.name for image in images)) for one in repositories),
        tuple(images),
        histories(repositories),
        tuple(troubles),
    )


def _repository(one: ShownRepository, images: int) -> PageRepository:
    named = [digest for digest, manifest in one.manifests.items() if _named(one, manifest)]
    return PageRepository(one.name, one.kind, images, len(one.manifests) - len(named), tuple(_notes(one)), one.troubles)


def _notes(one: ShownRepository) -> Iterator[str]:
    """What a reader should know of a repository that nothing is wrong with."""
    if one.sighted:
        yield "its registry does not say when images were pushed: ages count from the first retention that saw them"
    match one.plan.hands_off if one.plan else None:
        case HandsOff.COUNT | HandsOff.SHARE as hands_off:
            assert one.plan is not None
            yield f"retention deletes nothing of it: {hands_off.value} ({one.plan.about})"
        case _:
            return


def _named(one: ShownRepository, manifest: StoredManifest) -> list[str]:
    """The tags under which somebody pulls a manifest."""
    tags = (tag for tag in manifest.tags if tag != NOTICE_TAG)
    return [tag for tag in tags if class_of(tag, one.policy, one.claims, one.kind) != "attached"]


def _images(one: ShownRepository, backups: BackupFacts, now: datetime) -> Iterator[PageImage]:
    for digest, manifest in one.manifests.items():
        if not (tags := _named(one, manifest)):
            continue
        platforms = tuple(_platform(each) for each in one.platforms.get(digest, ()))
        stay, left, why = _stay(one, manifest, now)
        yield PageImage(
            one.name,
            one.kind,
            _name(one, tags, one.platforms.get(digest, ())),
            tuple(one_line(tag, _WORDS) for tag in sorted(tags)),
            digest,
            _class(one, manifest, tags),
            stay,
            left,
            why,
            None if digest in one.sighted else manifest.pushed,
            manifest.pulled,
            manifest.archived,
            digest in backups.saved if backups.state == "read" else None,
            backups.saved.get(digest, ""),
            digest in one.signed or any(each.digest in one.signed for each in platforms),
            one.revoked.get(digest),
            f"docker pull {one.name}@{digest}" if is_digest(digest) else "",
            platforms,
        )


def _name(one: ShownRepository, tags: Sequence[str], platforms: Sequence[PlatformImage]) -> str:
    """The image that tags are of, else that which a record names; empty for what is not ours."""
    for tag in tags:
        if name := image_of(tag, one.claims):
            return name
    named = (each.record.image for each in platforms if each.record)
    return next((name for name in named if name in one.claims.images), "")


def _class(one: ShownRepository, manifest: StoredManifest, tags: Sequence[str]) -> TagClass:
    """The class that keeps it the longest."""
    unversioned = manifest.digest in one.claims.unversioned
    classes = [class_of(tag, one.policy, one.claims, one.kind) for tag in tags]
    if manifest.digest in one.claims.pinned_digests:
        return "pinned"
    return max(classes, key=lambda tag_class: life_of(tag_class, one.policy, unversioned=unversioned))


def _stay(one: ShownRepository, manifest: StoredManifest, now: datetime) -> tuple[Stay, int | None, str]:
    verdict = one.plan.verdicts.get(manifest.digest) if one.plan else None
    if verdict is None:
        return "unknown", None, "what retention says of it is not known"
    own, *others = (*manifest.tags, "")
    about = "" if others == [""] and verdict.about == own else verdict.about[:_WORDS]  # its only tag stands beside it
    why = f"{verdict.reason.value}{f' ({about})' if about else ''}"
    if verdict.goes:
        return "goes", 0, why
    left = time_left(verdict, one.claims, one.policy, one.kind, now)
    if left is None:
        return "open", None, why
    if manifest.digest in one.sighted:
        return "unknown", None, "its age counts from the first retention that sees it"
    return "until", int(left / timedelta(seconds=1)), why


def _platform(one: PlatformImage) -> PagePlatform:
    record = one.record
    checks, findings = _checks(record)
    return PagePlatform(
        one_line(one.platform, _WORDS),
        one.digest,
        one.size,
        tuple(one_line(predicate, _WORDS) for predicate in one.predicates),
        one.bases,
        one_line(record.commit, _WORDS) if record and record.commit else None,
        record.dirty if record else False,
        moment(record.ended or record.started) if record else None,
        record.seconds if record else None,
        checks,
        findings,
    )


def _checks(record: Record | None) -> tuple[CheckState, tuple[str, ...]]:
    """What a record says of checks, and the headlines of those that failed."""
    if record is None:
        return "unknown", ()
    failed = tuple(one_line(finding.headline, _WORDS) for finding in record.findings if not finding.ok)
    if failed:
        return "failed", failed
    return ("passed" if record.findings else "not run"), ()


def moment(text: str) -> datetime | None:
    """The time that a record names, None where it names none; one without a zone is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return found.astimezone(timezone.utc) if found.tzinfo else found.replace(tzinfo=timezone.utc)
    except OverflowError:  # in the first or the last hours that there are
        return None


def plain(page: Page) -> dict[str, Any]:
    """The page as plain data, its version first; times are in ISO 8601."""

    def value(found: Any) -> Any:
        match found:
            case datetime():
                return found.isoformat()
            case dict():
                return {key: value(inner) for key, inner in found.items()}
            case list() | tuple():
                return [value(inner) for inner in found]
            case _:
                return found

    return {"version": VERSION, **value(asdict(page))}
