"""What the reader raises while it knows only the text; the caller that knows file and line makes the error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError

__all__ = ["Fault", "suggestion"]


class Fault(Exception):
    """A text that cannot be meant, with what to change; it has no place yet."""

    def __init__(self, headline: str, hint: str | Sequence[str] = ()) -> None:
        super().__init__(headline)
        self.headline = headline
        self.hint = hint

    def at(self, file: str, line: int) -> ConfigurationError:
        """The same fault as an error for a person, at `FILE:LINE`."""
        return ConfigurationError(self.headline, doing="reading the Dockerfile", at=f"{file}:{line}", hint=self.hint)


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the known word that is nearest to `word`, or nothing.

    Keywords and flags are shorter than the names of a catalogue, so one wrong letter makes them less alike.
    """
    return did_you_mean(word, known, listed=False, cutoff=0.6)
