"""Keys that sign provenance in tests, made from fixed numbers, and provenance that holds for the lane `acme`."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from imageyard.lanes.dsse import Envelope, signed_bytes, write_envelope
from imageyard.lanes.lane_provenance import ProvenanceRules
from imageyard.lanes.model import LaneKey
from imageyard.lanes.origin import Origin, origin_of
from imageyard.lanes.signatures import SigningKey, signing_key
from imageyard.lanes.signing import Signer

__all__ = ["CLAIMS", "FORGE", "KINDS", "key", "lane_key", "origin", "pem", "public_pem", "rules", "signed", "signer"]

FORGE = "https://github.com"
KINDS = ("ed25519", "p256")
BUILDER = "example/main/.github/workflows/lane-upload.yml@refs/heads/main"
CLAIMS = {
    "repository": "acme-ai/torch-acme",
    "repository_id": "812345678",
    "ref": "refs/heads/main",
    "sha": "c" * 40,
    "workflow_ref": "acme-ai/torch-acme/.github/workflows/release.yml@refs/heads/main",
    "job_workflow_ref": BUILDER,
    "run_id": "42",
    "run_attempt": "1",
}


@cache
def pem(kind: str = "ed25519", seed: int = 1) -> str:
    """A private key; the same numbers give the same key."""
    private = (
        ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"%d" % seed).digest())
        if kind == "ed25519"
        else ec.derive_private_key(seed + 1000, ec.SECP256R1())
    )
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@cache
def key(kind: str = "ed25519", seed: int = 1) -> SigningKey:
    return signing_key(pem(kind, seed).encode(), "the test")


def public_pem(kind: str = "ed25519", seed: int = 1) -> bytes:
    private = key(kind, seed)._private
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def lane_key(kind: str = "ed25519", seed: int = 1, until: datetime | None = None, **was: str) -> LaneKey:
    names = {"repository": CLAIMS["repository"], "workflow": BUILDER, **was}
    return LaneKey(f"{kind}-{seed}", key(kind, seed).public, until, **names)


def rules(*keys: LaneKey) -> ProvenanceRules:
    return ProvenanceRules(keys or tuple(lane_key(kind) for kind in KINDS), CLAIMS["repository_id"], FORGE)


def origin(**claims: str) -> Origin:
    return origin_of({**CLAIMS, **claims}, "the test")


def signer(kind: str = "ed25519", seed: int = 1, **claims: str) -> Signer:
    return Signer(key(kind, seed), origin(**claims), FORGE)


def signed(payload: bytes, kind: str = "ed25519", seed: int = 1, **fields: Any) -> bytes:
    """An envelope around any payload, with a true signature."""
    one = key(kind, seed)
    return write_envelope(Envelope(payload, one.public.id, one.sign(signed_bytes(payload)), **fields))
