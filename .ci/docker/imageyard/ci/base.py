"""What a pull request changes is judged against the commit that it would be merged into."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imageyard import git

if TYPE_CHECKING:
    from imageyard.ci.providers.base import Provider
    from imageyard.console import Story
    from imageyard.project.project import Project

__all__ = ["base", "known_base"]


def base(project: Project, reporter: Story, provider: Provider) -> str | None:
    """The revision that a plan compares with, as `known_base` says it.

    Where it cannot be told every row that is absent counts as touched: too much is built rather than too little, and
    that is said.
    """
    found = known_base(project, provider)
    if found is None and (provider.is_pull_request() or provider.queue_base()):
        reporter.warn(
            "what this pull request changes is not known here, so all that is absent is built "
            "(fetch the merge commit with its parents: fetch-depth: 2)"
        )
    return found


def known_base(project: Project, provider: Provider) -> str | None:
    """The revision to compare with; None for other events than a pull request or its turn in a merge queue.

    GitHub checks out the merge of the two branches, whose first parent is the base as it is now (docs.github.com,
    "Events that trigger workflows", pull_request). A merge queue names the commit, since it may squash or rebase. None
    too where it cannot be told: another commit may be checked out, or its parents not be fetched.
    """
    if queued_on := provider.queue_base():
        return queued_on if _exists(project.top, queued_on) else None
    if provider.is_pull_request() and _exists(project.top, "HEAD^2") and _exists(project.top, "HEAD^1"):
        return "HEAD^1"
    return None


def _exists(top: Path, rev: str) -> bool:
    return git.ask(top, "rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}").code == 0
