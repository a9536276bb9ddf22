"""Paths in a repository: counted from its top, links followed, never out of it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from imageyard.errors import ConfigurationError

__all__ = ["folder_of", "from_top", "is_in", "is_outside", "leads_out", "path_in_repository", "through_links"]

_LINKS = 40


def from_top(folder: str, *parts: str) -> str:
    """A path in `folder`, as it counts from the repository's top, `""` for the top itself.

    A part that begins with a slash counts from the top itself.
    """
    return posixpath.normpath(posixpath.join("/", folder, *parts)).lstrip("/")


def folder_of(text: str) -> str:
    """A folder of a tree as a prefix: no `.`, no slash at its end, `""` for the root."""
    clean = posixpath.normpath(text).strip("/") if text else ""
    if is_outside(clean):
        raise ConfigurationError(f"{text} is outside the tree", doing="looking for a folder")
    return "" if clean == "." else clean


def path_in_repository(folder: str, link: Callable[[str], str | None]) -> str:
    """The path of what a path leads to, links followed, `""` for the top; `link` gives the text of one, else None.

    Raises ConfigurationError for links that lead out of the repository, or round in a circle.
    """
    real = through_links(folder, link)
    if is_outside(real):
        raise leads_out(folder)
    return real


def through_links(folder: str, link: Callable[[str], str | None]) -> str:
    """A path with links followed; from the first `..` on that leads out of the tree, what is to be followed outside."""
    todo = [part for part in reversed(folder.split("/")) if part not in ("", ".")]
    done: list[str] = []
    followed = 0
    while todo:
        part = todo.pop()
        if part == "..":
            if not done:
                return "/".join(["..", *reversed(todo)])
            done.pop()
            continue
        text = link("/".join([*done, part]))
        if text is None:
            done.append(part)
            continue
        followed += 1
        if text.startswith("/"):
            raise _absolute(folder, text)
        if followed > _LINKS:
            raise leads_out(folder)
        todo += [each for each in reversed(text.split("/")) if each not in ("", ".")]
    return "/".join(done)


def is_in(path: str, folder: str) -> bool:
    """Whether a path is a folder, or in it; everything is in the folder `""`."""
    return not folder or f"{path}/".startswith(f"{folder}/")


def is_outside(path: str) -> bool:
    """Whether a path begins above the folder that it counts from."""
    return path == ".." or path.startswith("../")


def leads_out(folder: str) -> ConfigurationError:
    """The error of a path whose links leave the repository."""
    return ConfigurationError(
        f"{folder} leads out of the repository, or round in a circle",
        doing="looking for a folder",
        hint="name a folder of the repository, or let the link lead to one",
    )


def _absolute(folder: str, text: str) -> ConfigurationError:
    return ConfigurationError(
        f"{folder} is a link to {text}, which is a path of one machine",
        doing="looking for a folder",
        hint="let the link lead to a folder of the repository, from where it lies: ln -sfn ../FOLDER LINK",
    )
