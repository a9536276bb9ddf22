"""The provenance of a file: an in-toto statement that says which run of which commit handed it over.

Sources: in-toto/attestation, `spec/v1/statement.md`; SLSA 1.2, "Build: Provenance" (predicate type `v1`). The build
type is ours, and docs/lanes.md says what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imageyard.lanes.dsse import NotSigned, strict_json
from imageyard.lanes.in_toto import STATEMENT_TYPE, source_of, write_statement
from imageyard.lanes.origin import Origin

__all__ = ["BUILD_TYPE", "PREDICATE_TYPE", "Provenance", "read_provenance", "write_provenance"]

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:imageyard:lane-upload:v1"
_PARAMETERS = {"repository", "ref", "workflow"}


@dataclass(frozen=True)
class Provenance:
    """What a statement says, as far as anything is decided by it; `builder` is a URI, `sha256` in hex.

    `repository` is OWNER/NAME and `number` what the forge numbers it by; `commit` is the hash of the commit.
    """

    filename: str
    sha256: str
    repository: str
    number: str
    builder: str
    commit: str


def write_provenance(filename: str, sha256: str, origin: Origin, forge: str) -> bytes:
    """The statement about a file; the same values give the same bytes. `forge` is the address of all repositories."""
    build = {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "ref": origin.ref,
            "repository": origin.repository,
            "workflow": origin.workflow,
        },
        "internalParameters": {"repository_id": origin.number},
        "resolvedDependencies": [source_of(origin, forge)],
    }
    run = {
        "builder": {"id": f"{forge}/{origin.builder}"},
        "metadata": {
            "invocationId": f"{forge}/{origin.repository}/actions/runs/{origin.run}/attempts/{origin.attempt}"
        },
    }
    predicate = {"buildDefinition": build, "runDetails": run}
    return write_statement(filename, sha256, PREDICATE_TYPE, predicate)


def read_provenance(payload: bytes) -> Provenance:
    """What a statement says. Raises NotSigned for one that is not of our kind.

    A parameter that is not known is refused: it may change what the others mean (SLSA 1.2, "Verifying artifacts").
    """
    whole = _record(strict_json(payload, "the statement"), "the statement")
    if whole.get("_type") != STATEMENT_TYPE or whole.get("predicateType") != PREDICATE_TYPE:
        raise NotSigned(f"the statement is not of the type {STATEMENT_TYPE} about {PREDICATE_TYPE}")
    subjects = whole.get("subject")
    if not isinstance(subjects, list) or len(subjects) != 1:
        raise NotSigned("the statement has not exactly one subject")
    subject = _record(subjects[0], "the subject")
    predicate = _record(whole.get("predicate"), "the predicate")
    build = _record(predicate.get("buildDefinition"), "the build definition")
    if build.get("buildType") != BUILD_TYPE:
        raise NotSigned(f"the build type is not {BUILD_TYPE}")
    parameters = _record(build.get("externalParameters"), "the external parameters")
    if parameters.keys() != _PARAMETERS:
        raise NotSigned(f"the external parameters are not exactly {', '.join(sorted(_PARAMETERS))}")
    sources = build.get("resolvedDependencies")
    if not isinstance(sources, list) or len(sources) != 1:
        raise NotSigned("the statement has not exactly one source")
    run = _record(predicate.get("runDetails"), "the run details")
    return Provenance(
        filename=_text(subject, "name"),
        sha256=_text(_record(subject.get("digest"), "the digest of the subject"), "sha256"),
        repository=_text(parameters, "repository"),
        number=_text(_record(build.get("internalParameters"), "the internal parameters"), "repository_id"),
        builder=_text(_record(run.get("builder"), "the builder"), "id"),
        commit=_text(_record(_record(sources[0], "the source").get("digest"), "the digest of the source"), "gitCommit"),
    )


def _record(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise NotSigned(f"{what} is no JSON object")
    return value


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise NotSigned(f"the statement has no text {key}")
    return value
