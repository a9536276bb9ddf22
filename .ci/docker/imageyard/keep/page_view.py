"""The page in words: what stands in each cell, what is searched, and by what its columns are sorted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from imageyard.errors import assert_never
from imageyard.keep.page import Page, PageImage
from imageyard.keep.page_chart import Chart, chart
from imageyard.keep.page_history import ImageHistory, NeighbourChange
from imageyard.layout import duration, size

__all__ = ["COLUMNS", "FIRST", "PageView", "ViewColumn", "ViewFilter", "ViewHistory", "ViewImage", "ago", "view_of"]

FIRST = 100
"""Rows that the page shows at first, and adds when it is asked for more."""
_MOST_TAGS = 20
_SHORT = 12  # hex digits of a digest or a commit
_SHORT_DIGEST = len("sha256:") + _SHORT
_PREDICATES = {"https://slsa.dev/provenance/": "SLSA ", "https://spdx.dev/": "SPDX "}


@dataclass(frozen=True)
class ViewColumn:
    """A column of the table; `sorts`: its header is a button."""

    title: str
    sorts: bool = True


COLUMNS = (
    ViewColumn("Image"),
    ViewColumn("Tags and digest"),
    ViewColumn("Class and time left"),
    ViewColumn("Age"),
    ViewColumn("Compressed size"),
    ViewColumn("Made from"),
    ViewColumn("Last pull"),
    ViewColumn("Backup"),
    ViewColumn("Checks"),
    ViewColumn("Pull command", sorts=False),
)


@dataclass(frozen=True)
class ViewFilter:
    """A list from which one value is chosen; `key` is that of a row's `only`, or of the row itself."""

    key: str
    title: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class ViewHistory:
    """A row of an image with its charts and changes."""

    title: str
    charts: tuple[Chart, ...]
    changes: tuple[NeighbourChange, ...]


@dataclass(frozen=True)
class ViewImage:
    """The histories of one image; `anchor` is the id to which its rows in the table lead."""

    name: str
    anchor: str
    histories: tuple[ViewHistory, ...]


@dataclass(frozen=True)
class PageView:
    """All that the template shows; `rows` are plain data, which the page's script reads too."""

    page: Page
    rows: tuple[dict[str, Any], ...]
    filters: tuple[ViewFilter, ...]
    images: tuple[ViewImage, ...]


def view_of(page: Page) -> PageView:
    """Write the page in words."""
    images = tuple(_image(number, name, rows) for number, (name, rows) in enumerate(_by_image(page.histories)))
    anchors = {image.name: image.anchor for image in images}
    rows = tuple(_row(one, page.at, anchors.get(one.image, "")) for one in page.images)
    return PageView(page, rows, tuple(_filters(rows)), images)


def ago(age: timedelta) -> str:
    """An age, or a time that is left, in one unit: `5 min`, `3 h`, `12 days`."""
    seconds = max(int(age.total_seconds()), 0)
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 2 * 86400:
        return f"{seconds // 3600} h"
    return f"{seconds // 86400} days"


def _row(one: PageImage, now: datetime, anchor: str) -> dict[str, Any]:
    backup = {True: "yes", False: "no", None: "not known"}[one.backed_up]
    born = one.born
    return {
        "image": one.image or "not ours",
        "history": anchor,
        "repository": one.repository,
        "tags": list(one.tags[:_MOST_TAGS]),
        "more_tags": max(0, len(one.tags) - _MOST_TAGS),
        "digest": one.digest,
        "short": one.digest[:_SHORT_DIGEST],
        "class": one.tag_class,
        "left": _left(one),
        "why": one.why,
        "age": ago(now - born) if born else "not known",
        "born": _day(born),
        "sizes": [f"{each.platform or 'one platform'}: {_size(each.size)}" for each in one.platforms],
        "made": _made(one),
        "pulled": f"{ago(now - one.pulled)} ago" if one.pulled else "not known",
        "pulled_at": _day(one.pulled),
        "backup": f"{backup}, {one.saved[:10]}" if one.saved else backup,
        "checks": _checks(one),
        "revoked": one.revoked or "",
        "pull": one.pull,
        "only": {  # beside the values above: what a row is chosen by
            "stay": _STAYS[one.stay],
            "checks": one.checks,
            "backup": backup,
            "platform": sorted({each.platform for each in one.platforms if each.platform}),
            "revoked": "yes" if one.revoked else "no",
        },
        "sort": {  # by the number of the column; others are sorted by their text
            2: _left_key(one),
            3: None if born is None else int((now - born).total_seconds()),
            4: one.size,
            6: None if one.pulled is None else int((now - one.pulled).total_seconds()),
            7: {True: 1, False: 0, None: None}[one.backed_up],
            8: {"failed": 0, "not run": 1, "passed": 2, "unknown": None}[one.checks],
        },
    }


