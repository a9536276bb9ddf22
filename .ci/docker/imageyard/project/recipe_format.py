"""Which format of recipes a revision works with, where the repository has the package in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imageyard import git

if TYPE_CHECKING:
    from imageyard.project.project import Project

__all__ = ["format_at"]

_MODULE = "imageyard/recipe/model.py"
_VERSION = re.compile(rb"^VERSION = (\d+)$", re.MULTILINE)


def format_at(project: Project, rev: str) -> int | None:
    """The `Recipe.v` of the package beside the catalogue at a revision; None where it is installed from elsewhere.

    Raises ConfigurationError for no revision.
    """
    commit = git.resolve(project.top, rev)
    done = git.ask(project.top, "cat-file", "blob", f"{commit}:{project.in_repository(_MODULE)}")
    found = None if done.code else _VERSION.search(done.out)
    return int(found[1]) if found else None
