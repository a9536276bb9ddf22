"""The signed result of a file's tests beside it: posted by the lane, once, and read by whoever shows how it is."""

from __future__ import annotations

from datetime import datetime, timezone

from imageyard.bucket.objects import Bucket, ObjectEntry
from imageyard.errors import ConfigurationError, Denied, NotFound, PolicyRefused
from imageyard.http.backoff import Clock
from imageyard.lanes.dsse import MEDIA_TYPE, MOST_BYTES
from imageyard.lanes.lane_results import ResultSignal, judge_result
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.places import TESTED, file_key
from imageyard.lanes.result_statement import ResultStatement, TestOutcome, write_result
from imageyard.lanes.signing import Signer
from imageyard.lanes.stored_wheel import stored_sha256

__all__ = ["post_result", "result_signal"]


def result_signal(
    bucket: Bucket, entry: ObjectEntry | None, filename: str, sha256: str, rules: LaneChannel
) -> ResultSignal | None:
    """The signal of a file, whose result is in the object `entry`; None where nobody posted one."""
    if entry is None:
        return None
    if entry.size > MOST_BYTES:
        return ResultSignal(filename, None, refused=f"it has more than {MOST_BYTES} bytes")
    try:
        stored = bucket.get(entry.key)
    except Denied as denied:
        return ResultSignal(filename, None, refused=denied.headline)
    said = judge_result(stored[0] if stored else b"", filename, sha256, rules.provenance, entry.modified)
    if isinstance(said, str):
        return ResultSignal(filename, None, refused=said)
    return ResultSignal(filename, said.outcome, said.url)


def post_result(
    bucket: Bucket,
    rules: LaneChannel,
    tested: tuple[str, TestOutcome, str],
    signer: Signer,
    clock: Clock | None = None,
) -> str:
    """Put the result of a file's tests beside it: name, outcome, and an address; returns a line that says so.

    Nothing is replaced: one file has one result. Raises NotFound for a file that is not there, PolicyRefused where it
    has another result, ConfigurationError for what nobody would believe, and what the bucket raises.
    """
    filename, outcome, url = tested
    doing = f"posting the result of the tests of {filename}"
    key = file_key(rules.lane, rules.channel.name, filename)
    entry = next((one for one in bucket.list(key) if one.key == key), None)
    if entry is None:
        hint = f"inv lane.upload FILE --lane {rules.lane}"
        raise NotFound(f"{rules.channel.name} of {rules.lane} has no {filename}", doing=doing, hint=hint)
    head = bucket.head(key)
    sha256 = stored_sha256(bucket, key, entry.size, head.sha256 if head else None)
    body = signer.sealed(write_result(ResultStatement(filename, sha256, outcome, url), signer.origin, signer.forge))
    now = datetime.fromtimestamp((clock or Clock()).now(), timezone.utc)
    fault = judge_result(body, filename, sha256, rules.provenance, now)
    if isinstance(fault, str):
        raise ConfigurationError(f"nobody would believe it: {fault}", doing=doing, hint=signer.hint)
    created = bucket.put(key + TESTED, body, MEDIA_TYPE)
    if not created:
        stored = bucket.get(key + TESTED)
        if stored is None or stored[0] != body:
            hint = "no published result is replaced: build another version, and post the result of its tests"
            raise PolicyRefused(f"{filename} has another result", doing=doing, hint=hint)
    return f"{filename} {outcome} {'posted' if created else 'already there'}"
