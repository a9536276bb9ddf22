"""What the reader raises while it knows only the text; the caller that knows file and line makes the error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from imageyard.errors import ConfigurationError

__all__ = ["Fault", "nearest"]


class Fault(Exception):
    """A text that cannot be meant, with what to change; it has no place yet."""

    def __init__(self, headline: str, hint: str | Sequence[str] = ()) -> None:
        super().__init__(headline)
        self.headline = headline
        self.hint = hint

    def at(self, file: str, line: int) -> ConfigurationError:
        """The same fault as an error for a person, at `FILE:LINE`."""
        return ConfigurationError(self.headline, doing="reading the Dockerfile", at=f"{file}:{line}", hint=self.hint)


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the known word that is nearest to `word`, or nothing."""
    close = get_close_matches(word[:100], list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""
