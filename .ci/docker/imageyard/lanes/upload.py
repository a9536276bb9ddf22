"""Uploading a file of a lane: checked here first, then created under a name that has nothing, and never replaced.

The bucket's policy refuses to replace a file whatever this code does; this code says why beforehand. The file comes
first, and then what lies beside it: so that nothing beside a file can be about other bytes than the file's. A run that
is killed is run again, and does what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import IO, Literal, TypeAlias

from imageyard.bucket.objects import Bucket
from imageyard.bucket.upload import upload as put_blob
from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.http.backoff import Clock
from imageyard.lanes.attested_files import refusal_of
from imageyard.lanes.channels import check_channel
from imageyard.lanes.dsse import MEDIA_TYPE
from imageyard.lanes.kept_state import states_of
from imageyard.lanes.lane_provenance import fault_in, judge_provenance
from imageyard.lanes.lane_requests import TakenBack
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.places import METADATA, PROVENANCE, UPLOAD, file_key, files_prefix, lane_prefix, state_key
from imageyard.lanes.quota import used_bytes
from imageyard.lanes.refusal import FileRefused
from imageyard.lanes.signing import NO_KEY, Signer
from imageyard.lanes.stored_wheel import stored_sha256
from imageyard.lanes.wheel import WheelFacts, read_wheel
from imageyard.layout import size as size_text
from imageyard.names import Digest
from imageyard.oci.manifests import Descriptor

__all__ = ["Uploaded", "upload_file"]

Outcome: TypeAlias = Literal["created", "already there"]


@dataclass(frozen=True)
class Uploaded:
    """A file that the channel has now: what it is, under which key, and whether this run put it there."""

    facts: WheelFacts
    key: str
    outcome: Outcome


def upload_file(
    bucket: Bucket,
    rules: LaneChannel,
    path: Path,
    by: Mapping[str, str],
    clock: Clock | None = None,
    signer: Signer | None = None,
) -> Uploaded:
    """Check a wheel and put it into its channel; `by` says who uploads it, for the statement beside the file.

    The same bytes under the same name are already there, and nothing of them is sent; what is missing beside them is.
    Raises FileRefused for a file that may not be published, for other bytes under its name, for other provenance beside
    it, and for a full quota; EnvironmentLacks where the file cannot be read, or nobody signs what the channel demands;
    ConfigurationError for a signer whose provenance the index would not take; what the bucket raises.
    """
    try:
        with path.open("rb") as file:
            return _upload(bucket, rules, file, path.name, by, clock or Clock(), signer)
    except OSError as error:
        hint = "name files that can be read: inv lane.upload 'dist/*.whl' --lane LANE --channel CHANNEL"
        raise EnvironmentLacks(f"cannot read {path}: {error.strerror}", doing="uploading files", hint=hint) from None


def _upload(
    bucket: Bucket,
    rules: LaneChannel,
    file: IO[bytes],
    filename: str,
    by: Mapping[str, str],
    clock: Clock,
    signer: Signer | None,
) -> Uploaded:
    facts = read_wheel(file, filename, rules.wheels)
    check_channel(facts.version, rules.channel)
    provenance = _provenance(rules, facts, signer, clock)
    key = file_key(rules.lane, rules.channel.name, filename)
    states = states_of(bucket, rules.lane)
    taken = {name: state.taken for name, state in states.items()}
    today = datetime.fromtimestamp(clock.now(), timezone.utc).date()
    _check_taken(rules, filename, taken.get(state_key(rules.lane, rules.channel.name), TakenBack()), today)
    # A listing and no question for the object: who may list only some keys is told 403 of all that are not there.
    sizes = {entry.key: entry.size for entry in bucket.list(lane_prefix(rules.lane))}
    outcome: Outcome = "already there"
    if key not in sizes:
        _check_quota(rules, {**sizes, key: facts.size}, taken, filename)
        file.seek(0)
        blob = Descriptor("application/octet-stream", Digest(f"sha256:{facts.sha256}"), facts.size)
        put_blob(bucket, key, blob, file, filename, resume=False)
        outcome = "created"
    _check_bytes(bucket, key, facts)
    bucket.put(key + METADATA, facts.metadata, "text/plain; charset=utf-8")
    if provenance is not None and not bucket.put(key + PROVENANCE, provenance, MEDIA_TYPE):
        _check_provenance(bucket, rules, key, facts)
    bucket.put(key + UPLOAD, _statement(rules, facts, by, clock), "application/json")
    return Uploaded(facts, key, outcome)


def _check_bytes(bucket: Bucket, key: str, facts: WheelFacts) -> None:
    """Refuse what the bucket has under the file's name where it has other bytes: another upload was there first."""
    head = bucket.head(key)
    if head is None or head.size != facts.size or stored_sha256(bucket, key, head.size, head.sha256) != facts.sha256:
        raise FileRefused(
            "other-bytes",
            f"{facts.filename} is published with other bytes",
            hint="no published file is replaced: build another version, and ask for the first one to be withdrawn",
        )


