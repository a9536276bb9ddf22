"""The recipes of a project's rows: worked out once, and handed on to whoever asks for a tag."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from imageyard import git, git_changes
from imageyard.catalogue import expand, lock, text
from imageyard.catalogue.arg_files import ArgFiles
from imageyard.catalogue.lane_images import in_lane
from imageyard.catalogue.lock import Lock
from imageyard.errors import ConfigurationError
from imageyard.plan.decision import Decision
from imageyard.project.checkout import Checkout
from imageyard.project.project import Project
from imageyard.recipe.recipe import Recipes
from imageyard.recipe.stand_ins import Locked, StandIns
from imageyard.repository_paths import from_top
from imageyard.stack.stand_ins import read_stand_ins
from imageyard.tree import GitTree, WorkTree
from imageyard.treebase import Placed

__all__ = ["UNLOCKED", "has_catalogue", "pins_of", "read_lock", "recipes_at", "recipes_of"]

UNLOCKED = Lock({})
"""The lock of a weekly build, which pins no base: it is made from whatever its bases are now."""


def read_lock(checkout: Checkout) -> Lock:
    """Read the digests that `images.lock` beside the catalogue pins."""
    return lock.read(checkout.file.parent / "images.lock", checkout.in_repository("images.lock"))


def pins_of(decision: Decision) -> Lock | None:
    """The pins that replace those of `images.lock` in a run: UNLOCKED in a weekly build, else none."""
    return None if decision.uses_locked_bases else UNLOCKED


def recipes_of(
    project: Project,
    set_args: Mapping[str, str] | None = None,
    *,
    pins: Locked | None = None,
    stand_ins: StandIns | None = None,
) -> Recipes:
    """Make the recipes of the working tree; the locks and the stand-ins of this machine are read once, here.

    `set_args` replace build args of the catalogue; `pins` replace `images.lock` (UNLOCKED for a weekly build, which
    takes its bases to leave what the locked ones do); `stand_ins` replace those of the local stack.
    Raises ConfigurationError for a lock that cannot be read.
    """
    catalogue = project.catalogue
    if set_args:
        catalogue = in_lane(expand.load(project.file, project.top, set_args), catalogue.lane)
    stand_ins = read_stand_ins() if stand_ins is None else stand_ins
    return Recipes(
        catalogue,
        lambda folder: WorkTree(project.top, folder),
        read_lock(project) if pins is None else pins,
        stand_ins,
        set_args,
        lambda context: _committed_tree(project, context),
        assumed=read_lock(project) if pins is UNLOCKED else None,
        place_for=lambda path: WorkTree.at(project.top, path),
    )


def recipes_at(project: Project, rev: str, *, pins: Locked | None = None) -> Recipes:
    """Make the recipes of a revision: its catalogue, its files, its lock. Raises ConfigurationError for no revision.

    `pins` replace its lock, as in `recipes_of`.
    """
    commit = git.resolve(project.top, rev)
    folder = from_top(project.folder)
    tree_of = lru_cache(maxsize=None)(lambda path: GitTree(project.top, commit, path))
    tree = tree_of(folder)
    shown = project.in_repository(project.file.name)
    if project.file.name not in tree.entries():
        raise ConfigurationError(f"{rev} has no catalogue {shown}")
    root = text.parse(tree.read(project.file.name), f"{rev}:{shown}")
    place_for = lru_cache(maxsize=None)(lambda path: GitTree.at(project.top, commit, path))
    files = ArgFiles(project.folder, lambda path: _read(place_for(path)))
    catalogue = expand.expand(root, project.file.name, project.folder, files=files).catalogue
    text_of_lock = tree.read("images.lock").decode() if "images.lock" in tree.entries() else ""
    locked = lock.parse(text_of_lock, f"{rev}:{project.in_repository('images.lock')}")
    return Recipes(
        catalogue,
        tree_of,
        locked if pins is None else pins,
        read_stand_ins(),
        tree_id=lambda context: git.tree_id(project.top, commit, tree.folder),
        assumed=locked,  # what it did not know of bases then is no reason to say nothing of it now
        place_for=place_for,
    )


def has_catalogue(project: Project, commit: str) -> bool:
    """Say whether a commit has the catalogue's file, readable or not."""
    return project.file.name in GitTree(project.top, commit, from_top(project.folder)).entries()


def _read(placed: Placed) -> bytes:
    """The bytes of a file. Raises ConfigurationError where there is none."""
    if placed.path not in placed.tree.entries():
        raise ConfigurationError(f"there is no file {placed.whole} in {placed.tree.label}")
    return placed.tree.read(placed.path)


def _committed_tree(project: Project, context: str) -> str | None:
    """The id of a context's git tree, None where it has changes.

    Raises ConfigurationError for a context that is not the catalogue's folder: args, lock and parents are outside
    that tree, so that other ones would give the same tag.
    """
    if project.in_repository(context) != project.folder:
        raise ConfigurationError(
            f"`tag: tree` cannot tell what is made of {project.in_repository(context)}: the catalogue is not in it",
            at=project.in_repository(project.file.name),
            hint=("use tag: content", "or leave out `context`, and name files relative to the catalogue's folder"),
        )
    folder = WorkTree(project.top, from_top(project.folder, context)).folder
    return None if git_changes.is_dirty(project.top, folder) else git.tree_id(project.top, "HEAD", folder)
