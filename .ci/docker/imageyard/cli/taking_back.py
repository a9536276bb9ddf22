"""Taking files of lanes back: what is asked of the indexer, and what is deleted for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.context import Context

from imageyard.cli.entry import task
from imageyard.cli.lane_catalogue import LANES, access_of, lane_for_request, lane_to_purge, lanes_of

if TYPE_CHECKING:
    from imageyard.lanes.lane_requests import Action

__all__ = ["TASKS"]

FILE = "the name of the file, as the page of the lane has it"
REASON = "why; everybody reads it who looks at the file"
DISCLOSURE = "the date on which it is told to everybody, as 2026-12-31"
CHANNEL = "nightly or stable, for a file whose name is no wheel's"
CENTRE = "ask as the centre, which may take back and restore files of every lane"
YES = "ask for it; without it only the request is printed"


@task(changes="yes", lane="the lane", file=FILE, reason=REASON, centre=CENTRE, yes=YES, lanes=LANES)
def yank(
    context: Context,
    lane: str,
    file: str,
    reason: str = "",
    centre: bool = False,
    yes: bool = False,
    lanes: str | None = None,
) -> object:
    """Ask that nobody gets a file who does not pin it; the next `lane.index` does it."""
    return _ask("yank", lane, file, reason, lanes, centre=centre, yes=yes)


@task(
    changes="yes",
    lane="the lane",
    file=FILE,
    reason=REASON,
    disclosure=DISCLOSURE,
    channel=CHANNEL,
    centre=CENTRE,
    yes=YES,
    lanes=LANES,
)
def withdraw(
    context: Context,
    lane: str,
    file: str,
    reason: str = "",
    disclosure: str = "",
    channel: str = "",
    centre: bool = False,
    yes: bool = False,
    lanes: str | None = None,
) -> object:
    """Ask that nobody gets a file at all, and that it is kept; the next `lane.index` does it."""
    return _ask("withdraw", lane, file, reason, lanes, disclosure, channel, centre=centre, yes=yes)


@task(changes="yes", lane="the lane", file=FILE, reason=REASON, centre=CENTRE, yes=YES, lanes=LANES)
def restore(
    context: Context,
    lane: str,
    file: str,
    reason: str = "",
    centre: bool = False,
    yes: bool = False,
    lanes: str | None = None,
) -> object:
    """Ask that a yanked file, or with --centre a withdrawn one, is listed again; the next `lane.index` does it."""
    return _ask("restore", lane, file, reason, lanes, centre=centre, yes=yes)


@task(
    changes="yes",
    lane="the lane",
    file=FILE,
    reason=REASON,
    disclosure=DISCLOSURE,
    channel=CHANNEL,
    yes="delete it; without it only what would go is printed",
    lanes=LANES,
)
def purge(
    context: Context,
    lane: str,
    file: str,
    reason: str = "",
    disclosure: str = "",
    channel: str = "",
    yes: bool = False,
    lanes: str | None = None,
) -> object:
    """Delete all versions of a withdrawn file and of what lies beside it, for good; no file gets its name again."""
    from imageyard.console import Story
    from imageyard.lanes.asking import channel_of
    from imageyard.lanes.purge import purge as flow
    from imageyard.lanes.purge_plan import Purging, invalidation

    found = lanes_of(lanes)
    reporter = Story.detect()
    access = access_of(found, reporter)
    where = channel_of(file, channel)
    wanted = Purging(lane_to_purge(found, lane), where, file, reason, access.by_in_words(), disclosure)
    done = flow(access.bucket(found.purge_role), wanted, reporter, yes=yes)
    return "\n".join([*done, *invalidation(found.distribution, wanted.lane, where, [file])])


def _ask(
    action: Action,
    lane: str,
    file: str,
    reason: str,
    lanes: str | None,
    disclosure: str = "",
    channel: str = "",
    *,
    centre: bool,
    yes: bool,
) -> object:
    from imageyard.console import Story
    from imageyard.lanes.asking import Wanted, ask

    found = lanes_of(lanes)
    reporter = Story.detect()
    access = access_of(found, reporter)
    name = lane_for_request(found, lane, centre=centre)
    wanted = Wanted(action, name, file, reason, access.by_in_words(), centre, disclosure, channel)
    bucket = access.bucket(None if centre else found.role_of(lane))
    return ask(bucket, wanted, reporter, yes=yes)


TASKS = [yank, withdraw, restore, purge]
