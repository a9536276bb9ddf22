"""Whether the result of a file's tests is signed by its lane, and about this file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from imageyard.lanes.dsse import NotSigned, read_envelope
from imageyard.lanes.lane_provenance import ProvenanceRules
from imageyard.lanes.lane_signer import signer_among, too_late
from imageyard.lanes.result_statement import ResultStatement, TestOutcome, read_result

__all__ = ["ResultSignal", "judge_result"]


@dataclass(frozen=True)
class ResultSignal:
    """How the tests of a file ended, as its lane says; `refused` is why nobody believes it, empty where it holds."""

    filename: str
    outcome: TestOutcome | None
    url: str = ""
    refused: str = ""


def judge_result(
    body: bytes, filename: str, sha256: str, rules: ProvenanceRules, stored: datetime | None
) -> ResultStatement | str:
    """What the result beside a file says, or in words why it does not hold; `stored` is when the bucket got it.

    Raises EnvironmentLacks where signatures cannot be checked here.
    """
    try:
        envelope = read_envelope(body)
        signer = signer_among(envelope, rules.keys)
        if isinstance(signer, str):
            return signer
        if late := too_late(signer, stored):
            return late
        said = read_result(envelope.payload)
    except NotSigned as wrong:
        return str(wrong)
    if said.filename != filename:
        return f"it is about {said.filename!r:.200}"
    return said if said.sha256 == sha256 else f"it is about sha256:{said.sha256!r:.70}"
