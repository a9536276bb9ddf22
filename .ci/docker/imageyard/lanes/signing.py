"""The key that signs provenance: it comes from the environment or from a file, and no command line ever has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.lanes.dsse import Envelope, signed_bytes, write_envelope
from imageyard.lanes.lane_rules import LaneChannel
from imageyard.lanes.origin import Origin, origin_of
from imageyard.lanes.provenance_statement import write_provenance
from imageyard.lanes.signatures import SigningKey, signing_key

__all__ = ["KEY", "KEY_FILE", "NO_KEY", "Signer", "key_of", "origin_in", "signer_in", "signer_of"]

KEY, KEY_FILE = "LANE_SIGNING_KEY", "LANE_SIGNING_KEY_FILE"
"""The variables that have a private key in PEM, or name the file of one."""

NO_KEY = f"set {KEY} to a private key in PEM, whose public key lanes.yml has among the lane's `keys`"
"""What to type where there is no key that signs."""


@dataclass(frozen=True)
class Signer:
    """Who signs what is uploaded: a key, and the run that hands the files over; `forge` is where repositories are."""

    key: SigningKey
    origin: Origin
    forge: str

    @property
    def hint(self) -> str:
        """What to type where nobody believes this key."""
        return f"the key that signs would be in lanes.yml as: keys: {{NAME: {self.key.public.line}}}"

    def sign(self, filename: str, sha256: str) -> bytes:
        """The signed provenance of a file, as it lies beside it."""
        return self.sealed(write_provenance(filename, sha256, self.origin, self.forge))

    def sealed(self, payload: bytes) -> bytes:
        """A signed statement in its envelope."""
        return write_envelope(Envelope(payload, self.key.public.id, self.key.sign(signed_bytes(payload))))


def signer_of(
    rules: LaneChannel, environ: Mapping[str, str], hide: Callable[[str], None], origin: Callable[[], Origin]
) -> Signer | None:
    """Who signs files of a channel; None where the channel has no provenance, or this environment no key.

    `origin` is asked where there is a key. Raises as `key_of` and `origin` do.
    """
    if rules.channel.provenance == "none":
        return None
    return signer_in(environ, hide, origin, rules.provenance.forge)


def signer_in(
    environ: Mapping[str, str], hide: Callable[[str], None], origin: Callable[[], Origin], forge: str
) -> Signer | None:
    """Who signs in this environment, None where it has no key. Raises as `signer_of` does."""
    key = key_of(environ, hide)
    return None if key is None else Signer(key, origin(), forge)


def key_of(environ: Mapping[str, str], hide: Callable[[str], None]) -> SigningKey | None:
    """The key of this environment, None where there is none; `hide` hears of it before it is used.

    Raises ConfigurationError where there are two or where it is no key, EnvironmentLacks where its file cannot be read.
    """
    text, file = environ.get(KEY), environ.get(KEY_FILE)
    if text and file:
        raise ConfigurationError(f"{KEY} and {KEY_FILE} are both set", hint="leave one out")
    if file:
        try:
            text, source = Path(file).read_text("utf-8"), KEY_FILE
        except (OSError, UnicodeDecodeError):
            hint = f"name a file with a private key in PEM: {KEY_FILE}=lane.pem"
            raise EnvironmentLacks(f"the file that {KEY_FILE} names cannot be read", hint=hint) from None
    else:
        source = KEY
    if not text:
        return None
    hide(text)
    return signing_key(text.encode(), source)


def origin_in(file: Path) -> Origin:
    """The origin in a JSON file of claims. Raises ConfigurationError for what is none, EnvironmentLacks without a file.

    It is for who signs outside of a job that has a token.
    """
    try:
        claims = json.loads(file.read_bytes())
    except OSError as error:
        doing = "saying where files come from"
        hint = "name a file of claims that can be read: --origin FILE"
        raise EnvironmentLacks(f"cannot read {file}: {error.strerror}", doing=doing, hint=hint) from None
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        hint = 'write {"repository": "OWNER/NAME", ...}: docs/lanes.md has all names'
        raise ConfigurationError(f"{file} is no JSON object", hint=hint)
    return origin_of(claims, str(file))
