"""`inv lane.purge` deletes all versions of a withdrawn file and of what lies beside it, for good.

The order keeps two promises wherever a run is killed. No index names a missing file: the file is withdrawn first, so
that the indexer leaves it out, and the pages are looked at. No deletion is unlisted: the log names every version before
the first one is deleted. A later run deletes what is left and ends the purge in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from imageyard.bucket.objects import Bucket, ObjectVersion
from imageyard.console import Story
from imageyard.errors import ConfigurationError, NotFound, PolicyRefused, Transient
from imageyard.http.backoff import Clock
from imageyard.lanes.lane_log import LogPlace, append, read_on
from imageyard.lanes.lane_requests import PURGE, PURGED, LogEntry, plain_text, shown_name
from imageyard.lanes.places import index_prefix
from imageyard.lanes.purge_plan import (
    Purging,
    begin_entry,
    end_entry,
    history_of,
    names_file,
    problem_of,
    purge_id,
    withdrawal_of,
)
from imageyard.lanes.standard import NotStandard, read_wheel_name

__all__ = ["purge"]

_ROUNDS = 3


def purge(bucket: Bucket, wanted: Purging, reporter: Story, clock: Clock | None = None, *, yes: bool) -> list[str]:
    """Delete a file for good; returns a line for each version. Without `yes` nothing is deleted and nothing is logged.

    Raises ConfigurationError where nobody says why, PolicyRefused for a file that is not withdrawn or that an index
    names, NotFound where nothing of the file was ever there, and what the bucket raises.
    """
    wanted = replace(wanted, reason=plain_text(wanted.reason))
    if problem := problem_of(wanted):
        hint = 'gh workflow run lane-purge.yml -f lane=LANE -f file=FILE -f reason="WHY" -f delete=true'
        raise ConfigurationError(problem, doing=f"purging {shown_name(wanted.file)}", hint=hint)
    return _Purge(bucket, wanted, reporter, clock or Clock()).run(yes=yes)


class _Purge:
    def __init__(self, bucket: Bucket, wanted: Purging, reporter: Story, clock: Clock) -> None:
        self.bucket = bucket
        self.wanted = wanted
        self.reporter = reporter
        self.clock = clock
        self.entries: list[LogEntry] = []
        self.place = LogPlace()

    def run(self, *, yes: bool) -> list[str]:
        self.entries, self.place = read_on(self.bucket, self.place)
        history = history_of(self.entries, self.wanted)
        withdrawal_of(self.wanted, history)
        self._refuse_listed()
        versions = self._versions()
        if not versions and not history.begun:
            doing = f"purging a file of the lane {self.wanted.lane}"
            hint = "look at the name, and at who deletes here: the log has its withdrawal, and its file is gone"
            raise NotFound(f"nothing is at {self.bucket.path(self.wanted.keys[0])}", doing=doing, hint=hint)
        if not yes:
            self.reporter.step("nothing was deleted: lane-purge.yml with `delete` does it, whose role alone may")
            return [_line(version) for version in versions]
        done = self._delete(versions)
        if history_of(self.entries, self.wanted).is_open:
            self._log_end()
        self.reporter.step(
            f"purged: nothing is left of {shown_name(self.wanted.file)}, and no file gets its name again"
        )
        return done

    def _delete(self, versions: Sequence[ObjectVersion]) -> list[str]:
        """Delete versions, and those that came meanwhile, each after the log names it."""
        done: list[str] = []
        for _ in range(_ROUNDS):
            if not versions:
                return done
            while new := self._unlisted(versions):
                self._log_begin(new)
            for version in versions:
                self.bucket.delete_version(version)
                done.append(_line(version))
            versions = self._versions()
        raise Transient(
            f"versions of {shown_name(self.wanted.file)} are there again after they were deleted",
            doing=f"purging a file of the lane {self.wanted.lane}",
            hint="find out who writes them, and run it again",
        )

    def _unlisted(self, versions: Sequence[ObjectVersion]) -> list[str]:
        listed = history_of(self.entries, self.wanted).listed
        return [_told(version) for version in versions if _told(version) not in listed]

    def _log_begin(self, versions: Sequence[str]) -> None:
        """Write the entry before a deletion; another purge of the file may write one first, of other versions."""
        id = purge_id(PURGE, self.wanted, history_of(self.entries, self.wanted))

        def make(number: int, previous: str, since: Sequence[LogEntry]) -> LogEntry:
            withdrawal = withdrawal_of(self.wanted, history_of([*self.entries, *since], self.wanted))
            return begin_entry(number, previous, id, self.wanted, withdrawal, versions, self._now())

        self._append(id, make)

    def _log_end(self) -> None:
        """Write the entry after the last deletion."""
        id = purge_id(PURGED, self.wanted, history_of(self.entries, self.wanted))
        self._append(id, lambda number, previous, _: end_entry(number, previous, id, self.wanted, self._now()))

    def _append(self, id: str, make: Callable[[int, str, Sequence[LogEntry]], LogEntry]) -> None:
        since, self.place = append(self.bucket, self.place, id, make)
        self.entries += since

    def _versions(self) -> list[ObjectVersion]:
        """All versions of the file and of what lies beside it, and the marks of deletions."""
        keys = set(self.wanted.keys)
        return [version for version in self.bucket.versions(self.wanted.keys[0]) if version.key in keys]

    def _refuse_listed(self) -> None:
        """Raise PolicyRefused where a page names the file: the indexer has not left it out yet."""
        try:
            project = read_wheel_name(self.wanted.file).name
        except NotStandard:  # the indexer lists wheels alone
            return
        lane = self.wanted.lane
        folder = f"{index_prefix(lane, self.wanted.channel)}simple/{project}/"
        for key in (f"{folder}index.v1_json", f"{folder}index.html"):
            page = self.bucket.get(key)
            if page and names_file(page[0], self.wanted.file):
                raise PolicyRefused(
                    f"{self.bucket.path(key)} names {self.wanted.file}",
                    doing=f"purging a file of the lane {lane}",
                    hint="gh workflow run lane-index.yml    (leaves out what is withdrawn)",
                )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), timezone.utc)


def _told(version: ObjectVersion) -> str:
    return f"{version.key} {version.id}"


def _line(version: ObjectVersion) -> str:
    return f"{shown_name(_told(version))} {'mark of a deletion' if version.is_mark else f'{version.size} bytes'}"
