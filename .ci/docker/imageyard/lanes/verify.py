"""`inv lane.verify`: files as anybody gets them, against the index, their provenance and `lanes.yml`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from imageyard.bucket.objects import Bucket, ObjectEntry
from imageyard.errors import EnvironmentLacks, ImageyardError, NotFound, PolicyRefused, Transient
from imageyard.lanes.dsse import MOST_BYTES
from imageyard.lanes.lane_provenance import CHECKS, judge_provenance
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.places import BESIDE, PROVENANCE, files_prefix, index_prefix
from imageyard.lanes.stored_wheel import sha256_of
from imageyard.layout import aligned

__all__ = ["Holds", "VerifiedFile", "as_data", "as_table", "refusal_in", "verify_local", "verify_stored"]

_PIECE = 1024 * 1024

Holds: TypeAlias = Literal["yes", "no", "-"]
"""Whether a check holds; `-` where nobody could look, or what comes before it does not hold."""


@dataclass(frozen=True)
class VerifiedFile:
    """What holds of a file: `checks` by name, `sha256` and those of provenance, and `key`, the name of who signed.

    `digest` is of its bytes, in hex. `why` says what does not hold, empty where nothing is wrong; `remark` what is
    missing and not demanded.
    """

    lane: str
    channel: str
    filename: str
    digest: str
    checks: Mapping[str, Holds]
    key: str = ""
    why: str = ""
    remark: str = ""


def verify_stored(bucket: Bucket, rules: LaneChannel, names: Iterable[str] = ()) -> list[VerifiedFile]:
    """Check files of a channel that are in the bucket: those of these names, or all that the index lists.

    Every byte is read. Raises NotFound for a name that the bucket has not, Transient for an index that cannot be read,
    EnvironmentLacks where signatures cannot be checked, and what the bucket raises.
    """
    prefix = files_prefix(rules.lane, rules.channel.name)
    objects = {entry.key.removeprefix(prefix): entry for entry in bucket.list(prefix)}
    listed = _listed(bucket, rules)
    done = []
    for name in sorted(set(names) or listed):
        if name not in objects and name not in listed:
            raise NotFound(
                f"{rules.lane} {rules.channel.name} has no file {name[:200]}",
                doing="verifying files",
                hint=f"inv lane.verify {rules.lane}    (all that the index lists)",
            )
        done.append(_stored(bucket, rules, name, objects, listed.get(name)))
    return done


def verify_local(rules: LaneChannel, paths: Sequence[Path]) -> list[VerifiedFile]:
    """Check files of this machine, each with its provenance beside it under the name that the bucket has for it.

    No index says their hash, and nobody when they were stored: a key that is no longer used holds for none of them.
    Raises EnvironmentLacks for what cannot be read, and where signatures cannot be checked.
    """
    done = []
    for path in paths:
        beside = path.with_name(path.name + PROVENANCE)
        try:
            digest, body = _sha256(path), _read(beside) if beside.is_file() else None
        except OSError as error:
            raise EnvironmentLacks(
                f"cannot read {error.filename}: {error.strerror}",
                doing="verifying files",
                hint=f"name files that can be read: inv lane.verify {rules.lane} --local 'dist/*.whl'",
            ) from None
        found = VerifiedFile(rules.lane, rules.channel.name, path.name, digest, {"sha256": "-"})
        done.append(_with_provenance(found, rules, body, None))
    return done


def refusal_in(files: Sequence[VerifiedFile]) -> ImageyardError | None:
    """The error of files of which something does not hold; None where all holds."""
    wrong = [file for file in files if file.why]
    if not wrong:
        return None
    return PolicyRefused(
        f"{len(wrong)} of {len(files)} files do not hold what is demanded of them",
        doing="verifying files",
        detail=[f"{file.filename}: {file.why}" for file in wrong[:20]],
        hint=(
            "install none of them, and ask the lane's contacts",
            "inv lane.withdraw LANE FILE --reason WHY --yes    (takes one back; the centre adds --centre)",
        ),
    )


def as_table(files: Sequence[VerifiedFile]) -> str:
    """A line for each file, and a column for each check; last what is to be said of it."""
    heads = ["LANE", "CHANNEL", "FILE", "SHA256", *(check.upper() for check in CHECKS), "KEY", "REMARK"]
    rows = [
        [
            *(file.lane, file.channel, file.filename, file.checks["sha256"]),
            *(file.checks.get(check, "-") for check in CHECKS),
            *(file.key or "-", file.why or file.remark or "-"),
        ]
        for file in files
    ]
    return "\n".join(aligned(heads, rows))


def as_data(files: Sequence[VerifiedFile]) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [asdict(file) for file in files]


def _stored(
    bucket: Bucket, rules: LaneChannel, name: str, objects: Mapping[str, ObjectEntry], listed: str | None
) -> VerifiedFile:
    entry = objects.get(name)
    found = VerifiedFile(rules.lane, rules.channel.name, name, "", {"sha256": "no"})
    if entry is None:
        return replace(found, why="the index lists it, and the bucket has no such file")
    digest = sha256_of(bucket, entry.key, entry.size)
    if listed is None:
        found = replace(found, digest=digest, why="the index does not list it")
    elif listed != digest:
        found = replace(found, digest=digest, why=f"the index says sha256:{listed:.70}, and it has sha256:{digest}")
    else:
        found = replace(found, digest=digest, checks={"sha256": "yes"})
    beside = objects.get(name + PROVENANCE)
    body = None
    if beside is not None:
        stored = bucket.range(beside.key, 0, min(beside.size, MOST_BYTES + 1) - 1) if beside.size else b""
        body = stored
    return _with_provenance(found, rules, body, beside)


def _with_provenance(
    found: VerifiedFile, rules: LaneChannel, body: bytes | None, beside: ObjectEntry | None
) -> VerifiedFile:
    """Add what holds of the provenance; what was wrong before it stays what is told."""
    if body is None:
        absent = f"it has no {PROVENANCE} beside it"
        if rules.channel.provenance == "required":
            return replace(found, why=found.why or absent)
        return replace(found, remark=absent)
    stored = beside.modified if beside else None
    findings = judge_provenance(body, found.filename, found.digest, rules.provenance, stored)
    holds: dict[str, Holds] = {finding.check: "no" if finding.why else "yes" for finding in findings}
    why = next((finding.why for finding in findings if finding.why), "")
    key = next((finding.key for finding in findings if finding.key), "")
    return replace(found, checks={**found.checks, **holds}, key=key, why=found.why or why)


def _listed(bucket: Bucket, rules: LaneChannel) -> dict[str, str]:
    """The files that the index lists, each with its SHA-256; empty where there is no index yet."""
    prefix = f"{index_prefix(rules.lane, rules.channel.name)}simple/"
    listed: dict[str, str] = {}
    for project in _page(bucket, f"{prefix}index.v1_json").get("projects", ()):
        for file in _page(bucket, f"{prefix}{project['name']}/index.v1_json").get("files", ()):
            if not file["filename"].endswith(BESIDE):
                listed[file["filename"]] = file["hashes"]["sha256"]
    return listed


def _page(bucket: Bucket, key: str) -> Mapping[str, Any]:
    found = bucket.get(key)
    if found is None:
        return {}
    try:
        page: Mapping[str, Any] = json.loads(found[0])
    except ValueError:
        raise Transient(f"{bucket.path(key)} is no JSON", doing="reading an index", hint="run it again") from None
    return page


def _sha256(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            whole.update(piece)
    return whole.hexdigest()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)
