"""The result of tests of a file: an in-toto statement with the predicate `test-result`, which a lane signs.

Source: in-toto/attestation, `spec/predicates/test-result.md`, version 0.1.0. Lists of single tests are left out when
it is written, and not looked at when it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from imageyard.lanes.dsse import NotSigned, strict_json
from imageyard.lanes.in_toto import STATEMENT_TYPE, source_of, write_statement
from imageyard.lanes.origin import Origin

__all__ = ["OUTCOMES", "PREDICATE_TYPE", "ResultStatement", "TestOutcome", "read_result", "write_result"]

PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
TestOutcome: TypeAlias = Literal["passed", "warned", "failed"]
"""How the tests of a file ended; `warned`: they passed, with warnings."""
OUTCOMES: tuple[TestOutcome, ...] = get_args(TestOutcome)
_SECURE = "https://"


@dataclass(frozen=True)
class ResultStatement:
    """What a statement says: of which file, with which SHA-256 in hex, how its tests ended, and where to read more.

    `url` is empty where nobody said it.
    """

    filename: str
    sha256: str
    outcome: TestOutcome
    url: str


def write_result(tested: ResultStatement, origin: Origin, forge: str) -> bytes:
    """The statement about a file; the same values give the same bytes. `forge` is the address of all repositories."""
    predicate: dict[str, Any] = {"configuration": [source_of(origin, forge)], "result": tested.outcome.upper()}
    if tested.url:
        predicate["url"] = tested.url
    return write_statement(tested.filename, tested.sha256, PREDICATE_TYPE, predicate)


def read_result(payload: bytes) -> ResultStatement:
    """What a statement says. Raises NotSigned for one that is no result of tests of one file.

    An address that is not secure is refused: it becomes a link on the page of lanes.
    """
    whole = strict_json(payload, "the statement")
    try:
        (subject,) = whole["subject"]
        predicate = whole["predicate"]
        kinds = (whole["_type"], whole["predicateType"])
        texts = (subject["name"], subject["digest"]["sha256"], predicate["result"], predicate.get("url", ""))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise NotSigned("the statement is no result of tests of one file") from None
    if kinds != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise NotSigned(f"the statement is not of the type {STATEMENT_TYPE} about {PREDICATE_TYPE}")
    if not all(isinstance(text, str) for text in texts):
        raise NotSigned("the statement has a name, a digest, a result or an address that is no text")
    filename, sha256, result, url = texts
    outcome = next((one for one in OUTCOMES if one.upper() == result), None)
    if outcome is None:
        raise NotSigned(f"the result is {result!r:.40}, and none of {', '.join(OUTCOMES).upper()}")
    if url and not url.startswith(_SECURE):
        raise NotSigned(f"the address of the tests is {url!r:.80}, and does not begin with {_SECURE}")
    return ResultStatement(filename, sha256, outcome, url)
