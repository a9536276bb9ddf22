"""`inv lane.upload` and `inv lane.index`: files of a lane into its channel, and channels into their pages."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from imageyard.bucket.objects import Bucket
from imageyard.console import Story
from imageyard.errors import ConfigurationError, ImageyardError, PolicyRefused
from imageyard.lanes.index_update import IndexReport, update_index
from imageyard.lanes.lane_access import LaneAccess
from imageyard.lanes.lane_requests import shown_name
from imageyard.lanes.lane_rules import LaneChannel, lane_channel
from imageyard.lanes.model import LaneCatalogue
from imageyard.lanes.purge_plan import invalidation
from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.signing import Signer
from imageyard.lanes.upload import upload_file

__all__ = ["files_of", "index", "upload"]


def files_of(patterns: Sequence[str]) -> list[Path]:
    """The files that patterns of paths name, sorted. Raises ConfigurationError for a pattern that names none."""
    found: set[Path] = set()
    for pattern in patterns:
        paths = {path for each in _glob(pattern) if (path := Path(each)).is_file()}
        if not paths:
            hint = "quote patterns: inv lane.upload 'dist/*.whl' --lane LANE"
            raise ConfigurationError(f"no file is at {pattern}", doing="looking for files to upload", hint=hint)
        found |= paths
    return sorted(found)


def _glob(pattern: str) -> list[str]:
    return glob.glob(pattern, recursive=True)  # noqa: PTH207  (Path.glob takes no pattern that begins with a slash)


def upload(
    found: LaneCatalogue,
    rules: LaneChannel,
    paths: Iterable[Path],
    access: LaneAccess,
    reporter: Story,
    signer: Signer | None = None,
) -> tuple[list[str], ImageyardError | None]:
    """Upload files into a channel; returns a line for each that is there now, and the first refusal.

    A refused file is told, and the others are uploaded. Raises PolicyRefused for a lane that is suspended, and what the
    bucket raises.
    """
    lane = found.lane(rules.lane)
    if lane.is_suspended:
        raise PolicyRefused(
            f"the lane {lane.name} is suspended", at=lane.where, hint="ask the centre: nobody publishes in it"
        )
    bucket, by = access.bucket(found.role_of(lane.name)), access.by()
    done: list[str] = []
    first: ImageyardError | None = None
    for path in paths:
        try:
            there = upload_file(bucket, rules, path, by, signer=signer)
        except FileRefused as refused:
            reporter.error(refused)
            first = first or refused
            continue
        done.append(f"{there.facts.filename} sha256:{there.facts.sha256} {there.outcome}")
    return done, first


def index(
    found: LaneCatalogue,
    lane: str | None,
    bucket: Bucket,
    reporter: Story,
    update: Callable[[Bucket, LaneChannel], IndexReport] = update_index,
) -> tuple[list[str], ImageyardError | None]:
    """Bring the index of a lane, or of all, up to date; returns a line for each channel, and the first error.

    A channel whose index cannot be written is told, and the others are written. Raises ConfigurationError for a lane
    that there is not.
    """
    lanes = [found.lane(lane).name] if lane else list(found.lanes)
    done: list[str] = []
    first: ImageyardError | None = None
    for rules in [lane_channel(found, name, channel) for name in lanes for channel in found.channels]:
        try:
            report = update(bucket, rules)
        except ImageyardError as error:
            reporter.error(error)
            first = first or error
            continue
        for name, why in report.listing.left_out:
            reporter.warn(f"{rules.lane} {rules.channel.name}: {shown_name(name)} is not listed: {why.why}")
        for id, denied in report.unread:
            reporter.warn(f"{rules.lane} {rules.channel.name}: request {id} waits: {denied}")
        for entry in report.executed:
            told = f"refused: {entry.refused}" if entry.refused else ", ".join(map(shown_name, entry.files))
            reporter.step(f"{rules.lane} {rules.channel.name}: request {entry.id}: {entry.action} {told}")
        changed = report.changed
        for line in invalidation(found.distribution, rules.lane, rules.channel.name, changed) if changed else ():
            reporter.step(line)
        files = sum(len(project.files) for project in report.listing.projects)
        counts = f"files={files} requests={len(report.executed)} pages={len(report.written)}"
        done.append(f"{rules.lane} {rules.channel.name} {counts}")
    return done, first
