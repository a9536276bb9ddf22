"""Which key of a lane signed an envelope, and whether it still counted then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from imageyard.lanes.dsse import Envelope, signed_bytes
from imageyard.lanes.model import LaneKey
from imageyard.lanes.signatures import is_signed

__all__ = ["signer_among", "too_late"]


def signer_among(envelope: Envelope, keys: Sequence[LaneKey]) -> LaneKey | str:
    """The key that signed, or in words why none did. Raises EnvironmentLacks where signatures cannot be checked."""
    candidates = [key for key in keys if envelope.key_id in ("", key.public.id)]
    if not candidates:
        named = f", {envelope.key_id!r:.70}" if envelope.key_id else ""
        return f"the key{named} is none of the lane"
    message = signed_bytes(envelope.payload)
    signed = [key for key in candidates if is_signed(key.public, envelope.signature, message)]
    return signed[0] if signed else "the signature is not of these bytes"


def too_late(key: LaneKey, stored: datetime | None) -> str:
    """Why a key no longer counted when the bucket got the envelope; empty where it did. None: nobody says when."""
    if key.until is None or (stored is not None and stored < key.until):
        return ""
    until = f"{key.until:%Y-%m-%dT%H:%M:%SZ}"
    when = "nobody says when it was stored" if stored is None else f"it was stored at {stored:%Y-%m-%dT%H:%M:%SZ}"
    return f"the key {key.name} was used until {until}, and {when}"