def _provenance(rules: LaneChannel, facts: WheelFacts, signer: Signer | None, clock: Clock) -> bytes | None:
    """What is to lie beside the file; None where nobody signs and the channel does not demand it."""
    if rules.channel.provenance == "none":
        return None
    doing = f"signing the provenance of {facts.filename}"
    if signer is None:
        if rules.channel.provenance == "optional":
            return None
        raise EnvironmentLacks(
            f"{rules.channel.name} demands provenance, and there is no key that signs it",
            doing=doing,
            hint=NO_KEY,
        )
    signed = signer.sign(facts.filename, facts.sha256)
    now = datetime.fromtimestamp(clock.now(), timezone.utc)
    fault = fault_in(judge_provenance(signed, facts.filename, facts.sha256, rules.provenance, now))
    if fault is not None:
        raise ConfigurationError(
            f"the index would not take it: {fault.why}",
            doing=doing,
            hint=signer.hint,
        )
    return signed


def _check_provenance(bucket: Bucket, rules: LaneChannel, key: str, facts: WheelFacts) -> None:
    """Refuse what the bucket has as provenance of the file where it does not hold: nothing replaces it."""
    for entry in (entry for entry in bucket.list(key + PROVENANCE) if entry.key == key + PROVENANCE):
        refused = refusal_of(bucket, entry, facts.filename, facts.sha256, rules)
        if refused is not None:
            raise FileRefused(
                refused.rule,
                f"{facts.filename} is published, and {refused.why}",
                hint="no published provenance is replaced: build another version, and ask for this one to be withdrawn",
            )


def _check_taken(rules: LaneChannel, filename: str, taken: TakenBack, today: date) -> None:
    """Refuse a name whose file was taken back, before anything is sent: no bytes get it, and the same ones neither."""
    if filename in taken.purged:
        headline = f"{filename} was purged, and no file gets its name again{taken.told(filename, today)}"
        raise FileRefused("purged", headline, hint="build another version")
    if filename in taken.withdrawn:
        restore = f"inv lane.restore {rules.lane} {filename} --centre --reason WHY --yes    (what the centre can do)"
        raise FileRefused(
            "withdrawn",
            f"{filename} is withdrawn, and its name stays taken{taken.told(filename, today)}",
            hint=("build another version", restore),
        )


def _check_quota(rules: LaneChannel, sizes: Mapping[str, int], taken: Mapping[str, TakenBack], filename: str) -> None:
    """Refuse a file with which the lane has more than its quota, in all channels; `sizes` are by key."""
    used = 0
    for channel in (rules.channel, *rules.other_channels):
        prefix = files_prefix(rules.lane, channel.name)
        here = {key.removeprefix(prefix): size for key, size in sizes.items() if key.startswith(prefix)}
        back = taken.get(state_key(rules.lane, channel.name), TakenBack())
        used += used_bytes(here, channel, back.withdrawn)
    if used > rules.quota:
        raise FileRefused(
            "quota",
            f"with {filename} the lane has {size_text(used)}, and {size_text(rules.quota)} are allowed",
            hint="ask for files that nobody needs to be withdrawn, or for a higher quota in lanes.yml",
        )


def _statement(rules: LaneChannel, facts: WheelFacts, by: Mapping[str, str], clock: Clock) -> bytes:
    """Who uploaded which bytes, and when, as the uploader says; the bucket has its own time."""
    statement = {
        "version": 1,
        "lane": rules.lane,
        "channel": rules.channel.name,
        "filename": facts.filename,
        "size": facts.size,
        "sha256": facts.sha256,
        "uploaded": datetime.fromtimestamp(clock.now(), timezone.utc).isoformat(timespec="seconds"),
        "by": dict(sorted(by.items())),
    }
    return (json.dumps(statement, indent=1) + "\n").encode()
