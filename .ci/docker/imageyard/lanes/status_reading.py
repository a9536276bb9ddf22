"""`inv lane.status`: read what the bucket and the index of a lane say, channel by channel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from html import unescape
from urllib.parse import unquote

from imageyard.bucket.objects import Bucket, ObjectEntry
from imageyard.console import Story
from imageyard.errors import Denied, ImageyardError, PolicyRefused
from imageyard.http.backoff import Clock
from imageyard.lanes.attested_files import read_attested
from imageyard.lanes.kept_state import read_state
from imageyard.lanes.lane_log import LogPlace, read_on
from imageyard.lanes.lane_requests import LogEntry, shown_name, taken_back
from imageyard.lanes.lane_results import ResultSignal
from imageyard.lanes.lane_rules import LaneChannel, lane_channel
from imageyard.lanes.lane_status import (
    ChannelFacts,
    ChannelStatus,
    ListedFile,
    ObjectFacts,
    OpenRequest,
    Verified,
    status_of,
    with_lane_sums,
)
from imageyard.lanes.listed_files import Accepted
from imageyard.lanes.model import LaneActivity, LaneCatalogue
from imageyard.lanes.places import BESIDE, CENTRE, TESTED, files_prefix, index_prefix, state_key
from imageyard.lanes.posted_results import result_signal
from imageyard.lanes.stored_wheel import stored_sha256
from imageyard.lanes.waiting_requests import read_waiting, waiting_requests
from imageyard.parallel import each

__all__ = ["lane_statuses", "listed_in"]

_WORKERS = 8
_LINK = re.compile(r'<a href="(?P<url>[^"]*)"')


def lane_statuses(
    found: LaneCatalogue,
    lane: str | None,
    bucket: Bucket,
    reporter: Story,
    clock: Clock | None = None,
) -> tuple[list[ChannelStatus], ImageyardError | None]:
    """How the channels of a lane, or of all, are, and the first error.

    A channel that cannot be read is told, and the others are read; one whose index is not consistent is PolicyRefused.
    Nothing is written. Raises ConfigurationError for a lane that there is not.
    """
    clock = clock or Clock()
    lanes = [found.lane(lane).name] if lane else list(found.lanes)
    log = _Log(bucket)
    done: list[ChannelStatus] = []
    partly_read: set[str] = set()
    first: ImageyardError | None = None
    for rules in [lane_channel(found, name, channel) for name in lanes for channel in found.channels]:
        try:
            facts = _Reading(bucket, rules, found.lane(rules.lane).state, log).facts()
        except ImageyardError as error:
            reporter.error(error)
            partly_read.add(rules.lane)
            first = first or error
            continue
        done.append(status_of(facts, found.price, datetime.fromtimestamp(clock.now(), timezone.utc)))
    done = with_lane_sums(done, partly_read)
    wrong = [f"{one.lane} {one.channel}" for one in done if not one.is_consistent]
    if wrong and first is None:
        headline = f"the index is not true of {', '.join(wrong)}"
        hint = ("gh workflow run lane-index.yml    (writes it anew)", "find out who wrote there: the indexer alone may")
        first = PolicyRefused(headline, doing="reading the indexes of lanes", hint=hint)
        reporter.error(first)
    return done, first


def listed_in(page: str, body: bytes) -> list[ListedFile]:
    """The files that a page of a project names, JSON or HTML; `page` is how faults name it.

    Raises ValueError where it is no page.
    """
    try:
        if page.endswith(".html"):
            return [_linked(page, unescape(link["url"])) for link in _LINK.finditer(body.decode())]
        files = json.loads(body)["files"]
        return [ListedFile(page, str(one["filename"]), str(one["hashes"]["sha256"]), int(one["size"])) for one in files]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("it is no page of a project") from None


def _linked(page: str, url: str) -> ListedFile:
    """A file by its link; one without a hash has none that could be that of its bytes."""
    path, _, sha256 = url.partition("#sha256=")
    return ListedFile(page, unquote(path.rpartition("/")[2]), sha256)


class _Log:
    """The one log of all lanes, read from its beginning once: the last days of withdrawals are in it alone."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._place = LogPlace()
        self._entries: list[LogEntry] = []

    def read(self) -> list[LogEntry]:
        """All entries until now, in order. Raises as `read_on`."""
        new, self._place = read_on(self._bucket, self._place)
        self._entries += new
        return list(self._entries)


