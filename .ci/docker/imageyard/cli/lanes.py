"""Lanes of vendors: what has to stand for them at AWS, their files, their indexes, and what is taken back."""

from __future__ import annotations

from collections.abc import Sequence

from invoke.context import Context
from invoke.exceptions import Exit

from imageyard.cli.entry import JSON, task
from imageyard.cli.lane_catalogue import LANES, access_of, lanes_of, provider, read_channel
from imageyard.errors import ImageyardError, exit_code

__all__ = ["TASKS"]


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

    wanted = estate(lanes_of(lanes), provider(), lane)
    return estate_as_data(wanted) if json else terraform(wanted)


@task(changes="yes", yes="change it; without it only the differences are printed", lanes=LANES)
def provision(context: Context, yes: bool = False, lanes: str | None = None) -> object:
    """Print what differs between AWS and the catalogue of lanes, and make it the same with --yes."""
    from imageyard.console import Story
    from imageyard.lanes.account import LaneAccount
    from imageyard.lanes.provision import provision as flow

    found = lanes_of(lanes)
    account = LaneAccount(found.bucket, found.region)
    return flow(found, provider(), account, Story.detect(), yes=yes) or None


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

    found = lanes_of(lanes)
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

    found = lanes_of(lanes)
    if not lane:
        raise ConfigurationError("no lane is named", hint=("name one: --lane LANE", *found.lanes))
    rules = lane_channel(found, lane, read_channel(channel))
    reporter = Story.detect()
    access, paths = access_of(found, reporter), files_of([files, *(more or ())])
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

    found = lanes_of(lanes)
    reporter = Story.detect()
    _tell(flow(found, lane, access_of(found, reporter).bucket(found.indexer_role), reporter))


@task(changes=False, may_be_first="lane", lane="one lane alone; default: all", json=JSON, lanes=LANES)
def status(context: Context, lane: str | None = None, json: bool = False, lanes: str | None = None) -> None:
    """Print how lanes are: last upload, size against quota, cost, index, provenance, what is late, and open requests.

    Ends with 10 where an index is not true of what is there, and with the code of the error where one cannot be read.
    """
    from imageyard.console import Story
    from imageyard.lanes.status_reading import lane_statuses
    from imageyard.lanes.status_table import content_of_status, table_of

    found, reporter = lanes_of(lanes), Story.detect()
    done, error = lane_statuses(found, lane, access_of(found, reporter).bucket(found.indexer_role), reporter)
    Story.result({"channels": [content_of_status(one) for one in done]} if json else table_of(done))
    if error is not None:
        raise Exit(code=exit_code(error))


@task(
    changes=True,
    instead="inv lane.status: the same, and writes nothing",
    to="a folder; default: above the indexes in the bucket of lanes",
    lanes=LANES,
)
def page(context: Context, to: str | None = None, lanes: str | None = None) -> None:
    """Write the page of all lanes, index.html and status.json; ends as `lane.status` does."""
    from pathlib import Path

    from imageyard.console import Story
    from imageyard.lanes.status_writing import write_status_page

    found, reporter = lanes_of(lanes), Story.detect()
    bucket = access_of(found, reporter).bucket(found.indexer_role)
    name, error = write_status_page(found, Path(to) if to else None, bucket, reporter)
    Story.result(name)
    if error is not None:
        raise Exit(code=exit_code(error))


def _tell(ended: tuple[Sequence[str], ImageyardError | None]) -> None:
    """Print what was done, and end with the exit code of the first error, which was told."""
    from imageyard.console import Story

    done, error = ended
    if done:
        Story.result("\n".join(done))
    if error is not None:
        raise Exit(code=exit_code(error))


TASKS = [render, provision, deprovision, upload, index, status, page]
