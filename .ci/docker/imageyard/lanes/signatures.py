"""The only place that imports `cryptography`: signatures of Ed25519 and of ECDSA on P-256 with SHA-256.

The package is an extra, `imageyard[lanes]`: it is imported when something is signed or a signature is checked.
Sources: RFC 8410, 4 and 10 (keys of Ed25519), RFC 5480, 2 (keys of ECDSA), RFC 6979 (ECDSA without chance).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from imageyard.errors import ConfigurationError, EnvironmentLacks

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    PrivateKey: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey

__all__ = ["PublicKey", "SigningKey", "is_signed", "public_key", "signing_key"]

_ED25519 = bytes.fromhex("302a300506032b6570032100")
_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_LENGTHS = {_ED25519: 32, _P256: 64}
"""What a public key begins with in DER, and how many bytes follow."""
_LACKS = "the package cryptography is not installed"
_INSTALL = "python -m pip install 'imageyard[lanes]'    (in a checkout: python -m pip install -e '.[lanes]')"
_MAKE = "make one: openssl genpkey -algorithm ed25519 -out lane.pem"


@dataclass(frozen=True)
class PublicKey:
    """A public key in DER (SubjectPublicKeyInfo)."""

    der: bytes

    @property
    def id(self) -> str:
        """The SHA-256 of the key in hex, which envelopes name it by."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def line(self) -> str:
        """The key in base64, as lanes.yml has it."""
        return base64.b64encode(self.der).decode()


@dataclass(frozen=True)
class SigningKey:
    """A private key, which nothing prints, and its public one."""

    public: PublicKey
    _private: PrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """The signature of a message; that of ECDSA is in DER, and the same each time where OpenSSL can do it."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256

        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.sign(message)
        try:
            return self._private.sign(message, ECDSA(SHA256(), deterministic_signing=True))
        except UnsupportedAlgorithm:  # OpenSSL before 3.2
            return self._private.sign(message, ECDSA(SHA256()))


def public_key(text: str) -> PublicKey | None:
    """The public key in a line of base64, None where it is none of the two kinds; this needs no package."""
    try:
        der = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    known = any(der.startswith(start) and len(der) == len(start) + length for start, length in _LENGTHS.items())
    return PublicKey(der) if known and base64.b64encode(der).decode() == text else None


def signing_key(pem: bytes, source: str) -> SigningKey:
    """The private key in a PEM text; `source` is how errors name it, which show nothing of the text.

    Raises ConfigurationError for what is no such key, EnvironmentLacks where the package is missing.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
    except ImportError:
        raise EnvironmentLacks(_LACKS, doing="signing the provenance of files", hint=_INSTALL) from None
    doing = "reading the key that signs"
    try:
        private = load_pem_private_key(pem, None)
    except TypeError:
        hint = "write it without a passphrase, and keep it where secrets are kept"
        raise ConfigurationError(f"{source} has a key with a passphrase", doing=doing, hint=hint) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{source} has no private key in PEM", doing=doing, hint=_MAKE) from None
    is_p256 = isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1)
    if not is_p256 and not isinstance(private, Ed25519PrivateKey):
        raise ConfigurationError(f"{source} has a key of another kind than Ed25519 and P-256", doing=doing, hint=_MAKE)
    assert isinstance(private, EllipticCurvePrivateKey | Ed25519PrivateKey)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(PublicKey(public), private)


def is_signed(public: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether a signature is of this message by this key; False for a key that is no point of its curve.

    Raises EnvironmentLacks where the package is missing: then nothing is known.
    """
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_der_public_key
    except ImportError:
        raise EnvironmentLacks(_LACKS, doing="checking the provenance of files", hint=_INSTALL) from None
    try:
        key = load_der_public_key(public.der)
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, EllipticCurvePublicKey):
            key.verify(signature, message, ECDSA(SHA256()))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
