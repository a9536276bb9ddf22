"""A copy of a repository, for a script that may do anything: files as they are, history, and nowhere to push to."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from imageyard import git, process

__all__ = ["copy_repository"]


def copy_repository(top: Path, copy: Path) -> Mapping[str, str]:
    """Copy what git knows of and what it does not ignore; returns a hash, or a link's text, by path from the top.

    Objects are shared and only read. The remote `origin` has the URL that the repository has, and takes no push.
    Raises what git's refusal is.
    """
    done = process.run(["git", "clone", "--quiet", "--shared", "--no-checkout", str(top), str(copy)])
    if done.code:
        raise git.refusal(top, done, "copying the repository")
    git.ask(copy, "remote", "set-url", "origin", git.origin(top) or "no-remote:")
    git.ask(copy, "remote", "set-url", "--push", "origin", "no-push:")
    listed = git.ask(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    hashes = {}
    for name in sorted({os.fsdecode(raw) for raw in git.items(listed.out)}):
        source, target = top / name, copy / name
        if _is_below_a_link(top, source):
            continue  # it is listed under the link's name, whose own text is copied
        if source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source.readlink())
            hashes[name] = f"link {os.readlink(source)}"  # noqa: PTH115  (as text: Path would change it)
        elif source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
            hashes[name] = hashlib.sha256(source.read_bytes()).hexdigest()
    git.ask(copy, "reset", "--quiet")
    return hashes


def _is_below_a_link(top: Path, path: Path) -> bool:
    return any(folder.is_symlink() for folder in path.parents if folder != top and top in folder.parents)
