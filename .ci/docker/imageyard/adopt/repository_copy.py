"""A copy of a repository, for a script that may do anything: files as they are, history, and nowhere to push to."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from imageyard import git, process

__all__ = ["copy_repository", "repository_files"]


def repository_files(top: Path) -> Mapping[str, str]:
    """What git knows of and what it does not ignore, by path from the top: a file's hash, or a link's text."""
    listed = git.ask(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    found = {}
    for name in sorted({os.fsdecode(raw) for raw in git.items(listed.out)}):
        path = top / name
        if _is_below_a_link(top, path):
            continue  # it is listed under the link's name, whose own text counts
        if path.is_symlink():
            found[name] = f"link {os.readlink(path)}"  # noqa: PTH115  (as text: Path would change it)
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def copy_repository(top: Path, copy: Path, names: Iterable[str]) -> None:
    """Copy files and links of a repository, with its history.

    Objects are shared and only read. The remote `origin` has the URL that the repository has, and takes no push.
    Raises what git's refusal is.
    """
    done = process.run(["git", "clone", "--quiet", "--shared", "--no-checkout", str(top), str(copy)])
    if done.code:
        raise git.refusal(top, done, "copying the repository")
    git.ask(copy, "remote", "set-url", "origin", git.origin(top) or "no-remote:")
    git.ask(copy, "remote", "set-url", "--push", "origin", "no-push:")
    for name in names:
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(top / name, target, follow_symlinks=False)
    git.ask(copy, "reset", "--quiet")


def _is_below_a_link(top: Path, path: Path) -> bool:
    return any(folder.is_symlink() for folder in path.parents if folder != top and top in folder.parents)
