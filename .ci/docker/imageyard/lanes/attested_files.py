"""The provenance beside the files of a channel: read again by the indexer, once, whatever the uploader said of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from imageyard.bucket.objects import Bucket, ObjectEntry
from imageyard.errors import Denied
from imageyard.lanes.dsse import MOST_BYTES
from imageyard.lanes.lane_provenance import fault_in, judge_provenance
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.lane_state import Attested
from imageyard.lanes.listed_files import Rejected
from imageyard.lanes.places import PROVENANCE

__all__ = ["read_attested", "refusal_of"]


def read_attested(
    bucket: Bucket,
    objects: Mapping[str, ObjectEntry],
    digests: Mapping[str, str],
    known: Mapping[str, Attested],
    rules: LaneChannel,
) -> dict[str, Attested]:
    """What is found in the provenance of each file that has some; `digests` are of files that are in order, in hex.

    What is `known` is not read again unless the lane's keys or repository changed since. What the bucket does not hand
    out does not hold, and is asked for again the next time. Raises EnvironmentLacks where signatures cannot be checked,
    and what else the bucket raises.
    """
    if rules.channel.provenance == "none":
        return {}
    found = {}
    under = rules.provenance.fingerprint
    for name, sha256 in digests.items():
        entry = objects.get(name + PROVENANCE)
        if entry is None:
            continue
        told = (under, entry.etag, entry.modified.isoformat(), sha256)
        fingerprint = hashlib.sha256(repr(told).encode()).hexdigest()
        last = known.get(name)
        if last is not None and last.fingerprint == fingerprint:
            found[name] = last
            continue
        try:
            found[name] = Attested(fingerprint, refusal_of(bucket, entry, name, sha256, rules))
        except Denied as denied:  # without a fingerprint, so that it is asked for again
            found[name] = Attested("", Rejected("provenance-unreadable", f"its provenance: {denied.headline}"))
    return found


def refusal_of(bucket: Bucket, entry: ObjectEntry, filename: str, sha256: str, rules: LaneChannel) -> Rejected | None:
    """Why the provenance in an object does not hold for a file; None where it holds.

    Raises EnvironmentLacks where signatures cannot be checked, and what the bucket raises.
    """
    if entry.size > MOST_BYTES:
        return Rejected("provenance-envelope", f"its provenance has more than {MOST_BYTES} bytes")
    stored = bucket.get(entry.key)
    body = stored[0] if stored else b""
    fault = fault_in(judge_provenance(body, filename, sha256, rules.provenance, entry.modified))
    return Rejected(f"provenance-{fault.check}", f"its provenance does not hold: {fault.why}") if fault else None
