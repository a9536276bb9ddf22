"""Which files of a channel are listed: decided from what is known of each, of what was taken back, and of the quota."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from imageyard.lanes.channels import Channel, kept_versions
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.places import BESIDE, METADATA, PROVENANCE
from imageyard.lanes.simple_index import IndexFile, IndexProject
from imageyard.lanes.standard import NotStandard, read_wheel_name
from imageyard.layout import size as size_text

__all__ = [
    "Accepted",
    "AttestedAs",
    "Listing",
    "Rejected",
    "StoredFile",
    "TakenBack",
    "Verdict",
    "listing_of",
    "used_bytes",
]


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
class TakenBack:
    """The files of a channel that were yanked, with the reason, and those that were withdrawn."""

    yanked: Mapping[str, str]
    withdrawn: Mapping[str, str]


@dataclass(frozen=True)
class Listing:
    """What a channel lists; `left_out` has other files, each with why, `expired` those of old versions."""

    projects: tuple[IndexProject, ...]
    left_out: tuple[tuple[str, Rejected], ...]
    expired: tuple[str, ...]


Fate: TypeAlias = Rejected | Literal["expired"] | None


def listing_of(files: Mapping[str, StoredFile], taken: TakenBack, rules: LaneChannel, base: str) -> Listing:
    """Decide for every file; of those that are too many for the quota the first stay. `base` as in IndexProject."""
    fates: dict[str, Fate] = {name: _own_fate(file, taken, rules) for name, file in files.items()}
    versions: dict[str, list[str]] = {}
    for name, file in files.items():
        if fates[name] is None and isinstance(file.verdict, Accepted):
            versions.setdefault(file.verdict.name, []).append(file.verdict.version)
    kept = kept_versions(versions, rules.channel)
    used = 0
    projects: dict[str, list[IndexFile]] = {}
    for name, file in sorted(files.items(), key=lambda each: (each[1].uploaded, each[0])):
        verdict = file.verdict
        if fates[name] is not None or isinstance(verdict, Rejected):
            continue
        if verdict.version not in kept[verdict.name]:
            fates[name] = "expired"
            continue
        used += file.size
        if used > rules.quota:
            used -= file.size
            fates[name] = Rejected("quota", f"the channel is full: {size_text(rules.quota)} are allowed")
            continue
        projects.setdefault(verdict.name, []).append(_entry(file, verdict, taken))
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


def used_bytes(sizes: Mapping[str, int], channel: Channel) -> int:
    """The bytes of the files that count for the quota: of a channel that keeps some versions, those of no other.

    `sizes` are by file name; what lies beside a file counts for nothing, and what is no wheel counts.
    """
    versions: dict[str, list[str]] = {}
    named: dict[str, tuple[str, str]] = {}
    for filename in sizes:
        try:
            parts = read_wheel_name(filename)
        except NotStandard:
            continue
        named[filename] = (parts.name, parts.version)
        versions.setdefault(parts.name, []).append(parts.version)
    kept = kept_versions(versions, channel)
    return sum(
        size
        for filename, size in sizes.items()
        if not filename.endswith(BESIDE) and (filename not in named or named[filename][1] in kept[named[filename][0]])
    )


def _own_fate(file: StoredFile, taken: TakenBack, rules: LaneChannel) -> Fate:
    if file.filename in taken.withdrawn:
        return Rejected("withdrawn", f"withdrawn: {taken.withdrawn[file.filename]}")
    if isinstance(file.verdict, Rejected):
        return file.verdict
    if isinstance(file.provenance, Rejected):
        return file.provenance
    if rules.channel.provenance == "required" and file.provenance == "absent":
        return Rejected("provenance", f"it has no {PROVENANCE} beside it")
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
