"""Reading what the indexer keeps of a channel: by the indexer, and by whoever asks which names are taken."""

from __future__ import annotations

from imageyard.bucket.entries import loads
from imageyard.bucket.objects import Bucket
from imageyard.errors import Transient
from imageyard.lanes.lane_state import LaneState, state_from
from imageyard.lanes.places import state_prefix

__all__ = ["read_state", "states_of"]


def read_state(bucket: Bucket, key: str) -> LaneState:
    """The state that the last run of the indexer left; an empty one where it is missing or cannot be read."""
    found = bucket.get(key)
    try:
        return state_from(loads(found[0], key)) if found else LaneState()
    except (Transient, KeyError, TypeError, ValueError):
        return LaneState()


def states_of(bucket: Bucket, lane: str) -> dict[str, LaneState]:
    """What the indexer keeps of each channel of a lane, by the key, where it keeps anything.

    It lists first: who may list only some keys is told 403, and not 404, of an object that is not there.
    """
    return {entry.key: read_state(bucket, entry.key) for entry in bucket.list(state_prefix(lane))}
