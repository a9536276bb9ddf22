"""What a pull request changes is judged against the commit that it would be merged into."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imageyard import git

if TYPE_CHECKING:
    from imageyard.ci.providers.base import Provider
    from imageyard.console import Story
    from imageyard.project.project import Project

__all__ = ["base"]


def base(project: Project, reporter: Story, provider: Provider) -> str | None:
    """The revision to compare with; None where the event is no pull request, and where it cannot be told.

    GitHub checks out the merge of the two branches, whose first parent is the base as it is now (docs.github.com,
    "Events that trigger workflows", pull_request). Where another commit is checked out, or its parents were not
    fetched, every row that is absent counts as touched: too much is built rather than too little, and that is said.
    """
    if not provider.is_pull_request():
        return None
    if _exists(project.top, "HEAD^2") and _exists(project.top, "HEAD^1"):
        return "HEAD^1"
    reporter.warn(
        "what this pull request changes is not known here, so all that is absent is built "
        "(fetch the merge commit with its parents: fetch-depth: 2)"
    )
    return None


def _exists(top: Path, rev: str) -> bool:
    return git.ask(top, "rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}").code == 0
