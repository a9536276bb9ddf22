"""A verifier that is not ours, cosign, accepts our provenance, and refuses it with a flipped bit.

cosign 2.5 (Debian trixie): `verify-blob-attestation` reads a DSSE envelope as `--signature` (sigstore/cosign,
`doc/cosign_verify-blob-attestation.md`). With a key there is no entry in a transparency log.
"""

from __future__ import annotations

import hashlib
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from imageyard.lanes.dsse import Envelope, read_envelope, write_envelope
from support.lanes.channels import names
from support.lanes.signed import KINDS, public_pem, signed, signer
from support.lanes.wheels import wheel

ONE, TWO = names("1.0+acme", "1.1+acme")


@dataclass(frozen=True)
class Scene:
    """A wheel, its provenance, and a public key, as files."""

    folder: Path
    kind: str
    body: bytes
    provenance: bytes

    def accepted(self, provenance: bytes, *, body: bytes | None = None, seed: int = 1, kind: str = "") -> bool:
        for name, content in (
            (ONE, self.body if body is None else body),
            ("provenance", provenance),
            ("lane.pub", public_pem(kind or self.kind, seed)),
        ):
            (self.folder / name).write_bytes(content)
        argv = ["cosign", "verify-blob-attestation", "--insecure-ignore-tlog", "--key", "lane.pub"]
        argv += ["--type", "slsaprovenance1", "--signature", "provenance", ONE]
        done = subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode != 0 or "Verified OK" in done.stderr
        return done.returncode == 0


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    body = wheel(ONE)
    return Scene(tmp_path, request.param, body, signer(request.param).sign(ONE, hashlib.sha256(body).hexdigest()))


def flipped(body: bytes, at: int, bit: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1 << bit]) + body[at + 1 :]


def test_cosign_accepts_what_we_sign(scene: Scene) -> None:
    assert scene.accepted(scene.provenance)


def test_cosign_refuses_what_is_not_it(scene: Scene) -> None:
    other = {"p256": "ed25519", "ed25519": "p256"}[scene.kind]
    assert not scene.accepted(scene.provenance, seed=2), "another key"
    assert not scene.accepted(scene.provenance, kind=other), "a key of another kind"
    assert not scene.accepted(scene.provenance, body=flipped(scene.body, 40, 0)), "another file"
    assert not scene.accepted(signer(scene.kind).sign(ONE, "a" * 64)), "provenance of another file"
    assert not scene.accepted(signed(b"{}", scene.kind)), "no statement"


def test_cosign_refuses_a_flipped_bit(scene: Scene) -> None:
    """Of the payload as it was signed, and of the signature: base64 around them has no say in it."""
    envelope = read_envelope(scene.provenance)
    chance = random.Random(14)
    for _ in range(25):
        at, bit = chance.randrange(len(envelope.payload)), chance.randrange(8)
        payload = flipped(envelope.payload, at, bit)
        assert not scene.accepted(write_envelope(Envelope(payload, envelope.key_id, envelope.signature))), (at, bit)
    for _ in range(15):
        at, bit = chance.randrange(len(envelope.signature)), chance.randrange(8)
        signature = flipped(envelope.signature, at, bit)
        assert not scene.accepted(write_envelope(Envelope(envelope.payload, envelope.key_id, signature))), (at, bit)


def test_cosign_refuses_a_flipped_bit_of_the_file(scene: Scene) -> None:
    """Within the values of payload and signature; it reads no key id, and lets the case of JSON keys pass."""
    chance = random.Random(41)
    for begin, end in ((b'"payload":"', b'"'), (b'"sig":"', b'"')):
        first = scene.provenance.index(begin) + len(begin)
        last = scene.provenance.index(end, first)
        value = scene.provenance[first:last].rstrip(b"=")
        for at in chance.sample(range(first, first + len(value) - 1), 12):
            assert not scene.accepted(flipped(scene.provenance, at, chance.randrange(8))), at
