"""Lanes of vendors: what has to stand for them at AWS, their files, their indexes, and what is taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit

from imageyard.cli.entry import JSON, task
from imageyard.cli.lane_parts import LANES
from imageyard.cli.lane_parts import lane_access as _access
from imageyard.cli.lane_parts import lane_catalogue as _lanes
from imageyard.cli.lane_parts import provider as _provider
from imageyard.cli.lane_parts import read_channel as _channel
from imageyard.errors import ImageyardError, exit_code

if TYPE_CHECKING:
    from imageyard.lanes.lane_requests import Action

__all__ = ["TASKS"]

FILE = "the name of the file, as the page of the lane has it"
REASON = "why; everybody reads it who looks at the file"
CENTRE = "ask as the centre, which may take back and restore files of every lane"
YES = "ask for it; without it only the request is printed"


@task(
    changes=False,
    may_be_first="lane",
    lane="one lane alone; default: all, with the roles of the centre and the policy of the bucket",
    json=JSON,
    lanes=LANES,
)
def render(context: Context, lane: str | None = None, json: bool = False, lanes: str | None = None) -> object:
    """Print what has to stand at AWS for lanes, as Terraform: roles, policies, repositories, the bucket's policy."""
    from imageyard.lanes.estate import estate, estate_as_data
    from imageyard.lanes.terraform import render as terraform

    wanted = estate(_lanes(lanes), _provider(), lane)
    return estate_as_data(wanted) if json else terraform(wanted)


@task(changes="yes", yes="change it; without it only the differences are printed", lanes=LANES)
def provision(context: Context, yes: bool = False, lanes: str | None = None) -> object:
    """Print what differs between AWS and the catalogue of lanes, and make it the same with --yes."""
    from imageyard.console import Story
    from imageyard.lanes.account import LaneAccount
    from imageyard.lanes.provision import provision as flow

    found = _lanes(lanes)
    account = LaneAccount(found.bucket, found.region)
    return flow(found, _provider(), account, Story.detect(), yes=yes) or None


@task(
    changes="yes",
    lane="the lane, which is suspended or gone from the catalogue of lanes",
    yes="delete it; without it only what would go is printed",
    lanes=LANES,
)
def deprovision(context: Context, lane: str, yes: bool = False, lanes: str | None = None) -> object:
    """Delete the role of a lane; its files and repositories stay."""
    from imageyard.console import Story
    from imageyard.lanes.account import LaneAccount
    from imageyard.lanes.provision import deprovision as flow

    found = _lanes(lanes)
    return flow(found, lane, LaneAccount(found.bucket, found.region), Story.detect(), yes=yes) or None


@task(
    changes=True,
    instead="inv lane.render LANE: what the lane may do",
    files="a pattern of paths of wheels, such as 'dist/*.whl'",
    lane="the lane",
    channel="nightly, for development releases, or stable, for others",
    more="a further pattern of paths; may be given more than once",
    origin="a file that says where the wheels come from, for who signs them outside of a job with an identity",
    iterable=("more",),
    lanes=LANES,
)
def upload(
    context: Context,
    files: str,
    lane: str = "",
    channel: str = "",
    more: Sequence[str] | None = None,
    origin: str = "",
    lanes: str | None = None,
) -> None:
    """Check wheels by the rules of a lane and put them into its channel; what is there is never replaced.

    The key in LANE_SIGNING_KEY, or in the file that LANE_SIGNING_KEY_FILE names, signs their provenance.
    """
    import os
    from pathlib import Path

    from imageyard.console import Story
    from imageyard.errors import ConfigurationError
    from imageyard.lanes.lane_rules import lane_channel
    from imageyard.lanes.publish import files_of
    from imageyard.lanes.publish import upload as flow
    from imageyard.lanes.signing import signer_of

    found = _lanes(lanes)
    if not lane:
        raise ConfigurationError("no lane is named", hint=("name one: --lane LANE", *found.lanes))
    rules = lane_channel(found, lane, _channel(channel))
    reporter = Story.detect()
    access, paths = _access(found, reporter), files_of([files, *(more or ())])
    signer = signer_of(rules, os.environ, reporter.mask, lambda: access.origin(Path(origin) if origin else None))
    _tell(flow(found, rules, paths, access, reporter, signer))


@task(
    changes=True,
    instead="inv lane.render: what the indexer may do",
    may_be_first="lane",
    lane="one lane alone; default: all",
    lanes=LANES,
)
def index(context: Context, lane: str | None = None, lanes: str | None = None) -> None:
    """Read new files of lanes, execute requests, and write the indexes; what is as it was is not written."""
    from imageyard.console import Story
    from imageyard.lanes.publish import index as flow

    found = _lanes(lanes)
    reporter = Story.detect()
    _tell(flow(found, lane, _access(found, reporter).bucket(found.indexer_role), reporter))


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
    disclosure="the date on which it is told to everybody, as 2026-12-31",
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
    centre: bool = False,
    yes: bool = False,
    lanes: str | None = None,
) -> object:
    """Ask that nobody gets a file at all, and that it is kept; the next `lane.index` does it."""
    return _ask("withdraw", lane, file, reason, lanes, disclosure, centre=centre, yes=yes)


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


def _ask(
    action: Action,
    lane: str,
    file: str,
    reason: str,
    lanes: str | None,
    disclosure: str = "",
    *,
    centre: bool,
    yes: bool,
) -> object:
    from imageyard.console import Story
    from imageyard.lanes.asking import Wanted, ask

    found = _lanes(lanes)
    reporter = Story.detect()
    access = _access(found, reporter)
    wanted = Wanted(action, found.lane(lane).name, file, reason, access.by_in_words(), centre, disclosure)
    bucket = access.bucket(None if centre else found.role_of(lane))
    return ask(bucket, wanted, reporter, yes=yes)


def _tell(ended: tuple[Sequence[str], ImageyardError | None]) -> None:
    """Print what was done, and end with the exit code of the first error, which was told."""
    from imageyard.console import Story

    done, error = ended
    if done:
        Story.result("\n".join(done))
    if error is not None:
        raise Exit(code=exit_code(error))


TASKS = [render, provision, deprovision, upload, index, yank, withdraw, restore]
