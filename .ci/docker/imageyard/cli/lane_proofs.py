"""What can be proven of the files of lanes, by whoever installs them, and what a lane says of its tests."""

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
        bucket = access_of(found, Story.detect()).bucket(found.indexer_role)
        for name in [found.lane(lane).name] if lane else list(found.lanes):
            for one in found.channels:
                names = [each for each in file or () if channel_of(each) == one]
                if names or not file:
                    done += verify_stored(bucket, lane_channel(found, name, one), names)
    Story.result(as_data(done) if json else as_table(done))
    if (error := refusal_in(done)) is not None:
        Story.detect().error(error)
        raise Exit(code=exit_code(error))


@task(
    changes=True,
    instead="inv lane.status: what is posted",
    lane="the lane",
    file="the name of the file that was tested, as the page of the lane has it",
    outcome="how its tests ended: passed, warned or failed",
    url="where to read more, https://HOST/PATH",
    origin="a file that says where the result comes from, for who signs it outside of a job with an identity",
    lanes=LANES,
)
def result(
    context: Context, lane: str, file: str, outcome: str = "", url: str = "", origin: str = "", lanes: str | None = None
) -> None:
    """Post the signed result of the tests of a file beside it; the status and the page of lanes show the newest one.

    The key in LANE_SIGNING_KEY, or in the file that LANE_SIGNING_KEY_FILE names, signs it.
    """
    import os
    from pathlib import Path

    from imageyard.errors import ConfigurationError, EnvironmentLacks
    from imageyard.lanes.asking import channel_of
    from imageyard.lanes.lane_rules import lane_channel
    from imageyard.lanes.posted_results import post_result
    from imageyard.lanes.result_statement import OUTCOMES
    from imageyard.lanes.signing import NO_KEY, signer_in

    said = next((one for one in OUTCOMES if one == outcome), None)
    if said is None:
        raise ConfigurationError(
            f"{outcome[:40]!r} is no outcome of tests", hint=[f"--outcome {one}" for one in OUTCOMES]
        )
    found, reporter = lanes_of(lanes), Story.detect()
    rules = lane_channel(found, lane, channel_of(file))
    access = access_of(found, reporter)
    told = Path(origin) if origin else None
    signer = signer_in(os.environ, reporter.mask, lambda: access.origin(told), rules.provenance.forge)
    if signer is None:
        raise EnvironmentLacks("there is no key that signs it", doing="posting a result of tests", hint=NO_KEY)
    Story.result(post_result(access.bucket(found.role_of(lane)), rules, (file, said, url), signer))


TASKS = [verify, result]
