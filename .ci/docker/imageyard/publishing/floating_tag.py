"""The floating tag of an image follows a protected branch, and no run that is slower than another turns it back."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard import git
from imageyard.errors import ConfigurationError, Transient
from imageyard.plan.trust import is_protected
from imageyard.project.recipes import recipes_at

if TYPE_CHECKING:
    from imageyard.ci.providers.base import Provider
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes

__all__ = ["Branch", "tip"]

_PATIENCE = 120.0
"""Seconds that a remote has."""


class Branch:
    """The branch that a run is of; what it is at is asked anew for each image, right before a tag would move.

    The floating tag names what the branch's newest commit stands for. A run of an older commit, late or repeated,
    computes another tag unless the image is the same, and leaves it alone. What remains is a commit that arrives
    between the question and the answer; its own run finds the floating tag at another image, and that is work.
    """

    def __init__(self, project: Project, provider: Provider, name: str | None = None) -> None:
        """`name`: the branch that CI says it is, else the one that is checked out; `provider` logs in at its remote."""
        self.project = project
        self.provider = provider
        self._given = name
        self._at: dict[str, Recipes] = {}

    @cached_property
    def name(self) -> str | None:
        """The branch, None where HEAD is detached and nobody named one."""
        return self._given or git.branch(self.project.top)

    def why_not(self, image: str, tag: str) -> str:
        """Why the floating tag of an image must not name what this checkout tags `tag`; empty where it may.

        Raises Transient where the remote does not say, ConfigurationError where its catalogue cannot be read.
        """
        name = self.name
        if name is None:
            return "no branch is checked out (--branch names it)"
        if not is_protected(name, self.project.catalogue.protected):
            return f"{name} is not protected"
        newest = tip(self.project.top, name, self.provider)
        if newest is None:
            return f"{name} is gone"
        recipes = self._recipes(newest)
        if image not in recipes.catalogue.images:
            return f"{name} has no such image any more"
        try:
            now = recipes.index_tag(recipes.catalogue.images[image])
        except ConfigurationError as error:
            return f"at {name} it cannot be tagged: {error.headline}"
        return "" if now == tag else f"at {name} it is {now} by now"

    def _recipes(self, commit: str) -> Recipes:
        if commit not in self._at:
            self._at[commit] = recipes_at(self.project, commit)
        return self._at[commit]


def tip(top: Path, branch: str, provider: Provider) -> str | None:
    """The commit that `branch` is at now, in the clone after this call; None where there is no such branch.

    The remote that it follows is asked (git-config(1), `branch.NAME.remote`), else `origin`: in a clone of a fork that
    is another one. A repository without remotes is its own. A full clone stays one: only a shallow one is fetched into
    with a depth. Raises Transient where the remote does not answer.
    """
    followed = git.ask(top, "config", "--get", f"branch.{branch}.remote").text
    remote = followed if followed not in ("", ".") else "origin"
    url = git.ask(top, "config", "--get", f"remote.{remote}.url").text
    ref = f"refs/heads/{branch}"
    if followed == "." or not url:
        return git.ask(top, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").text or None
    listed = _asked(top, provider, remote, url, "ls-remote", "--heads", remote, ref).splitlines()
    found = next((line.split()[0] for line in listed if line.split()[1:] == [ref]), None)
    if found and git.ask(top, "cat-file", "-e", f"{found}^{{tree}}").code:
        depth = ["--depth=1"] if git.is_shallow(top) else []
        _asked(
            top, provider, remote, url, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *depth, remote, found
        )
    return found


def _asked(top: Path, provider: Provider, remote: str, url: str, *args: str) -> str:
    """What a command that talks to a remote prints."""
    doing, hint = "asking which commit is the branch's newest", f"git ls-remote {remote}"
    words = f"the remote {remote} did not answer"
    try:
        done = git.ask(top, *args, env=provider.git_credentials(url), timeout=_PATIENCE)
    except TimeoutError:
        raise Transient(f"{words} within {_PATIENCE:.0f} s", doing=doing, hint=hint) from None
    if done.code:
        raise Transient(words, doing=doing, detail=done.complaint.splitlines()[:5], hint=hint)
    return done.text