class _Reading:
    """One channel: what was listed of it, and what its state says. Raises PolicyRefused where the log was changed."""

    def __init__(self, bucket: Bucket, rules: LaneChannel, state: LaneActivity, log: _Log) -> None:
        self.bucket = bucket
        self.rules = rules
        self.state = state
        self.kept = read_state(bucket, state_key(rules.lane, rules.channel.name))
        self.prefix = files_prefix(rules.lane, rules.channel.name)
        # In the order in which the indexer writes backwards: what changes meanwhile makes no page untrue.
        self.log = log.read()
        self.listed, self.unreadable = self._pages()
        self.entries = {one.key.removeprefix(self.prefix): one for one in bucket.list(self.prefix)}

    def facts(self) -> ChannelFacts:
        """What there is to decide from. Raises what the bucket raises."""
        mine = [one for one in self.log if (one.lane, one.channel) == (self.rules.lane, self.rules.channel.name)]
        taken = taken_back((one for one in mine if one.number > self.kept.log.number), self.kept.taken)
        hashes = self._hashes()
        return ChannelFacts(
            lane=self.rules.lane,
            channel=self.rules.channel,
            state=self.state,
            quota=self.rules.quota,
            objects={n: ObjectFacts(one.size, one.modified, hashes.get(n)) for n, one in self.entries.items()},
            listed=self.listed,
            unreadable=self.unreadable,
            withdrawn=frozenset(taken.withdrawn),
            verified=self._verified(hashes),
            tests=self._tests(hashes),
            log=mine,
            waiting=[name for name in self.entries if not name.endswith(BESIDE) and not self._is_read(name)],
            requests=list(self._requests(self.kept.executed | {one.id for one in self.log})),
        )

    def _pages(self) -> tuple[list[ListedFile], list[tuple[str, str]]]:
        """What the pages of all projects name, and those that say nothing."""
        below = f"{index_prefix(self.rules.lane, self.rules.channel.name)}simple/"
        keys = [one.key for one in self.bucket.list(below) if "/" in one.key.removeprefix(below)]
        listed: list[ListedFile] = []
        unreadable: list[tuple[str, str]] = []
        for key, answer in zip(keys, each(keys, self.bucket.get, _WORKERS), strict=True):
            page = key.removeprefix(below)
            if answer is None:  # it was listed a moment ago
                continue
            try:
                listed += listed_in(page, answer[0])
            except ValueError as error:
                unreadable.append((page, f"cannot be read: {error}"))
        return listed, unreadable

    def _is_read(self, name: str) -> bool:
        seen = self.kept.files.get(name)
        return seen is not None and (seen.etag, seen.size) == (self.entries[name].etag, self.entries[name].size)

    def _hashes(self) -> Mapping[str, str]:
        """The SHA-256 of each listed file: what the indexer read of this very object, else what the bucket has."""
        found: dict[str, str] = {}
        asked: list[str] = []
        for name in dict.fromkeys(one.filename for one in self.listed if one.filename in self.entries):
            seen = self.kept.files.get(name)
            if seen is not None and self._is_read(name) and isinstance(seen.verdict, Accepted):
                found[name] = seen.verdict.sha256
            else:
                asked.append(name)
        told = each(asked, lambda name: self._sha256(self.entries[name]), _WORKERS)
        return {**found, **dict(zip(asked, told, strict=True))}

    def _sha256(self, entry: ObjectEntry) -> str:
        head = self.bucket.head(entry.key)
        return stored_sha256(self.bucket, entry.key, entry.size, head.sha256 if head else None)

    def _verified(self, hashes: Mapping[str, str]) -> dict[str, Verified]:
        found = read_attested(self.bucket, self.entries, hashes, self.kept.attested, self.rules)
        return {name: "refused" if one.refused else "verified" for name, one in found.items()}

    def _tests(self, hashes: Mapping[str, str]) -> ResultSignal | None:
        """What the lane says of the tests of the newest file that is listed."""
        newest = max(hashes, key=lambda name: (self.entries[name].modified, name), default=None)
        if newest is None:
            return None
        return result_signal(self.bucket, self.entries.get(newest + TESTED), newest, hashes[newest], self.rules)

    def _requests(self, executed: frozenset[str]) -> Iterable[OpenRequest]:
        mine = (self.rules.lane, self.rules.channel.name)
        for waiting in waiting_requests(self.bucket, self.rules.lane, executed):
            try:
                asked = read_waiting(self.bucket, waiting)
            except Denied as denied:
                asked = denied.headline
            if isinstance(asked, str):
                if waiting.asker != CENTRE:
                    yield OpenRequest(waiting.id, asked, waiting.entry.modified)
            elif (asked.lane, asked.channel) == mine:
                yield OpenRequest(
                    waiting.id, f"{asked.action} {', '.join(map(shown_name, asked.files))}", waiting.entry.modified
                )
