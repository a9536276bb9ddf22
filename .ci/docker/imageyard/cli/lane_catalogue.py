"""What every command of lanes begins with: the catalogue of lanes, who acts in their bucket, and the channel named."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imageyard.ci.providers.base import Provider
    from imageyard.console import Story
    from imageyard.lanes.channels import ChannelName
    from imageyard.lanes.lane_access import LaneAccess
    from imageyard.lanes.model import LaneCatalogue

__all__ = ["LANES", "access_of", "lane_for_request", "lane_to_purge", "lanes_of", "provider", "read_channel"]

LANES = "another catalogue of lanes than lanes.yml beside the catalogue of images"


def lanes_of(lanes: str | None) -> LaneCatalogue:
    """The catalogue of lanes at a path, else the one beside the catalogue of images. Raises ConfigurationError."""
    from pathlib import Path

    from imageyard.lanes.document import load
    from imageyard.project.checkout import find_checkout

    if lanes:
        return load(Path(lanes))
    checkout = find_checkout()
    return load(checkout.file.with_name("lanes.yml"), checkout.in_repository("lanes.yml"))


def read_channel(text: str) -> ChannelName:
    """The channel that a person names. Raises ConfigurationError."""
    from imageyard.errors import ConfigurationError

    match text:
        case "nightly" | "stable":
            return text
        case _:
            raise ConfigurationError(f"{text[:40]!r} is no channel", hint="--channel nightly, or --channel stable")


def lane_for_request(found: LaneCatalogue, lane: str, *, centre: bool) -> str:
    """The name of a lane that something may be asked for. Raises ConfigurationError for one that is not there.

    The indexer reads the requests of lanes that are in the catalogue alone. The centre may have removed one too early.
    """
    from imageyard.errors import ConfigurationError

    try:
        return found.lane(lane).name
    except ConfigurationError as error:
        if not centre:
            raise
        gone = f"if it was removed, write it into {found.file} again with `state: suspended`, and ask again"
        raise ConfigurationError(error.headline, at=found.file, hint=(*error.hint, gone)) from None


def lane_to_purge(found: LaneCatalogue, lane: str) -> str:
    """The name of a lane whose file is purged, which may be gone from the catalogue: the log alone counts.

    Raises ConfigurationError for what can be no lane.
    """
    import re

    from imageyard.catalogue.forms import LANE_NAME

    return lane if re.fullmatch(LANE_NAME, lane) else found.lane(lane).name


def access_of(found: LaneCatalogue, reporter: Story) -> LaneAccess:
    """Who acts in the bucket of lanes; the reporter hides every secret of it."""
    from imageyard.http.transport import Http
    from imageyard.lanes.lane_access import LaneAccess

    return LaneAccess(found, provider(), Http(), reporter.mask)


def provider() -> Provider:
    """The CI that runs us, by the environment."""
    import os

    from imageyard.ci.providers.table import provider_of

    return provider_of(os.environ)
