"""A check without a key of its own: the command ends with exit status 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imageyard.catalogue.expectations.base import Verdict, exit_words
from imageyard.ran import Ended

__all__ = ["PASSES", "PassesExpected"]


@dataclass(frozen=True)
class PassesExpected:
    """The command passes."""

    @property
    def keys(self) -> Mapping[str, object]:
        """No key: it is what a check expects that names nothing else."""
        return {}

    def expected(self, args: Mapping[str, str]) -> str:
        """Say in words what is expected."""
        return "exit status 0"

    def judge(self, ended: Ended, args: Mapping[str, str]) -> Verdict:
        """Judge by the exit status alone."""
        return Verdict(ended.code == 0, exit_words(ended.code))


PASSES = PassesExpected()
