"""What a run of retention keeps on disk: the report, and for each repository the restore record and first sightings."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.files import atomic_write, make_folder
from imageyard.oci.manifests import digest_of
from imageyard.records import strict_json

if TYPE_CHECKING:
    from imageyard.keep.retention_plan import RetentionPlan, RetentionVerdict
    from imageyard.names import Reference
    from imageyard.oci.raw import Raw

__all__ = ["Deletions", "RepositoryState", "RestoreRecord", "item_of", "lines_of", "write_report"]

VERSION = 1
_ENDED = ".restore.json"
_OPEN = ".open.restore.json"
_STATES_OPEN = ("running", "interrupted")


@dataclass
class Deletions:
    """What came of the manifests that were to go.

    `refused` has the registry's words by digest. Of `unknown` nobody knows: they were to be deleted, and no answer
    came that can be believed.
    """

    deleted: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


class RepositoryState:
    """What earlier runs left of one repository: when manifests were first seen, and when it was judged last."""

    def __init__(self, folder: Path, repository: Reference) -> None:
        """Raises ConfigurationError where the file is not what was written."""
        self.folder = folder
        # Names that differ in a slash alone have files of their own; none is taken for one that it begins as.
        self.name = f"{re.sub(r'[^A-Za-z0-9.-]', '_', repository.name)}-{digest_of(repository.name.encode())[7:15]}"
        self.file = folder / f"{self.name}.json"
        self.first_seen: dict[str, datetime] = {}
        self.last: datetime | None = None
        try:
            content = _read(self.file)
            self.first_seen = {digest: _time(time) for digest, time in content["first_seen"].items()}
            self.last = _time(content["last"])
        except FileNotFoundError:
            pass
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ConfigurationError(
                f"{self.file} is damaged", hint="remove it: ages are counted from now on"
            ) from None

    def write(self, now: datetime, there: Collection[str]) -> None:
        """Keep the first sightings of what is there, and forget the others: what comes back is new.

        Raises EnvironmentLacks where it cannot be written.
        """
        make_folder(self.folder)
        for digest in [digest for digest in self.first_seen if digest not in there]:
            del self.first_seen[digest]
        seen = {digest: time.isoformat() for digest, time in sorted(self.first_seen.items())}
        atomic_write(self.file, json.dumps({"version": VERSION, "last": now.isoformat(), "first_seen": seen}) + "\n")

    def forget_deleted(self, now: datetime, gone: Collection[str], unsure: Collection[str]) -> None:
        """Drop the sightings of what was deleted, so that it is new where it comes back, and keep that on disk.

        What nobody knows of (`unsure`) is seen `now` for the first time. Raises EnvironmentLacks where it cannot be
        written.
        """
        self._see_anew(now, unsure)
        self.write(now, self.first_seen.keys() - set(gone))

    def distrust_deleted(self, now: datetime) -> None:
        """Take what a run deleted that died before it could forget it for seen `now`, wherever it is there again.

        Raises ConfigurationError for a record that is damaged.
        """
        for record in self._records():
            if self.last is None or _time(record.content["at"]) >= self.last:
                self._see_anew(now, record.content["deleted"])

    def _see_anew(self, now: datetime, digests: Iterable[str]) -> None:
        for digest in digests:
            if digest in self.first_seen:
                self.first_seen[digest] = now

    def open_records(self) -> list[RestoreRecord]:
        """The restore records of runs that died. Raises ConfigurationError for one that is damaged."""
        return [record for record in self._records() if record.content["state"] in _STATES_OPEN]

    def _records(self) -> list[RestoreRecord]:
        paths = sorted(self.folder.glob(f"{self.name}.*.restore.json"))
        return [RestoreRecord(path, _read_record(path)) for path in paths]

    def new_record(self, repository: Reference, now: datetime, items: Iterable[Mapping[str, Any]]) -> RestoreRecord:
        """Write what is about to be deleted, before anything is. Raises EnvironmentLacks where it cannot be written."""
        make_folder(self.folder)
        stamp = now.strftime("%Y%m%dT%H%M%S.%f")
        content = {
            "version": VERSION,
            "repository": repository.name,
            "at": now.isoformat(),
            "state": "running",
            "items": list(items),
            "deleted": [],
        }
        names = chain([f"{self.name}.{stamp}"], (f"{self.name}.{stamp}-{number}" for number in count(2)))
        paths = (self.folder / f"{name}{_ENDED}" for name in names)
        free = next(path for path in paths if not path.exists() and not _open(path).exists())  # none is written over
        record = RestoreRecord(free, content)
        record.write()
        return record


class RestoreRecord:
    """The manifests that a run set out to delete, in order and with their bytes, and which of them are deleted.

    While it is open its name says so, by which the workflow carries it to the next run.
    """

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        """`path` is that of the record when it has ended, or the one that it has until then."""
        self.ended = path.with_name(path.name.removesuffix(_OPEN) + _ENDED) if path.name.endswith(_OPEN) else path
        self.content = content

    @property
    def path(self) -> Path:
        """The file that the record is in."""
        return _open(self.ended) if self.content.get("state") in _STATES_OPEN else self.ended

    def deleted(self, digests: Iterable[str]) -> None:
        """Add what was deleted, and keep it on disk."""
        self.content["deleted"] += digests
        self.write()

    def end(self, state: str) -> None:
        """Say how it ended: `complete`, `interrupted`, or `completed later`."""
        self.content["state"] = state
        self.write()
        if self.path == self.ended:
            _open(self.ended).unlink(missing_ok=True)

    def complete(self, is_there: Callable[[str], bool]) -> None:
        """Finish the record of a run that died: what is not there any more was deleted by it."""
        known = set(self.content["deleted"])
        digests = [item["digest"] for item in self.content["items"]]
        self.content["deleted"] += [one for one in digests if one not in known and not is_there(one)]
        self.end("completed later")

    def write(self) -> None:
        """Raises EnvironmentLacks where the file cannot be written."""
        atomic_write(self.path, json.dumps(self.content, indent=1) + "\n")


def item_of(verdict: RetentionVerdict, raw: Raw | None) -> dict[str, Any]:
    """A manifest as a restore record has it; `manifest` is base64 of its bytes, None where they cannot be read."""
    body = None if raw is None else base64.b64encode(raw.body).decode()
    one = verdict.manifest
    return {"digest": one.digest, "tags": list(one.tags), "media_type": one.media_type, "manifest": body}


def write_report(path: Path, now: datetime, repositories: Iterable[Mapping[str, Any]], *, yes: bool) -> None:
    """Write the report of a run. Raises EnvironmentLacks where it cannot be written."""
    content = {"version": VERSION, "at": now.isoformat(), "dry_run": not yes, "repositories": list(repositories)}
    atomic_write(path, json.dumps(content, indent=1) + "\n")


def lines_of(plan: RetentionPlan, came: Deletions) -> list[dict[str, Any]]:
    """Every manifest of a plan with its reason, as plain data; `deleted` is None where nobody knows."""
    deleted: dict[str, bool | None] = {**dict.fromkeys(came.deleted, True), **dict.fromkeys(came.unknown)}
    return [
        {
            "digest": digest,
            "tags": list(one.manifest.tags),
            "goes": one.goes,
            "reason": one.reason.name,
            "why": one.reason.value,
            "about": one.about,
            "pushed": one.manifest.pushed.isoformat() if one.manifest.pushed else None,
            "size": one.manifest.size,
            "deleted": deleted.get(digest, False),
            "refused": came.refused.get(digest),
        }
        for digest, one in plan.verdicts.items()
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = strict_json(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise EnvironmentLacks(f"{path} cannot be read: {error.strerror}") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} is damaged", hint="remove it")
    return content


def _open(ended: Path) -> Path:
    return ended.with_name(ended.name.removesuffix(_ENDED) + _OPEN)


def _read_record(path: Path) -> dict[str, Any]:
    content = _read(path)
    try:
        _time(content["at"])
        if isinstance(content["deleted"], list) and isinstance(content["items"], list) and content["state"]:
            return content
    except (KeyError, TypeError, ValueError):
        pass
    raise ConfigurationError(f"{path} is damaged", hint="move it away: what it says of deletions is read by people")


def _time(text: str) -> datetime:
    """Raises ValueError for a time without a zone, which nobody can compare."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(text)
    return time
