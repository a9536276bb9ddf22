"""Whether the provenance beside a file is signed by its lane, about this file, and of the lane's repository."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from imageyard.lanes.dsse import NotSigned, read_envelope
from imageyard.lanes.lane_signer import signer_among, too_late
from imageyard.lanes.model import LaneKey
from imageyard.lanes.provenance_statement import Provenance, read_provenance

__all__ = ["CHECKS", "CheckName", "ProvenanceFinding", "ProvenanceRules", "fault_in", "judge_provenance"]

CheckName: TypeAlias = Literal["envelope", "signature", "statement", "subject", "repository", "workflow"]
CHECKS: tuple[CheckName, ...] = ("envelope", "signature", "statement", "subject", "repository", "workflow")
"""What is checked, in this order: what does not hold of the first three ends it."""


@dataclass(frozen=True)
class ProvenanceRules:
    """What the provenance of a lane has to be: signed by one of `keys`, of the repository with this number.

    `forge` is the address of all repositories; `number` is None where nobody said it, and is not compared then.
    """

    keys: tuple[LaneKey, ...] = ()
    number: str | None = None
    forge: str = ""

    @property
    def fingerprint(self) -> str:
        """What changes where provenance has to be read again."""
        return hashlib.sha256(repr((self.keys, self.number, self.forge)).encode()).hexdigest()


@dataclass(frozen=True)
class ProvenanceFinding:
    """What came of a check: `why` it does not hold, empty where it holds. `key` is the name of the key that signed."""

    check: CheckName
    why: str = ""
    key: str = ""


def judge_provenance(
    body: bytes, filename: str, sha256: str, rules: ProvenanceRules, stored: datetime | None
) -> tuple[ProvenanceFinding, ...]:
    """Check the provenance of a file; `stored` is when the bucket got it, None where no bucket says so.

    Raises EnvironmentLacks where signatures cannot be checked here: then nothing is known of it.
    """
    return tuple(_findings(body, filename, sha256, rules, stored))


def fault_in(findings: Sequence[ProvenanceFinding]) -> ProvenanceFinding | None:
    """The first finding that does not hold."""
    return next((finding for finding in findings if finding.why), None)


def _findings(
    body: bytes, filename: str, sha256: str, rules: ProvenanceRules, stored: datetime | None
) -> Iterator[ProvenanceFinding]:
    try:
        envelope = read_envelope(body)
    except NotSigned as wrong:
        yield ProvenanceFinding("envelope", str(wrong))
        return
    yield ProvenanceFinding("envelope")
    signer = signer_among(envelope, rules.keys)
    if isinstance(signer, str):
        yield ProvenanceFinding("signature", signer)
        return
    late = too_late(signer, stored)
    yield ProvenanceFinding("signature", late, signer.name)
    if late:
        return
    try:
        said = read_provenance(envelope.payload)
    except NotSigned as wrong:
        yield ProvenanceFinding("statement", str(wrong))
        return
    yield ProvenanceFinding("statement")
    yield _subject(said, filename, sha256)
    yield _repository(said, signer, rules)
    builder = f"{rules.forge}/{signer.workflow}"
    yield ProvenanceFinding(
        "workflow", "" if said.builder == builder else f"the builder is {said.builder!r:.200}, not {builder}"
    )


def _subject(said: Provenance, filename: str, sha256: str) -> ProvenanceFinding:
    if said.filename != filename:
        return ProvenanceFinding("subject", f"it is about {said.filename!r:.200}")
    return ProvenanceFinding("subject", "" if said.sha256 == sha256 else f"it is about sha256:{said.sha256!r:.70}")


def _repository(said: Provenance, key: LaneKey, rules: ProvenanceRules) -> ProvenanceFinding:
    if said.repository != key.repository:
        return ProvenanceFinding("repository", f"it is of {said.repository!r:.200}, not {key.repository}")
    if rules.number is not None and said.number != rules.number:
        return ProvenanceFinding("repository", f"it is of the repository {said.number!r:.30}, not {rules.number}")
    return ProvenanceFinding("repository")
