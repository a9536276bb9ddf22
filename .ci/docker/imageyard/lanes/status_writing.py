"""`inv lane.page`: the page of all lanes into a folder, or above the indexes in the bucket of lanes."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from imageyard.bucket.objects import Bucket
from imageyard.console import Story
from imageyard.errors import ImageyardError
from imageyard.files import atomic_write, make_folder
from imageyard.http.backoff import Clock
from imageyard.lanes.model import LaneCatalogue
from imageyard.lanes.places import INDEXES
from imageyard.lanes.status_page import DATA, HTML, status_data, status_html
from imageyard.lanes.status_reading import lane_statuses

__all__ = ["write_status_page"]

_TYPES = {DATA: "application/json", HTML: "text/html; charset=utf-8"}


def write_status_page(
    found: LaneCatalogue,
    to: Path | None,
    bucket: Bucket,
    reporter: Story,
    clock: Clock | None = None,
) -> tuple[str, ImageyardError | None]:
    """Write the page into a folder, or into the bucket where it is None; returns where it is, and the first error.

    What cannot be read is named on the page. The data is written before the page. Raises EnvironmentLacks for a folder
    that cannot be written to, and what the bucket raises.
    """
    clock = clock or Clock()
    if to is not None:
        make_folder(to)  # before minutes of reading, and not after them
    statuses, error = lane_statuses(found, None, bucket, reporter, clock)
    read = {(one.lane, one.channel) for one in statuses}
    wanted = [(lane, channel) for lane in found.lanes for channel in found.channels]
    unread = [" ".join(one) for one in wanted if one not in read]
    written = datetime.fromtimestamp(clock.now(), timezone.utc)
    files = {
        DATA: status_data(statuses, unread, written),
        HTML: status_html(statuses, unread, written, linked=to is None),
    }
    for name, body in files.items():
        if to is None:
            bucket.replace(INDEXES + name, body, _TYPES[name])
        else:
            atomic_write(to / name, body)
    return bucket.path(INDEXES) if to is None else str(to), error
