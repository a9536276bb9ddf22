"""What uploading and indexing need of a lane, whatever document it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imageyard.lanes.channels import Channel
from imageyard.lanes.wheel import WheelRules

__all__ = ["LaneChannel"]


@dataclass(frozen=True)
class LaneChannel:
    """A channel of a lane: what may be published there, and how it is listed.

    `quota` is the bytes of all files of the channel together. `tracks` has the URLs of projects at the main index that
    the lane extends, by normalised name (PEP 708). `files_url` is the URL below which `files/` is served, where that is
    not relative to the pages. `demands_provenance` leaves out files that have no provenance beside them.
    """

    lane: str
    channel: Channel
    wheels: WheelRules
    quota: int
    tracks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    alternates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files_url: str = ""
    demands_provenance: bool = False
