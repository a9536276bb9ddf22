"""A statement about one file, as in-toto has it, and the source that it names.

Source: in-toto/attestation, `spec/v1/statement.md` and `spec/v1/resource_descriptor.md`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from imageyard.lanes.origin import Origin

__all__ = ["STATEMENT_TYPE", "source_of", "write_statement"]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


def write_statement(filename: str, sha256: str, predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    """The statement about a file, whose SHA-256 is in hex; the same values give the same bytes."""
    statement = {
        "_type": STATEMENT_TYPE,
        "predicate": predicate,
        "predicateType": predicate_type,
        "subject": [{"digest": {"sha256": sha256}, "name": filename}],
    }
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()


def source_of(origin: Origin, forge: str) -> Mapping[str, Any]:
    """The commit that a run is of, as a resource; `forge` is the address of all repositories."""
    uri = f"git+{forge}/{origin.repository}@{quote(origin.ref, safe='/')}"
    return {"digest": {"gitCommit": origin.commit}, "uri": uri}
