"""`inv facts`: what is kept of an image, and with which of its published images each version of a package began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imageyard import fact_lines
from imageyard.errors import ConfigurationError, NotFound
from imageyard.layout import aligned, lines
from imageyard.names import parse_tag
from imageyard.parallel import each
from imageyard.project.tags import canary_day
from imageyard.publishing import record_artifact
from imageyard.queries.image_side import best_record

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.fact_lines import VersionBegan
    from imageyard.names import Reference
    from imageyard.queries.image_side import ImageSide, SideFinder
    from imageyard.records import Record

__all__ = ["MOST", "History", "history", "history_rendered", "listing"]

MOST = 200
"""Images that are asked for their records at most, each with about five requests."""
_WORKERS = 16
_KEEP = "add facts to the image in the catalogue, and build it anew: epoch    (docs/catalogue.md)"


@dataclass(frozen=True)
class _Published:
    """A published image of a row that has facts."""

    reference: Reference
    record: Record


@dataclass(frozen=True)
class History:
    """What began with which image; `published` were read, the oldest first, and `left_out` more were not."""

    published: tuple[_Published, ...]
    began: tuple[VersionBegan, ...]
    left_out: int


def listing(row: Row, side: ImageSide, *, as_json: bool) -> object:
    """The facts of one image, a line each. Raises NotFound where none are kept of it."""
    facts = side.record.facts if side.record else {}
    if not facts:
        raise NotFound(f"no facts of {row.name} {row.arch} are kept at {side.tag or side.name}", hint=_KEEP)
    if as_json:
        return {"image": row.name, "arch": row.arch, "tag": side.tag, "facts": {k: list(v) for k, v in facts.items()}}
    # Whoever may write to the repository may have written the record: no line of it gets to a terminal as it is.
    return "\n".join(f"{name}\t{' '.join(lines(line))}" for name, kept in facts.items() for line in kept)


def history(finder: SideFinder, pattern: str, *, weekly: bool) -> History:
    """Ask the row's published images when each version of the packages of a pattern began.

    They are those of the first repository that has any: the newest MOST canaries where `weekly`, else all that have
    tags of their content. Raises NotFound where none has facts, or none names such a package, and ConfigurationError
    where there are more than MOST of the second kind: tags do not say which of them are the newest.
    """
    row = finder.row
    repository, tags = _tags(finder, weekly)
    if not weekly and len(tags) > MOST:
        headline = f"{len(tags)} images of {row.name} are at {repository.name}, and at most {MOST} are asked"
        raise ConfigurationError(headline, hint="ask for the canaries alone: --weekly")
    read = each(tags[-MOST:], lambda tag: _published(finder, repository.with_tag(tag)), _WORKERS)
    with_facts = [one for one in read if one is not None and one.record.facts]
    if not weekly:
        with_facts.sort(key=lambda one: one.record.started)
    what = f"{'canary' if weekly else 'image'} of {row.name} {row.arch}"
    if not with_facts:
        raise NotFound(f"no {what} at {repository.name} has facts ({len(tags)} tags)", hint=_KEEP)
    began = fact_lines.began([one.record.facts for one in with_facts], pattern)
    if not began:
        names = f"inv facts {row.name} --arch {row.arch}    (all that is kept of it)"
        raise NotFound(f"no {what} has {pattern!r}, of {len(with_facts)} with facts", hint=names)
    return History(tuple(with_facts), tuple(began), max(0, len(tags) - MOST))


def _tags(finder: SideFinder, weekly: bool) -> tuple[Reference, list[str]]:
    """The row's tags at the first repository that has any; canaries are in the order of their days."""
    row = finder.row
    for repository, listed in finder.tag_lists():
        if weekly:
            # Of an image with several rows, the row's tag comes after that of its index.
            days = {day: tag for tag in sorted(listed) if (day := canary_day(tag, row))}
            tags = [days[day] for day in sorted(days)]
        else:
            tags = [tag for tag in listed if (own := parse_tag(tag, [row.name])) and own.kind == "content"]
        if tags:
            return repository, tags
    where = " nor ".join(repository.name for repository in finder.repositories)
    raise NotFound(f"no {'canary' if weekly else 'image'} of {row.name} is at {where}", hint=f"inv records {row.name}")


def _published(finder: SideFinder, tagged: Reference) -> _Published | None:
    """The record beside what a tag names; None where there is none for the row, as beside an index of several rows."""
    client = finder.services.registry()
    digest = client.digest_of(tagged)
    if digest is None:
        return None
    records = record_artifact.read(client, tagged.with_digest(digest), finder.services.reporter)
    record = best_record(records, finder.row.arch)
    return None if record is None else _Published(replace(tagged, digest=digest), record)


def history_rendered(found: History, *, as_json: bool) -> object:
    """The history as a table, or as a list of plain values; `oldest` marks what may have begun before."""
    if as_json:
        return [
            {
                "fact": one.fact,
                "name": one.name,
                "version": one.version,
                "oldest": one.at == 0,
                "reference": str(found.published[one.at].reference),
                "tag": found.published[one.at].reference.tag,
                "built": _built(found.published[one.at].record),
                "commit": found.published[one.at].record.commit,
            }
            for one in found.began
        ]
    order = sorted(found.began, key=lambda one: (one.fact, one.name, one.at))
    return "\n".join(
        aligned(("fact", "name", "version", "since", "built", "commit"), [_cells(found, o) for o in order])
    )


def _cells(found: History, one: VersionBegan) -> Sequence[str]:
    published = found.published[one.at]
    since = f"{published.reference.tag}{' or before' if one.at == 0 else ''}"
    version = "gone" if one.version is None else one.version or "there"
    commit = (published.record.commit or "-")[:12]
    return (one.fact, one.name, version, since, _built(published.record), commit)


def _built(record: Record) -> str:
    return record.ended or record.started
