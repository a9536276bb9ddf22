"""The indexer: reads the files that are new in a channel, executes what was asked for, and writes the pages.

The order keeps every page true wherever a run is killed: a request is in the log first, pages that no longer name a
file are written next, and only then the file is marked, so that nobody can install it (the bucket's policy); a mark is
taken off before a page names the file again. The log and the files are the truth; the
state is a cache. One indexer at a time is meant; where two run, the one that finds that the log grew begins again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from imageyard.bucket.entries import dumps
from imageyard.bucket.objects import Bucket, ObjectEntry, checksum
from imageyard.errors import Denied, Transient
from imageyard.http.backoff import Clock
from imageyard.lanes.attested_files import read_attested
from imageyard.lanes.index_pages import files_base, index_pages
from imageyard.lanes.kept_state import read_state
from imageyard.lanes.lane_log import append, read_on
from imageyard.lanes.lane_requests import PURGE, PURGED, LogEntry, Request, executed, taken_back
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.lane_state import Seen, WrittenPage, content_of_state, fingerprint
from imageyard.lanes.listed_files import Accepted, AttestedAs, Listing, Rejected, StoredFile, Verdict, listing_of
from imageyard.lanes.metadata_beside import read_beside
from imageyard.lanes.places import (
    BESIDE,
    CENTRE,
    LOG,
    file_of,
    files_prefix,
    index_prefix,
    log_key,
    state_key,
)
from imageyard.lanes.quota import Counted, counting
from imageyard.lanes.stored_wheel import judge
from imageyard.lanes.waiting_requests import WaitingRequest, read_waiting, waiting_requests
from imageyard.lanes.withdrawn_marks import mark, parts_of, unmark

__all__ = ["IndexReport", "update_index"]

_ROUNDS = 5
_KEEP_EVERY = 200
_KEEP_BYTES = 1024**3
"""Files, and bytes of files, that are read before what was found is kept: a run that is killed begins there."""


@dataclass(frozen=True)
class IndexReport:
    """What a run of the indexer did: files that it read, requests that it executed, keys of pages that it wrote.

    `marked` are the withdrawn files, and what lies beside them, that nobody can install any more; `changed` those that
    a CDN has to forget, also by what a run before did that ended too early to say so; `unread` the ids of requests that
    the bucket does not hand out, each with why.
    """

    listing: Listing
    read: tuple[str, ...]
    executed: tuple[LogEntry, ...]
    written: tuple[str, ...]
    marked: tuple[str, ...]
    changed: tuple[str, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


def update_index(bucket: Bucket, rules: LaneChannel, clock: Clock | None = None) -> IndexReport:
    """Bring the index of a channel up to date. What is as it was is neither read nor written.

    Raises PolicyRefused where the log was tampered with, and what the bucket raises; a later run does what is missing.
    """
    read: list[str] = []
    done: list[LogEntry] = []
    written: list[str] = []
    for _ in range(_ROUNDS):
        report, is_last = _Run(bucket, rules, clock or Clock()).run()
        read, done, written = [*read, *report.read], [*done, *report.executed], [*written, *report.written]
        if is_last:
            every = tuple(dict.fromkeys(read)), tuple(done), tuple(dict.fromkeys(written))
            return replace(report, read=every[0], executed=every[1], written=every[2])
    raise Transient(
        f"other indexers write at the same time in {bucket.name}",
        doing=f"updating the index of {rules.lane}",
        hint="let one run at a time",
    )


class _Run:
    def __init__(self, bucket: Bucket, rules: LaneChannel, clock: Clock) -> None:
        self.bucket = bucket
        self.rules = rules
        self.clock = clock
        self.prefix = files_prefix(rules.lane, rules.channel.name)
        self.key = state_key(rules.lane, rules.channel.name)
        self.state = read_state(bucket, self.key)
        self.before = self.state
        self.unread: list[tuple[str, str]] = []
        self.unreadable: dict[str, Rejected] = {}

    def run(self) -> tuple[IndexReport, bool]:
        """One round, and whether it is the last: the log grew under one that is not."""
        # Requests before files: what is asked for is about files that are there, also about one that came a moment ago.
        waiting = waiting_requests(self.bucket, self.rules.lane, self.state.executed)
        objects = {entry.key.removeprefix(self.prefix): entry for entry in self.bucket.list(self.prefix)}
        done = self._execute(waiting, objects)
        if self.state.restored:
            self._keep()
        self._unmark(objects)
        read = self._read_files(objects)
        base = files_base(self.rules)
        stored, today = self._stored(objects), self._now().date()
        listing = listing_of(stored, self.state.taken, self.rules, base, today, self._others(objects))
        written = self._write_pages(listing)
        self._keep()
        is_last = not any(entry.key > log_key(self.state.log.number) for entry in self.bucket.list(LOG))
        untold, marked = self.state.untold, self._mark(objects) if is_last else []
        self.state = replace(self.state, untold=frozenset() if is_last else untold)
        self._keep()
        told = (tuple(read), tuple(done), tuple(written), tuple(marked), tuple(sorted(untold)), tuple(self.unread))
        return IndexReport(listing, *told), is_last

    def _execute(self, waiting: Iterable[WaitingRequest], objects: Mapping[str, ObjectEntry]) -> list[LogEntry]:
        """Write into the log what is asked for and not in it yet; what nobody can read waits."""
        entries, place = read_on(self.bucket, self.state.log)
        self.state = replace(self.state, log=place)
        self._take(entries)
        done = []
        mine = (self.rules.lane, self.rules.channel.name)
        for each in waiting:
            if each.id in self.state.executed:  # by another indexer, or a run that was killed
                continue
            try:
                asked = read_waiting(self.bucket, each)
            except Denied as denied:
                self.unread.append((each.id, denied.headline))
                continue
            if not isinstance(asked, str) and (asked.lane, asked.channel) != mine:
                continue
            entries, place = append(self.bucket, self.state.log, each.id, self._entry(each.id, asked, objects))
            self.state = replace(self.state, log=place)
            self._take(entries)
            done += [entry for entry in entries if entry.id == each.id]
        return done

    def _entry(
        self, id: str, asked: Request | str, objects: Mapping[str, ObjectEntry]
    ) -> Callable[[int, str, Sequence[LogEntry]], LogEntry]:
        now = self._now()

        def make(number: int, previous: str, since: Sequence[LogEntry]) -> LogEntry:
            taken = taken_back(self._mine(since), self.state.taken)
            known = {*map(file_of, objects), *taken.withdrawn}
            return executed(number, id, asked, known, taken, now, previous)

        return make

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), timezone.utc)

    def _mine(self, entries: Iterable[LogEntry]) -> list[LogEntry]:
        return [e for e in entries if (e.lane, e.channel) == (self.rules.lane, self.rules.channel.name)]

    def _take(self, entries: list[LogEntry]) -> None:
        askers = (f"{self.rules.lane}/", f"{CENTRE}/")
        ids = {entry.id for entry in entries if entry.id.startswith(askers)}
        self.state = replace(self.state, executed=self.state.executed | ids)
        for entry in self._mine(entries):
            taken = taken_back([entry], self.state.taken)
            restored = (self.state.restored | self.state.withdrawn.keys()) - taken.withdrawn.keys()
            self.state = replace(self.state, yanked=taken.yanked, withdrawn=taken.withdrawn, purged=taken.purged)
            self.state = replace(self.state, disclosures=taken.disclosures, restored=restored)
            if not entry.refused:
                self.state = replace(self.state, untold=self.state.untold | set(entry.files))
            # Marks go with a file that is purged, and off one that is restored: withdrawn again, it is marked again.
            if entry.action in (PURGE, PURGED, "restore") and not entry.refused:
                parts = set(parts_of(entry.files))
                marked = {part: etag for part, etag in self.state.marked.items() if part not in parts}
                self.state = replace(self.state, marked=marked)

    def _read_files(self, objects: Mapping[str, ObjectEntry]) -> list[str]:
        """Read what is new, and what was read under other rules; what is gone is forgotten."""
        is_same = self.state.rules == fingerprint(self.rules)
        names = [name for name in objects if not name.endswith(BESIDE)]
        files = {}
        for name in names:
            seen = self.state.files.get(name)
            if is_same and seen is not None and (seen.etag, seen.size) == (objects[name].etag, objects[name].size):
                files[name] = seen
        for name in self.state.withdrawn.keys() & set(names):  # the listing says why, and nobody reads it
            files[name] = Seen(objects[name].etag, objects[name].size, Rejected("withdrawn", "withdrawn"))
        new = [name for name in names if name not in files]
        count = size = 0
        for name in new:
            entry = objects[name]
            count, size = count + 1, size + entry.size
            try:
                files[name] = Seen(entry.etag, entry.size, judge(self.bucket, entry, name, self.rules))
            except Denied as denied:  # nothing is known of it, and the next run asks again
                self.unreadable[name] = Rejected("unreadable", f"it cannot be read: {denied.headline}")
            if count >= _KEEP_EVERY or size >= _KEEP_BYTES:
                count = size = 0
                self.state = replace(self.state, rules=fingerprint(self.rules), files=dict(files))
                self._keep()
        here = {name: entry for name, entry in objects.items() if name not in self.state.withdrawn}
        digests = {name: seen.verdict.sha256 for name, seen in files.items() if isinstance(seen.verdict, Accepted)}
        self.state = replace(
            self.state,
            rules=fingerprint(self.rules),
            files=files,
            beside=read_beside(self.bucket, here, digests, self.state.beside),
            attested=read_attested(self.bucket, here, digests, self.state.attested, self.rules),
        )
        return new

    def _stored(self, objects: Mapping[str, ObjectEntry]) -> dict[str, StoredFile]:
        verdicts: dict[str, Verdict] = {name: seen.verdict for name, seen in self.state.files.items()}
        return {
            name: StoredFile(
                name,
                objects[name].size,
                objects[name].modified,
                verdict,
                self.state.beside[name][1] if name in self.state.beside else None,
                self._attested_as(name),
            )
            for name, verdict in {**verdicts, **self.unreadable}.items()
        }

    def _others(self, objects: Mapping[str, ObjectEntry]) -> list[Counted]:
        """What counts for the quota in other channels; nothing is asked of their states where all files fit."""
        used = sum(entry.size for entry in objects.values())
        every = {}
        for channel in self.rules.other_channels:
            prefix = files_prefix(self.rules.lane, channel.name)
            every[channel] = {entry.key.removeprefix(prefix): entry for entry in self.bucket.list(prefix)}
            used += sum(entry.size for entry in every[channel].values())
        if used <= self.rules.quota:
            return []
        counted = []
        for channel, there in every.items():
            withdrawn = read_state(self.bucket, state_key(self.rules.lane, channel.name)).withdrawn
            names = counting(there, channel, withdrawn)
            is_dev = channel.is_development
            counted += [Counted(there[name].modified, there[name].key, there[name].size, is_dev) for name in names]
        return counted

    def _attested_as(self, name: str) -> AttestedAs:
        found = self.state.attested.get(name)
        return "absent" if found is None else found.refused or "valid"

    def _write_pages(self, listing: Listing) -> list[str]:
        """Write the pages that differ from what the bucket has, in their order."""
        prefix = index_prefix(self.rules.lane, self.rules.channel.name)
        there = {entry.key: entry.etag for entry in self.bucket.list(prefix)}
        pages: dict[str, WrittenPage] = {}
        written = []
        for page in index_pages(self.rules, listing, there):
            sha256 = hashlib.sha256(page.body).hexdigest()
            last = self.state.pages.get(page.key)
            if last is not None and last == WrittenPage(sha256, there.get(page.key, "")):
                pages[page.key] = last
                continue
            answer = self.bucket.call(
                "put_object",
                page.key,
                f"writing {self.bucket.path(page.key)}",
                Body=page.body,
                ContentType=page.media_type,
                CacheControl=self.rules.channel.page_cache,
                **checksum(page.body),
            )
            pages[page.key] = WrittenPage(sha256, str(answer["ETag"]).strip('"'))
            written.append(page.key)
        self.state = replace(self.state, pages=pages)
        return written

    def _keep(self) -> None:
        if self.state != self.before:
            self.bucket.replace(self.key, dumps(content_of_state(self.state)))
            self.before = self.state

    def _mark(self, objects: Mapping[str, ObjectEntry]) -> list[str]:
        """Mark withdrawn files, and what lies beside them; no page names them any more."""
        new = mark(self.bucket, objects, self.state.withdrawn, self.state.marked)
        self.state = replace(self.state, marked={**self.state.marked, **new})
        return list(new)

    def _unmark(self, objects: Mapping[str, ObjectEntry]) -> None:
        """Take the marks off what was restored, and read it anew."""
        parts = set(unmark(self.bucket, objects, self.state.restored))
        files = {name: seen for name, seen in self.state.files.items() if name not in parts}
        self.state = replace(self.state, files=files, restored=frozenset())
