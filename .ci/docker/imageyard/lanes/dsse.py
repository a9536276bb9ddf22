"""A signed statement in its envelope: DSSE, with one signature, read as strictly as it is written.

Sources: secure-systems-lab/dsse, `protocol.md` (the encoding that is signed) and `envelope.md` (JSON), version 1.0.2;
in-toto/attestation, `spec/v1/envelope.md` (`payloadType`). A reader of DSSE may take URL-safe base64 and several
signatures; this one takes neither, so that the same statement has one form.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from imageyard import exact_json

__all__ = [
    "MEDIA_TYPE",
    "MOST_BYTES",
    "PAYLOAD_TYPE",
    "Envelope",
    "NotSigned",
    "read_envelope",
    "signed_bytes",
    "strict_json",
    "write_envelope",
]

MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
MOST_BYTES = 64 * 1024
"""The size of the largest envelope that is read."""


class NotSigned(ValueError):
    """Bytes are no envelope that can be read; the first argument says why, in one sentence."""


@dataclass(frozen=True)
class Envelope:
    """A payload and its signature; `key_id` says which key signed, and is empty where the signer did not say it."""

    payload: bytes
    key_id: str
    signature: bytes


def signed_bytes(payload: bytes) -> bytes:
    """The bytes that a signature is of: type and payload with their lengths ("PAE", `protocol.md`)."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def write_envelope(envelope: Envelope) -> bytes:
    """The envelope on one line, so that several of them would be JSON lines; the same envelope has the same bytes."""
    signature = {"keyid": envelope.key_id, "sig": base64.b64encode(envelope.signature).decode()}
    payload = base64.b64encode(envelope.payload).decode()
    whole = {"payload": payload, "payloadType": PAYLOAD_TYPE, "signatures": [signature]}
    return (json.dumps(whole, separators=(",", ":")) + "\n").encode()


def read_envelope(body: bytes) -> Envelope:
    """The envelope in a file, whose signature is not checked yet. Raises NotSigned."""
    if len(body) > MOST_BYTES:
        raise NotSigned(f"the envelope has more than {MOST_BYTES} bytes")
    whole = strict_json(body, "the envelope")
    if not isinstance(whole, dict) or whole.keys() != {"payload", "payloadType", "signatures"}:
        raise NotSigned("the envelope has other keys than payload, payloadType and signatures")
    if whole["payloadType"] != PAYLOAD_TYPE:
        raise NotSigned(f"the envelope is not of {PAYLOAD_TYPE}")
    signatures = whole["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise NotSigned("the envelope has not exactly one signature")
    (one,) = signatures
    if not isinstance(one, dict) or one.keys() not in ({"keyid", "sig"}, {"sig"}):
        raise NotSigned("the signature has other keys than keyid and sig")
    key_id = one.get("keyid", "")
    if not isinstance(key_id, str):
        raise NotSigned("the keyid is no text")
    return Envelope(_decoded(whole["payload"], "payload"), key_id, _decoded(one["sig"], "sig"))


def strict_json(body: bytes, what: str) -> Any:
    """JSON in UTF-8 without a repeated key; `what` is how the error names it. Raises NotSigned.

    Two readers of a repeated key may take one value each, and then believe different things of one signature.
    """
    try:
        return exact_json.read(body)
    except exact_json.RepeatedKey:
        raise NotSigned(f"{what} has a key twice") from None
    except exact_json.NoNumber as found:
        raise NotSigned(f"{what} has {found}, which is no JSON") from None
    except (ValueError, RecursionError):
        raise NotSigned(f"{what} is no JSON") from None


def _decoded(text: object, name: str) -> bytes:
    """Bytes out of base64 in the one form that they have (RFC 4648, 3.5)."""
    try:
        raw = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        raw = b""
    if not raw or base64.b64encode(raw).decode() != text:
        raise NotSigned(f"the {name} is no base64 in its usual form")
    return raw
