"""What uploading and indexing need of a lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imageyard.ci.providers.table import provider_of
from imageyard.lanes.channels import Channel, ChannelName
from imageyard.lanes.lane_provenance import ProvenanceRules
from imageyard.lanes.model import LaneCatalogue
from imageyard.lanes.standard import local_part
from imageyard.lanes.wheel import WheelRules

__all__ = ["LaneChannel", "lane_channel"]

_FORGE = provider_of({}).forge_address
"""The address of repositories: roles of lanes trust one forge alone, and provenance is of it wherever it is checked."""


@dataclass(frozen=True)
class LaneChannel:
    """A channel of a lane: what may be published there, and how it is listed.

    `quota` is the bytes of all files of the lane together, those of its `other_channels` too. `tracks` has the URLs of
    projects at the main index that the lane extends, by normalised name (PEP 708). `files_url` is the URL below which
    `files/` is served, where that is not relative to the pages. `provenance` is what provenance of the lane's files
    has to be.
    """

    lane: str
    channel: Channel
    wheels: WheelRules
    quota: int
    tracks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    alternates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files_url: str = ""
    other_channels: tuple[Channel, ...] = ()
    provenance: ProvenanceRules = field(default_factory=ProvenanceRules)


def lane_channel(found: LaneCatalogue, lane: str, channel: ChannelName) -> LaneChannel:
    """The rules of a channel of a lane: its local versions begin with its name.

    In a local version a dash is written as a dot ("Version specifiers", "Local version identifiers"). Raises
    ConfigurationError for a lane that there is not.
    """
    one = found.lane(lane)
    index = found.main_index
    return LaneChannel(
        lane=one.name,
        channel=found.channels[channel],
        wheels=WheelRules(one.packages, local_part(f"0+{one.name}")),
        quota=one.quota,
        tracks={name: (f"{index}{name}/",) for name in one.tracks},
        files_url=found.files_url,
        other_channels=tuple(each for name, each in found.channels.items() if name != channel),
        provenance=ProvenanceRules(one.keys, one.number, _FORGE),
    )
