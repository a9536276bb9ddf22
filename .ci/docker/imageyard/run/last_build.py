"""What a row was made of last time here, so that a build can say why it is needed; and the commit it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imageyard import git, git_changes
from imageyard.errors import ImageyardError
from imageyard.files import atomic_write, make_folder
from imageyard.recipe import model, words

if TYPE_CHECKING:
    from pathlib import Path

    from imageyard.catalogue.model import Row
    from imageyard.project.project import Project
    from imageyard.recipe.model import Recipe

__all__ = ["commit", "keep", "last", "reason"]


def reason(project: Project, row: Row, recipe: Recipe, *, forced: bool, place: str = "in the engine") -> str:
    """Why the row is built, in words: forced, what changed since it was last built here, or that it is not there."""
    if forced:
        return "forced"
    before = last(project, row)
    changes = words.changes(before, recipe) if before else []
    if not changes:
        return f"not {place}"
    return changes[0] if len(changes) == 1 else f"{changes[0]}, and {len(changes) - 1} more"


def last(project: Project, row: Row) -> Recipe | None:
    """What the row was made of when it was last built here; None where it never was."""
    try:
        return model.from_canonical(_file(project, row).read_bytes())
    except (OSError, ValueError):
        return None


def keep(project: Project, row: Row, recipe: Recipe) -> None:
    """Remember what the row's image was made of."""
    path = _file(project, row)
    make_folder(path.parent)
    atomic_write(path, recipe.canonical())


def commit(project: Project) -> dict[str, object]:
    """The commit and whether the context differs from it, for the record; nothing before the first commit."""
    try:
        return {"commit": git.head(project.top), "dirty": git_changes.is_dirty(project.top, project.folder)}
    except ImageyardError:
        return {"commit": None, "dirty": True}


def _file(project: Project, row: Row) -> Path:
    return project.state / "last" / row.arch / f"{row.name}.json"
