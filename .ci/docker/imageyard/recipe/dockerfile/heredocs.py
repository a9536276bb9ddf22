"""Heredocs: which words of a line begin one, and what ends it.

Modelled on BuildKit 0.25, frontend/dockerfile/parser/parser.go (heredocsFromLine, heredocFromMatch).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.lexer import tokens

__all__ = ["Heredoc", "heredoc", "heredocs"]

_FORM = re.compile(r"\d*<<(-?)[\t\n\f\r ]*([^<]*)", re.ASCII)


@dataclass(frozen=True)
class Heredoc:
    """`<<NAME` or, with `chomp`, `<<-NAME`, whose leading tabs are taken off."""

    name: str
    chomp: bool

    def ended_by(self, line: str) -> bool:
        """Whether `line`, without its line end, closes this heredoc."""
        return (line.lstrip("\t") if self.chomp else line) == self.name


def heredoc(word: str) -> Heredoc | None:
    """The heredoc that `word` begins, if it does. Raises Fault where its name has an open quote."""
    form = _FORM.fullmatch(word)
    if not form or not form[2]:
        return None
    names = tokens(form[2], raw=False, raw_escapes=False)
    return Heredoc(names[0], bool(form[1])) if len(names) == 1 else None


def heredocs(line: str) -> list[Heredoc]:
    """All heredocs that begin on a line, in order; a line with an open quote begins none."""
    if "<<" not in line:
        return []
    try:
        found = tokens(line, raw=True, raw_escapes=True)
    except Fault:
        return []
    return [each for word in found if (each := heredoc(word))]
