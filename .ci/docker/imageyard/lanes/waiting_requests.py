"""The requests of a lane, and of the centre, that nobody executed yet: which there are, and what each says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from imageyard.bucket.objects import Bucket, ObjectEntry
from imageyard.lanes.lane_requests import MOST_BYTES, Request, is_id, read_request
from imageyard.lanes.places import CENTRE, requests_prefix

__all__ = ["WaitingRequest", "read_waiting", "waiting_requests"]


@dataclass(frozen=True)
class WaitingRequest:
    """A request that is in no log yet: `id` is `ASKER/NAME`, as the log will name it."""

    id: str
    asker: str
    entry: ObjectEntry


def waiting_requests(bucket: Bucket, lane: str, executed: Collection[str]) -> list[WaitingRequest]:
    """The requests that a lane and the centre made, but for those with the ids `executed`.

    The centre's come first, so that nothing that a lane asks for can hold them up; of one asker the first comes first.
    Raises what the bucket raises.
    """
    waiting = []
    for asker in (CENTRE, lane):
        prefix = requests_prefix(asker)
        for entry in sorted(bucket.list(prefix), key=lambda each: (each.modified, each.key)):
            name = entry.key.removeprefix(prefix).removesuffix(".json")
            if is_id(name) and f"{asker}/{name}" not in executed:
                waiting.append(WaitingRequest(f"{asker}/{name}", asker, entry))
    return waiting


def read_waiting(bucket: Bucket, waiting: WaitingRequest) -> Request | str:
    """What a request asks for; a sentence where it asks for nothing that can be done.

    One that is too large is not read. Raises Denied where the bucket does not hand it out,
    and what else the bucket raises.
    """
    if waiting.entry.size > MOST_BYTES:
        return f"the request has more than {MOST_BYTES} bytes"
    stored = bucket.get(waiting.entry.key)
    return read_request(waiting.asker, stored[0] if stored else b"")
