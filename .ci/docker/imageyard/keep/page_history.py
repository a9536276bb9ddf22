"""How the images of a row changed: their sizes and build times, and the packages between neighbours, all bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

from imageyard import fact_lines
from imageyard.keep.page_facts import PlatformImage, ShownRepository
from imageyard.keep.retention_facts import StoredManifest, class_of
from imageyard.layout import one_line
from imageyard.records import Record

__all__ = [
    "MOST_CHANGES",
    "MOST_LINES",
    "MOST_POINTS",
    "Bounds",
    "ChangeLine",
    "HistoryPoint",
    "ImageHistory",
    "NeighbourChange",
    "Series",
    "bounds",
    "histories",
]

MOST_POINTS = 60
"""Images of a row that its history has, the newest ones."""
MOST_CHANGES = 10
"""Pairs of neighbours of a row whose packages are compared, the newest ones."""
MOST_LINES = 40
"""Lines that are shown of one pair; the counts are of all."""
_MOST_OF_ALL = 20_000
"""Points, and lines, of all rows together: a browser makes an element of each."""
_WORDS = 120

Series: TypeAlias = Literal["content", "weekly"]
"""Images by content, and canaries of weekly builds, are two rows of neighbours."""
ChangeKind: TypeAlias = Literal["moved", "came", "went"]


@dataclass(frozen=True)
class HistoryPoint:
    """One image; `at` is when its build began, as its record says; `size` compressed bytes, `seconds` of its build."""

    digest: str
    tag: str
    at: str
    commit: str | None
    size: int | None
    seconds: float | None


@dataclass(frozen=True)
class ChangeLine:
    """A package that came, went or moved, or a line that names none."""

    kind: ChangeKind
    fact: str
    name: str
    text: str


@dataclass(frozen=True)
class NeighbourChange:
    """What differs from the image before; `lines` are the first of them, and the counts are of all."""

    digest: str
    tag: str
    before: str
    before_tag: str
    at: str
    came: int
    went: int
    moved: int
    lines: tuple[ChangeLine, ...]

    @property
    def left_out(self) -> int:
        """How many lines are not among `lines`."""
        return self.came + self.went + self.moved - len(self.lines)


@dataclass(frozen=True)
class ImageHistory:
    """The images of a row in the order of time: `image` and `arch` are those of the records."""

    image: str
    arch: str
    series: Series
    points: tuple[HistoryPoint, ...]
    changes: tuple[NeighbourChange, ...]


@dataclass(frozen=True)
class _Recorded:
    digest: str
    tag: str
    record: Record
    size: int | None


class Bounds(NamedTuple):
    """How much is shown of each row: points, pairs of neighbours, and lines of a pair."""

    points: int
    changes: int
    lines: int


def bounds(rows: int) -> Bounds:
    """The bounds for a page with so many rows."""
    points = max(10, min(MOST_POINTS, _MOST_OF_ALL // max(rows, 1)))
    changes = max(2, min(MOST_CHANGES, _MOST_OF_ALL // 10 // max(rows, 1)))
    return Bounds(points, changes, max(5, min(MOST_LINES, _MOST_OF_ALL // max(rows * changes, 1))))


def histories(repositories: Sequence[ShownRepository]) -> tuple[ImageHistory, ...]:
    """Make the history of each row of a kept catalogue that has records; an image that is at two places counts once."""
    rows: dict[tuple[str, str, Series], dict[str, _Recorded]] = {}
    for repository in repositories:
        for digest, platforms in repository.platforms.items():
            for key, one in _recorded(repository, repository.manifests.get(digest), platforms):
                rows.setdefault(key, {}).setdefault(one.digest, one)
    shown, found = bounds(len(rows)), []
    for (image, arch, series), images in sorted(rows.items()):
        order = sorted(images.values(), key=lambda one: (one.record.started, one.digest))
        points = tuple(map(_point, order[-shown.points :]))
        found.append(ImageHistory(image, arch, series, points, tuple(_changes(order, shown))))
    return tuple(found)


def _recorded(
    repository: ShownRepository, manifest: StoredManifest | None, platforms: Sequence[PlatformImage]
) -> Iterator[tuple[tuple[str, str, Series], _Recorded]]:
    tags = sorted(manifest.tags) if manifest else []
    classes = {tag: class_of(tag, repository.policy, repository.claims, repository.kind) for tag in tags}
    pulled = [tag for tag in tags if classes[tag] != "attached"]
    best = min(pulled, key=lambda tag: (classes[tag] == "floating", tag), default="")
    series: Series = "weekly" if any(classes[tag] == "weekly" for tag in tags) else "content"
    for one in platforms:
        if one.record is not None and one.record.image in repository.claims.images:
            key = (one.record.image, one_line(one.record.arch, _WORDS), series)
            yield key, _Recorded(one.digest, one_line(best, _WORDS), one.record, one.size)


def _point(one: _Recorded) -> HistoryPoint:
    commit = one_line(one.record.commit, _WORDS) if one.record.commit else None
    return HistoryPoint(one.digest, one.tag, one_line(one.record.started, _WORDS), commit, one.size, one.record.seconds)


def _changes(order: Sequence[_Recorded], most: Bounds) -> Iterator[NeighbourChange]:
    """Compare each image that has facts with the one before it that has, the newest pair first."""
    with_facts = [one for one in order if one.record.facts]
    for old, new in reversed(list(pairwise(with_facts))[-most.changes :]):
        both = [name for name in new.record.facts if name in old.record.facts]
        if both:
            lines = [line for name in both for line in _lines(name, old, new)]
            counts = {kind: sum(line.kind == kind for line in lines) for kind in ("came", "went", "moved")}
            at = one_line(new.record.started, _WORDS)
            shown = tuple(_shown(lines[: most.lines]))
            yield NeighbourChange(new.digest, new.tag, old.digest, old.tag, at, **counts, lines=shown)


def _lines(name: str, old: _Recorded, new: _Recorded) -> Iterator[ChangeLine]:
    found = fact_lines.changes(old.record.facts[name], new.record.facts[name])
    for package, (before, after) in found.moved.items():
        yield ChangeLine("moved", name, package, f"{before} → {after}")
    for package, version in found.came.items():
        yield ChangeLine("came", name, package, version)
    for package, version in found.went.items():
        yield ChangeLine("went", name, package, version)
    yield from (ChangeLine("came", name, "", line) for line in found.lines_came)
    yield from (ChangeLine("went", name, "", line) for line in found.lines_went)


def _shown(lines: Iterable[ChangeLine]) -> Iterator[ChangeLine]:
    """Lines as they may be shown: whoever may write to the repository may have written the record."""
    for line in lines:
        texts = (one_line(text, _WORDS) for text in (line.fact, line.name, line.text))
        yield ChangeLine(line.kind, *texts)
