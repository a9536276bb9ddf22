"""What the tasks of lanes share: the catalogue of lanes, the provider, and who acts in the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imageyard.ci.providers.base import Provider
    from imageyard.console import Story
    from imageyard.lanes.channels import ChannelName
    from imageyard.lanes.lane_access import LaneAccess
    from imageyard.lanes.model import LaneCatalogue

__all__ = ["LANES", "lane_access", "lane_catalogue", "provider", "read_channel"]

LANES = "another catalogue of lanes than lanes.yml beside the catalogue of images"


def read_channel(text: str) -> ChannelName:
    """The channel that a person names. Raises ConfigurationError."""
    from imageyard.errors import ConfigurationError

    match text:
        case "nightly" | "stable":
            return text
        case _:
            raise ConfigurationError(f"{text[:40]!r} is no channel", hint="--channel nightly, or --channel stable")


def lane_access(found: LaneCatalogue, reporter: Story) -> LaneAccess:
    """Who acts in the bucket of lanes."""
    from imageyard.http.transport import Http
    from imageyard.lanes.lane_access import LaneAccess

    return LaneAccess(found, provider(), Http(), reporter.mask)


def lane_catalogue(lanes: str | None) -> LaneCatalogue:
    """The catalogue of lanes in a file, or in the one beside the catalogue of images."""
    from pathlib import Path

    from imageyard.lanes.document import load
    from imageyard.project.checkout import find_checkout

    if lanes:
        return load(Path(lanes))
    checkout = find_checkout()
    return load(checkout.file.with_name("lanes.yml"), checkout.in_repository("lanes.yml"))


def provider() -> Provider:
    """The CI system of this process."""
    import os

    from imageyard.ci.providers.table import provider_of

    return provider_of(os.environ)
