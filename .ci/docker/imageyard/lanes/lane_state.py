"""What the indexer keeps of a channel between two runs: a cache, which can be lost, and is worked out again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from imageyard.lanes.lane_log import LogPlace
from imageyard.lanes.lane_requests import TakenBack
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.listed_files import Accepted, Rejected, Verdict

__all__ = ["Attested", "LaneState", "Seen", "WrittenPage", "content_of_state", "fingerprint", "state_from"]

_READER = 1
"""Raised where what `wheel` refuses is changed, so that every file is read again."""


@dataclass(frozen=True)
class Seen:
    """A file with this ETag and size in bytes was read, and this was found."""

    etag: str
    size: int
    verdict: Verdict


@dataclass(frozen=True)
class WrittenPage:
    """A page as it was written last: the SHA-256 of its bytes, and the ETag that the bucket gave it."""

    sha256: str
    etag: str


@dataclass(frozen=True)
class Attested:
    """Provenance was read, under the rules and of the bytes that `fingerprint` is of; `refused` is why it is none."""

    fingerprint: str
    refused: Rejected | None


@dataclass(frozen=True)
class LaneState:
    """`rules` is the fingerprint of those under which files were read; `beside` has the ETag and SHA-256 of metadata,
    `attested` what was found in the provenance beside a file.

    `yanked` and `withdrawn` have reasons by file name, `disclosures` dates, `purged` names, `executed` the ids of
    requests, all up to `log`. `marked` has the ETags of objects that are marked as withdrawn, `restored` the files
    whose marks are still to be taken off, `untold` those that were taken back or restored and that no CDN was told of.
    """

    rules: str = ""
    files: Mapping[str, Seen] = field(default_factory=dict)
    beside: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    attested: Mapping[str, Attested] = field(default_factory=dict)
    pages: Mapping[str, WrittenPage] = field(default_factory=dict)
    yanked: Mapping[str, str] = field(default_factory=dict)
    withdrawn: Mapping[str, str] = field(default_factory=dict)
    purged: frozenset[str] = frozenset()
    marked: Mapping[str, str] = field(default_factory=dict)
    restored: frozenset[str] = frozenset()
    executed: frozenset[str] = frozenset()
    log: LogPlace = field(default_factory=LogPlace)
    disclosures: Mapping[str, str] = field(default_factory=dict)
    untold: frozenset[str] = frozenset()

    @property
    def taken(self) -> TakenBack:
        """What is taken back."""
        return TakenBack(self.yanked, self.withdrawn, self.purged, self.disclosures)


def fingerprint(rules: LaneChannel) -> str:
    """What changes where files have to be read again: the rules for wheels, and the reader."""
    wheels = rules.wheels
    told = (_READER, sorted(wheels.packages), wheels.local, wheels.max_bytes, wheels.max_unpacked, rules.channel.name)
    return hashlib.sha256(repr(told).encode()).hexdigest()


def content_of_state(state: LaneState) -> Mapping[str, Any]:
    """A state as plain data."""
    return {
        "rules": state.rules,
        "files": {name: [seen.etag, seen.size, asdict(seen.verdict)] for name, seen in state.files.items()},
        "beside": {name: list(each) for name, each in state.beside.items()},
        "attested": {
            name: [one.fingerprint, asdict(one.refused) if one.refused else None]
            for name, one in state.attested.items()
        },
        "pages": {key: [page.sha256, page.etag] for key, page in state.pages.items()},
        "yanked": dict(state.yanked),
        "withdrawn": dict(state.withdrawn),
        "purged": sorted(state.purged),
        "marked": dict(state.marked),
        "restored": sorted(state.restored),
        "executed": sorted(state.executed),
        "log": [state.log.number, state.log.sha256],
        "disclosures": dict(state.disclosures),
        "untold": sorted(state.untold),
    }


def state_from(content: Mapping[str, Any]) -> LaneState:
    """A state out of plain data. Raises KeyError, TypeError or ValueError where it is none."""
    return LaneState(
        content["rules"],
        {name: Seen(etag, size, _verdict(told)) for name, (etag, size, told) in content["files"].items()},
        {name: (etag, sha256) for name, (etag, sha256) in content["beside"].items()},
        {
            name: Attested(fingerprint, Rejected(**told) if told else None)
            for name, (fingerprint, told) in content["attested"].items()
        },
        {key: WrittenPage(*page) for key, page in content["pages"].items()},
        dict(content["yanked"]),
        dict(content["withdrawn"]),
        frozenset(content["purged"]),
        dict(content["marked"]),
        frozenset(content["restored"]),
        frozenset(content["executed"]),
        LogPlace(*content["log"]),
        dict(content["disclosures"]),
        frozenset(content["untold"]),
    )


def _verdict(told: Mapping[str, Any]) -> Verdict:
    return Rejected(**told) if "rule" in told else Accepted(**told)
