"""A sealed context of files that a test has in its hands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imageyard.building.sealed_context import SealedContext, seal
from imageyard.recipe.model import File, Mode
from imageyard.treebase import DictTree, Link, Tree

__all__ = ["files_of", "sealed"]


def sealed(
    dockerfile: str | bytes, files: Mapping[str, str | bytes | tuple[bytes, bool] | Link], into: Path
) -> SealedContext:
    """The context of a build: these files, and the Dockerfile beside them."""
    tree = DictTree({path: what.encode() if isinstance(what, str) else what for path, what in files.items()})
    text = dockerfile.encode() if isinstance(dockerfile, str) else dockerfile
    return seal(files_of(tree), {"": tree}, text, into, name="Dockerfile")


def files_of(tree: Tree) -> tuple[File, ...]:
    """All files of a tree, as a recipe names them."""
    return tuple(File(path, _mode(tree, path), tree.digest(path)) for path in tree.entries())


def _mode(tree: Tree, path: str) -> Mode:
    entry = tree.entries()[path]
    return "link" if entry.kind == "link" else "exec" if entry.executable else "file"
