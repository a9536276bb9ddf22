"""The channels of a lane: nightly, of which the last versions are listed, and stable, where everything stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.standard import is_development, newest_first

__all__ = ["NIGHTLY", "STABLE", "Channel", "ChannelName", "Demand", "check_channel", "kept_versions"]


ChannelName: TypeAlias = Literal["nightly", "stable"]

Demand: TypeAlias = Literal["required", "optional", "none"]
"""Whether a file is listed without provenance: `optional` where there is none; with `none` nobody looks for it."""


@dataclass(frozen=True)
class Channel:
    """A channel of every lane: `keep` is how many versions of each project are listed, the newest; None for all.

    `max_age` is for how many seconds a cache may hold its pages. Pages are asked for again after that, files never:
    a name has the same bytes for ever. `provenance` says which files are listed without it. `every` is the interval,
    in seconds, in which something is uploaded, None where nobody expects any.
    """

    name: ChannelName
    keep: int | None
    max_age: int
    is_development: bool
    provenance: Demand = "optional"
    every: float | None = None

    @property
    def page_cache(self) -> str:
        """The Cache-Control of its pages (RFC 9111, 5.2.2)."""
        return f"public, max-age={self.max_age}"


NIGHTLY = Channel("nightly", 30, 60, is_development=True)
STABLE = Channel("stable", None, 600, is_development=False)


def check_channel(version: str, channel: Channel) -> None:
    """Refuse a development release in stable, and any other version in nightly. Raises FileRefused."""
    if is_development(version) == channel.is_development:
        return
    if channel.is_development:
        hint = f"give it a version like {version.partition('+')[0]}.dev20261128+LOCAL, or publish it to stable"
        raise FileRefused("channel", f"{version} is no development release, and {channel.name} has no other", hint=hint)
    hint = "publish it to nightly, or build a version without .dev"
    raise FileRefused("channel", f"{version} is a development release, and {channel.name} has none", hint=hint)


def kept_versions(versions: Mapping[str, Iterable[str]], channel: Channel) -> dict[str, frozenset[str]]:
    """The versions of each project that the channel lists: the newest by version, and not by the time of upload."""
    return {
        project: frozenset(newest_first(each)[: channel.keep] if channel.keep is not None else each)
        for project, each in versions.items()
    }
