"""The revision that an image is compared with unless another is named: what a change is against, or its parent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageyard import git, git_changes

if TYPE_CHECKING:
    from imageyard.project.project import Project

__all__ = ["revision_before"]

_SHOWN = 12  # hex digits that name a commit


def revision_before(project: Project, to: str | None = None, base: str | None = None) -> str:
    """Return the revision before `to`, None being the work tree.

    `base` is what a pull request is against, where that is known. Else it is where the branch left a protected one;
    on a protected branch it is the parent commit, or HEAD where the work tree differs from it.
    """
    if to is not None:
        return f"{to}^1"
    if base is not None:
        return base
    head = git.head(project.top)
    for branch in project.catalogue.protected:
        for ref in (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}"):
            answer = git.ask(project.top, "merge-base", "HEAD", ref)
            fork = answer.out.decode().strip() if answer.code == 0 else head
            if fork != head:
                return fork[:_SHOWN]
    return "HEAD" if git_changes.is_dirty(project.top, project.folder) else "HEAD^1"
