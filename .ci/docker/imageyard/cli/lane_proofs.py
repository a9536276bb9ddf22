"""What can be proven of the files of lanes, by whoever installs them."""

from __future__ import annotations

from collections.abc import Sequence

from invoke.context import Context
from invoke.exceptions import Exit

from imageyard.cli.entry import JSON, task
from imageyard.cli.lane_catalogue import LANES, access_of, lanes_of, read_channel
from imageyard.console import Story
from imageyard.errors import exit_code

__all__ = ["TASKS"]


@task(
    changes=False,
    may_be_first="lane",
    iterable=("file", "local"),
    lane="one lane alone; default: all",
    file="the name of a file of the lane; may be given more than once; default: all that the index lists",
    local="a pattern of paths of files on this machine, their provenance beside them; may be given more than once",
    channel="nightly or stable, for local files; default: what the version says",
    json=JSON,
    lanes=LANES,
)
def verify(
    context: Context,
    lane: str | None = None,
    file: Sequence[str] | None = None,
    local: Sequence[str] | None = None,
    json: bool = False,
    lanes: str | None = None,
    channel: str = "",
) -> None:
    """Check hashes and signed provenance of files of lanes, and end with 10 where one does not hold."""
    from imageyard.errors import ConfigurationError
    from imageyard.lanes.asking import channel_of
    from imageyard.lanes.lane_rules import lane_channel
    from imageyard.lanes.publish import files_of
    from imageyard.lanes.verify import as_data, as_table, refusal_in, verify_local, verify_stored

    found = lanes_of(lanes)
    if (file or local) and not lane:
        raise ConfigurationError("no lane is named", hint=("name one: inv lane.verify LANE", *found.lanes))
    done = []
    if local:
        assert lane
        for path in files_of(local):
            rules = lane_channel(found, lane, read_channel(channel) if channel else channel_of(path.name))
            done += verify_local(rules, [path])
    if file or not local:
        bucket = access_of(found, Story.detect()).bucket(None)
        for name in [found.lane(lane).name] if lane else list(found.lanes):
            for one in found.channels:
                names = [each for each in file or () if channel_of(each) == one]
                if names or not file:
                    done += verify_stored(bucket, lane_channel(found, name, one), names)
    Story.result(as_data(done) if json else as_table(done))
    if (error := refusal_in(done)) is not None:
        Story.detect().error(error)
        raise Exit(code=exit_code(error))


TASKS = [verify]
