"""What it means that a host gave no answer: an error for each cause that somebody acts on."""

from __future__ import annotations

from imageyard.errors import Transient

__all__ = ["BodyTooLarge", "Broken", "NoAnswer", "TlsRefused"]


class NoAnswer(Transient):
    """The host did not answer, or only to say that it cannot now: what it has is not known."""


class BodyTooLarge(NoAnswer):
    """The host's answer is larger than the caller takes; the rest of it was not read."""


class TlsRefused(NoAnswer):
    """The host speaks TLS, and we do not trust its certificate."""


class Broken(Exception):
    """One try brought no whole answer. `again` tells whether another may help, `kind` which error it is at last."""

    def __init__(self, why: str, *, again: bool = True, hint: str = "", kind: type[NoAnswer] = NoAnswer) -> None:
        super().__init__(why)
        self.again = again
        self.hint = hint
        self.kind = kind