_STAYS = {"goes": "goes next", "until": "for a time", "open": "as long as a rule keeps it", "unknown": "not known"}
_FOREVER = 10**12


def _left(one: PageImage) -> str:
    match one.stay:
        case "goes":
            return "goes with the next retention"
        case "until":
            return f"at least {ago(timedelta(seconds=one.left or 0))} left"
        case "open":
            return "stays"
        case "unknown":
            return "time left is not known"
        case _:
            assert_never(one.stay)


def _left_key(one: PageImage) -> int | None:
    """What the time left is sorted by: what stays comes after all that has an end, what is not known last."""
    return {"goes": 0, "until": one.left, "open": _FOREVER, "unknown": None}[one.stay]


def _made(one: PageImage) -> list[str]:
    """The bases, the commits and the provenance of an image, a line each."""
    bases = _each(base for each in one.platforms for base in each.bases or ())
    commits = _each(
        f"{each.commit[:_SHORT]}{' with changes' if each.dirty else ''}" for each in one.platforms if each.commit
    )
    proofs = _each(_predicate(predicate) for each in one.platforms for predicate in each.provenance)
    proofs += ["a signature, not verified here"] if one.signed else []
    lines = [f"base {_short(base)}" for base in bases] or ["base not known"]
    lines.append(f"commit {', '.join(commits)}" if commits else "commit not known")
    lines.append(f"provenance {', '.join(proofs)}" if proofs else "no provenance")
    return lines


def _checks(one: PageImage) -> str:
    failed = _each(finding for each in one.platforms for finding in each.findings)
    states = _each(each.checks for each in one.platforms)
    if failed:
        return f"failed: {'; '.join(failed)}"
    if len(states) > 1:
        return ", ".join(f"{each.platform}: {_CHECKS[each.checks]}" for each in one.platforms)
    return _CHECKS[one.checks]


_CHECKS = {"passed": "passed", "failed": "failed", "not run": "not run", "unknown": "not known: no record"}


def _filters(rows: Sequence[dict[str, Any]]) -> Iterable[ViewFilter]:
    """The lists to choose from; one with a single value would choose nothing."""
    titles = {
        "repository": "Repository",
        "class": "Class",
        "stay": "Stays",
        "platform": "Platform",
        "checks": "Checks",
        "backup": "Backup",
        "revoked": "Revoked",
    }
    for key, title in titles.items():
        found = {value for row in rows for value in _values(row["only"].get(key, row.get(key)))}
        if len(found) > 1:
            yield ViewFilter(key, title, tuple(sorted(found)))


def _values(found: str | list[str]) -> list[str]:
    return found if isinstance(found, list) else [found]


def _by_image(found: Sequence[ImageHistory]) -> list[tuple[str, list[ImageHistory]]]:
    return [(name, list(rows)) for name, rows in groupby(found, key=lambda one: one.image)]


def _image(number: int, name: str, found: Sequence[ImageHistory]) -> ViewImage:
    return ViewImage(name, f"history-{number}", tuple(map(_history, found)))


def _history(one: ImageHistory) -> ViewHistory:
    title = f"{one.image} {one.arch}{', weekly' if one.series == 'weekly' else ''}"
    sizes = [(_point(point.tag, point.at), float(point.size)) for point in one.points if point.size is not None]
    times = [(_point(point.tag, point.at), point.seconds) for point in one.points if point.seconds is not None]
    drawn = (
        chart("Compressed size", sizes, lambda value: size(int(value))),
        chart("Build time", times, duration),
    )
    return ViewHistory(title, tuple(one for one in drawn if one is not None), one.changes)


def _point(tag: str, at: str) -> str:
    return f"{tag or 'without a tag'}, {at[:10]}"


def _predicate(text: str) -> str:
    for address, word in _PREDICATES.items():
        if text.startswith(address):
            return f"{word}{text.removeprefix(address)}"
    return text


def _short(base: str) -> str:
    """A base whose digest is cut to the part that people search for."""
    name, found, digest = base.partition("@sha256:")
    return f"{name}@sha256:{digest[:_SHORT]}" if found else base


def _size(found: int | None) -> str:
    return "not known" if found is None else size(found)


def _day(found: datetime | None) -> str:
    return f"{found:%Y-%m-%d}" if found else ""


def _each(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))
