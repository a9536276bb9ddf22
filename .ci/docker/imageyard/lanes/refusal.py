"""A file that a lane must not publish, and the rule that it breaks."""

from __future__ import annotations

from collections.abc import Sequence

from imageyard.errors import PolicyRefused

__all__ = ["FileRefused"]


class FileRefused(PolicyRefused):
    """A file breaks a rule of its lane or of its format; `rule` is the short name of this rule, for reports and tests.

    The hint says what the vendor does next. Nothing of such a file is listed in an index.
    """

    def __init__(self, rule: str, headline: str, *, hint: str | Sequence[str], doing: str = "") -> None:
        super().__init__(headline, hint=hint, doing=doing)
        self.rule = rule
