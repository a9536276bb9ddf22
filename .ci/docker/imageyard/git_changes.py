"""Whether a work tree differs from its commit, also where git was told not to look."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from imageyard import git

__all__ = ["is_dirty"]

_SUBMODULE = b"160000 "


def is_dirty(top: Path, folder: str = "") -> bool:
    """Whether anything under `folder` differs from HEAD: staged, changed, deleted or untracked and not ignored."""
    where = ["--", folder] if folder else []
    done = git.ask(top, "status", "--porcelain", "-z", "--untracked-files=normal", "--ignore-submodules=none", *where)
    if done.code:
        raise git.refusal(top, done, "asking git for changes")
    return bool(done.out) or _hides_changes(top, where)


def _hides_changes(top: Path, where: Sequence[str]) -> bool:
    """Whether a file that git was told not to look at differs (git-update-index(1), "Using assume-unchanged bit").

    One that a sparse checkout leaves out differs too: what is built has no such file. Submodules are looked into.
    """
    for item in git.items(git.ask(top, "ls-files", "-v", "--stage", "-z", *where, env=git.at_top(top)).out):
        facts, _, path = item[2:].partition(b"\t")
        if facts.startswith(_SUBMODULE):
            submodule = top / os.fsdecode(path)
            hides = (submodule / ".git").exists() and _hides_changes(submodule, ())
        elif item[:1] in b"Ss" or item[:1].islower():
            hides = git.ask(top, "hash-object", "--", os.fsdecode(path)).out.split() != facts.split()[1:2]
        else:
            hides = False
        if hides:
            return True
    return False
