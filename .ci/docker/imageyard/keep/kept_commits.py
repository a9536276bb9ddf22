"""What git says about images: the commits of kept branches within their window, and the tags that they give."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from imageyard import git
from imageyard.catalogue import lock
from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.keep.pins import CONTENT_TAG, references_in, spellings
from imageyard.keep.retention_facts import Claims
from imageyard.keep.retention_policy import kept_branches, window_of
from imageyard.names import parse_reference
from imageyard.plan.trust import is_protected
from imageyard.project.recipes import has_catalogue, recipes_at
from imageyard.repository_paths import from_top

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imageyard.catalogue.model import Image
    from imageyard.console import Story
    from imageyard.names import Reference
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes

__all__ = ["KeptCommits", "read_kept_commits"]


@dataclass(frozen=True)
class KeptCommits:
    """What the kept commits keep in any repository, and the tips of their branches by name."""

    claims: Claims
    tips: dict[str, str]

    def claims_at(self, project: Project, repository: Reference) -> Claims:
        """The claims with the references to one repository that files of the tips hold, `images.lock` among them.

        Raises EnvironmentLacks where git cannot search.
        """
        tags: set[str] = set()
        digests: set[str] = set()
        for tip in self.tips.values():
            for tag, digest in _references(project, tip, repository):
                tags |= {tag} - {""}
                digests |= {digest} - {""}
        known = self.claims
        return Claims(
            known.images,
            known.reachable,
            known.commits,
            frozenset(tags),
            frozenset(digests),
            parents=known.parents,
        )


def read_kept_commits(project: Project, reporter: Story, now: datetime) -> KeptCommits:
    """Find the commits, and work out the tags of each that changed an image's inputs; the first of the window counts.

    A revision that cannot be read is told and left out: what was built of it has its record beside it. Raises
    EnvironmentLacks where the clone lacks the branches or their history, or the tip of one cannot be read: images would
    seem to be nobody's.
    """
    tips = _tips(project)
    since = int((now - window_of(project.catalogue)).timestamp())
    commits = {commit for tip in tips.values() for commit, time in _log(project, tip, ()) if time >= since}
    commits |= set(tips.values())
    reachable: dict[str, str] = {}
    parents: dict[str, tuple[str, ...]] = {}
    images = set(project.catalogue.images)
    read: set[str] = set()
    paths = _paths(project, project.catalogue.images.values())
    while True:
        wanted = {commit for tip in tips.values() for commit in _changing(project, tip, paths, since)} - read
        if not wanted:
            break
        more: set[str] = set()
        for commit in sorted(wanted):
            read.add(commit)
            recipes = _recipes(project, reporter, commit)
            if recipes is None and commit in tips.values() and has_catalogue(project, commit):
                raise EnvironmentLacks(
                    f"the catalogue at {commit[:12]}, the tip of a kept branch, cannot be read",
                    doing="looking for kept commits",
                    hint="mend it there, or name other branches in the catalogue: retention: {branches: [main]}",
                )
            if recipes is None:
                continue
            images |= set(recipes.catalogue.images)
            more |= _paths(project, recipes.catalogue.images.values())
            _collect(recipes, reporter, commit, reachable, parents)
        paths |= more
    claims = Claims(frozenset(images), reachable, frozenset(commits), parents=parents)
    return KeptCommits(claims, tips)


def _tips(project: Project) -> dict[str, str]:
    """The tips of the kept branches: the remote's where it has some, else this clone's own."""
    if git.is_shallow(project.top):
        raise EnvironmentLacks(
            "the clone is shallow: which images its branches keep is not known",
            doing="looking for kept commits",
            hint="git fetch --unshallow    (in CI: check out with fetch-depth: 0)",
        )
    patterns = kept_branches(project.catalogue)
    found = {
        branch: git.resolve(project.top, f"refs/remotes/origin/{branch}")
        for branch in git.remote_branches(project.top)
        if is_protected(branch, patterns)
    }
    if not found and (branch := git.branch(project.top)) and is_protected(branch, patterns):
        found = {branch: git.head(project.top)}
    if not found:
        raise EnvironmentLacks(
            f"the clone has no branch of {', '.join(patterns)}",
            doing="looking for kept commits",
            hint=("git fetch origin", "or name the branches in the catalogue: retention: {branches: [main]}"),
        )
    return found


def _log(project: Project, tip: str, paths: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The commits of a branch's own line, newest first, with the time at which each came to be (Unix time)."""
    where = ["--", *paths] if paths else []
    done = git.ask(project.top, "log", "--first-parent", "--format=%H %ct", tip, *where)
    if done.code:
        raise git.refusal(project.top, done, "looking for kept commits")
    for line in done.text.splitlines():
        commit, _, time = line.partition(" ")
        yield commit, int(time)


def _changing(project: Project, tip: str, paths: set[str], since: int) -> Iterator[str]:
    """The commits that changed one of the paths within the window, and the newest before it, which it began with."""
    yield tip
    for commit, time in _log(project, tip, sorted(paths)):
        yield commit
        if time < since:
            return


def _paths(project: Project, images: Iterable[Image]) -> set[str]:
    """The folders and files that images are made of, from the top; `.` where that is everything."""
    found = {project.folder}
    for image in images:
        named = [image.dockerfile, *image.files.values(), *image.contexts.values()]  # others are in the context
        outside = (one for one in named if one.startswith("/"))
        found |= {from_top(project.folder, one) or "." for one in (image.context, *outside)}
        found |= set(image.arg_files.values())
    return found


def _recipes(project: Project, reporter: Story, commit: str) -> Recipes | None:
    try:
        return recipes_at(project, commit)
    except ConfigurationError as error:
        reporter.warn(f"the catalogue at {commit[:12]} cannot be read, and keeps nothing: {error.headline}")
        return None


def _collect(
    recipes: Recipes,
    reporter: Story,
    commit: str,
    reachable: dict[str, str],
    parents: dict[str, tuple[str, ...]],
) -> None:
    """Add the tags of all rows and images of a revision."""
    tags: dict[tuple[str, str], str] = {}
    for row in recipes.catalogue.rows:
        try:
            tags[row.name, row.arch] = recipes.tag(row)
            parents[tags[row.name, row.arch]] = tuple(recipes.tag(parent) for parent in recipes.parent_rows(row))
        except ConfigurationError as error:
            reporter.warn(f"{row.name} {row.arch} at {commit[:12]} cannot be read: {error.headline}")
    for name, image in recipes.catalogue.images.items():
        if all((name, arch) in tags for arch in image.arches):
            tags[name, ""] = recipes.index_tag(image)
    for tag in tags.values():
        reachable.setdefault(tag, commit)


def _references(project: Project, tip: str, repository: Reference) -> Iterator[tuple[str, str]]:
    """The tags and digests under which files of a revision refer to a repository, and those that stand alone there."""
    spelled = [re.escape(one) for one in spellings(repository.name)]
    patterns = [part for form in (*spelled, CONTENT_TAG, "sha256:[0-9a-f]{64}") for part in ("-e", form)]
    done = git.ask(project.top, "grep", "-I", "-h", "-E", *patterns, tip)
    if done.code not in (0, 1):
        raise git.refusal(project.top, done, "looking for references to images")
    for mention in references_in(done.text, (repository.name,)):
        yield mention.tag or "", mention.digest or ""
    file = f"{tip}:{project.in_repository('images.lock')}"
    locked = git.ask(project.top, "cat-file", "blob", file)
    if locked.code == 0:
        for reference, digest in lock.parse(locked.text, file).pinned.items():
            if parse_reference(reference).name == repository.name:
                yield parse_reference(reference).tag or "", digest
