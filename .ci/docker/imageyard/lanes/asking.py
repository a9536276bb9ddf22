"""`inv lane.yank`, `lane.withdraw` and `lane.restore` put a request into the bucket, and the indexer executes it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from imageyard.bucket.objects import Bucket
from imageyard.console import Story
from imageyard.errors import ConfigurationError
from imageyard.lanes.channels import ChannelName
from imageyard.lanes.lane_requests import Action, read_request, shown_name
from imageyard.lanes.places import CENTRE, request_key
from imageyard.lanes.standard import NotStandard, is_development, read_wheel_name

__all__ = ["Wanted", "ask", "channel_of"]


@dataclass(frozen=True)
class Wanted:
    """What is asked for a file of a lane; `centre`: by the centre, and not by the lane. `disclosure` is a date.

    `channel` is where the file lies, empty where its name says it.
    """

    action: Action
    lane: str
    file: str
    reason: str
    by: str
    centre: bool = False
    disclosure: str = ""
    channel: str = ""


def channel_of(file: str, channel: str = "") -> ChannelName:
    """The channel that a file is in: `channel` where somebody says it, else that of the version in its name.

    A file can lie where its name does not belong, put there past our code. Raises ConfigurationError where nobody can
    tell, and for what is no channel.
    """
    doing = "reading the name of a file"
    hint = ("name a file as the page of the lane has it", "or say where it lies: --channel nightly")
    match channel:
        case "nightly" | "stable":
            return channel
        case "":
            try:
                return "nightly" if is_development(read_wheel_name(file).version) else "stable"
            except NotStandard as wrong:
                raise ConfigurationError(str(wrong), doing=doing, hint=hint) from None
        case _:
            raise ConfigurationError(f"{channel[:40]!r} is no channel", doing=doing, hint=hint)


def ask(bucket: Bucket, wanted: Wanted, reporter: Story, *, yes: bool) -> str:
    """Put a request where the indexer looks for it; returns it as text. Without `yes` nothing is written.

    Raises ConfigurationError for what the indexer would not read, and what the bucket raises.
    """
    asker = CENTRE if wanted.centre else wanted.lane
    said = {
        "action": wanted.action,
        "lane": wanted.lane,
        "channel": channel_of(wanted.file, wanted.channel),
        "files": [wanted.file],
        "reason": wanted.reason,
        "by": wanted.by,
        "disclosure": wanted.disclosure,
    }
    body = (json.dumps(said, indent=1) + "\n").encode()
    if isinstance(why := read_request(asker, body), str):
        raise ConfigurationError(
            why, doing=f"asking to {wanted.action} {shown_name(wanted.file)}", hint="inv --help lane.yank"
        )
    key = request_key(asker, _name(bucket.now(), wanted.action, body))
    if yes:
        bucket.put(key, body, "application/json")
        reporter.step(f"asked: the next `inv lane.index` executes {bucket.path(key)}")
    else:
        reporter.step("nothing was asked: --yes does it")
    return f"{key}\n{body.decode()}"


def _name(now: datetime, action: Action, body: bytes) -> str:
    """A name that sorts by time, and that no other request of this second has."""
    return f"{now:%Y%m%dT%H%M%SZ}-{action}-{hashlib.sha256(body).hexdigest()[:12]}"
