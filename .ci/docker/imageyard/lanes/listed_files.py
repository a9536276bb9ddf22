"""Which files of a channel are listed: decided from what is known of each, of what was taken back, and of the quota."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, TypeAlias

from imageyard.lanes.channels import kept_versions
from imageyard.lanes.lane_requests import TakenBack
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.places import METADATA, PROVENANCE, file_key
from imageyard.lanes.quota import Counted, within
from imageyard.lanes.simple_index import IndexFile, IndexProject
from imageyard.layout import size as size_text

__all__ = ["UNREAD", "Accepted", "AttestedAs", "Listing", "Rejected", "StoredFile", "Verdict", "listing_of"]

UNREAD = "unread"
"""What stands for the hash of metadata that nobody could read."""


@dataclass(frozen=True)
class Accepted:
    """A file that was read and is in order; `metadata_sha256` is of the METADATA in it."""

    name: str
    version: str
    requires_python: str | None
    sha256: str
    metadata_sha256: str


@dataclass(frozen=True)
class Rejected:
    """A file that was read and breaks a rule."""

    rule: str
    why: str


Verdict: TypeAlias = Accepted | Rejected

AttestedAs: TypeAlias = Rejected | Literal["valid", "absent"]
"""What was found in the provenance beside a file; `absent` too where the channel has nobody look for it."""


@dataclass(frozen=True)
class StoredFile:
    """A file as the bucket has it, and what was found in it. `metadata_sha256` is of what lies beside it."""

    filename: str
    size: int
    uploaded: datetime
    verdict: Verdict
    metadata_sha256: str | None
    provenance: AttestedAs


@dataclass(frozen=True)
class Listing:
    """What a channel lists; `left_out` has other files, each with why, `expired` those of old versions."""

    projects: tuple[IndexProject, ...]
    left_out: tuple[tuple[str, Rejected], ...]
    expired: tuple[str, ...]


Fate: TypeAlias = Rejected | Literal["expired"] | None


def listing_of(
    files: Mapping[str, StoredFile],
    taken: TakenBack,
    rules: LaneChannel,
    base: str,
    today: date,
    others: Sequence[Counted] = (),
) -> Listing:
    """Decide for every file; `others` of other channels count for the quota too, which says what stays.

    `base` is as in IndexProject, `today` the date in UTC: before its disclosure no reason of a withdrawal is told.
    """
    fates: dict[str, Fate] = {name: _own_fate(file, taken, rules, today) for name, file in files.items()}
    versions: dict[str, list[str]] = {}
    for name, file in files.items():
        if fates[name] is None and isinstance(file.verdict, Accepted):
            versions.setdefault(file.verdict.name, []).append(file.verdict.version)
    kept = kept_versions(versions, rules.channel)
    mine = []
    for name, file in files.items():
        verdict = file.verdict
        if fates[name] is not None or isinstance(verdict, Rejected):
            continue
        if verdict.version not in kept[verdict.name]:
            fates[name] = "expired"
            continue
        key = file_key(rules.lane, rules.channel.name, name)
        mine.append(Counted(file.uploaded, key, file.size, rules.channel.is_development))
    fitting = within(rules.quota, [*mine, *others])
    projects: dict[str, list[IndexFile]] = {}
    for name, file in sorted(files.items(), key=lambda each: (each[1].uploaded, each[0])):
        if fates[name] is not None or isinstance(file.verdict, Rejected):
            continue
        if file_key(rules.lane, rules.channel.name, name) not in fitting:
            fates[name] = Rejected("quota", f"the lane is full: {size_text(rules.quota)} are allowed")
            continue
        projects.setdefault(file.verdict.name, []).append(_entry(file, file.verdict, taken))
    left_out = [(name, fate) for name, fate in sorted(fates.items()) if isinstance(fate, Rejected)]
    expired = tuple(name for name, fate in sorted(fates.items()) if fate == "expired")
    return Listing(
        tuple(
            IndexProject(name, tuple(entries), base, rules.tracks.get(name, ()), rules.alternates.get(name, ()))
            for name, entries in sorted(projects.items())
        ),
        tuple(left_out),
        expired,
    )


def _own_fate(file: StoredFile, taken: TakenBack, rules: LaneChannel, today: date) -> Fate:
    if file.filename in taken.purged:
        return Rejected("purged", f"purged, and no file gets its name again{taken.told(file.filename, today)}")
    if file.filename in taken.withdrawn:
        return Rejected("withdrawn", f"withdrawn{taken.told(file.filename, today)}")
    if isinstance(file.verdict, Rejected):
        return file.verdict
    if isinstance(file.provenance, Rejected):
        return file.provenance
    if rules.channel.provenance == "required" and file.provenance == "absent":
        return Rejected("provenance", f"it has no {PROVENANCE} beside it")
    if file.metadata_sha256 == UNREAD:
        return Rejected("metadata-beside", f"its {METADATA} is too large, or the bucket does not hand it out")
    if file.metadata_sha256 not in (None, file.verdict.metadata_sha256):
        return Rejected("metadata-beside", f"its {METADATA} is not the METADATA in it")
    return None


def _entry(file: StoredFile, verdict: Accepted, taken: TakenBack) -> IndexFile:
    """The entry of a file; it names no provenance, which is no object of PEP 740: there is no certificate in it."""
    return IndexFile(
        file.filename,
        verdict.version,
        file.size,
        verdict.sha256,
        file.uploaded,
        verdict.requires_python,
        file.metadata_sha256,
        taken.yanked.get(file.filename),
    )
