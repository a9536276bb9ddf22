"""The record of an image as a whole, of whatever architectures: promoted, or copied to mirrors."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imageyard.errors import ImageyardError, PolicyRefused, exit_code
from imageyard.records import Record, RowOutcome
from imageyard.runs import now

if TYPE_CHECKING:
    from imageyard.run.services import Services

__all__ = ["ImageRecord"]


class ImageRecord:
    """A record that is on disk as interrupted before anything is done, and tells at the end how it went."""

    def __init__(self, services: Services, image: str, *, forced: bool) -> None:
        self._run = services.run
        self._clock = time.monotonic()
        self._record = Record(image, "all", "interrupted", 130, "interrupted", started=now(), forced=forced)
        self._run.write(self._record)

    def end(self, error: ImageyardError | None, well: RowOutcome, **fields: Any) -> None:
        """Write how it ended: `well` where there is no error; `fields` are those of the record besides."""
        outcome: RowOutcome = "refused" if isinstance(error, PolicyRefused) else "blocked" if error else well
        ended = {"ended": now(), "seconds": time.monotonic() - self._clock, **fields}
        ended |= {"code": exit_code(error), "headline": error.headline if error else ""}
        self._run.write(replace(self._record, outcome=outcome, **ended))
