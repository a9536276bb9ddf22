"""A Dockerfile in its build context, and what of a context no build sees."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

from imageyard.catalogue.model import Catalogue, Image
from imageyard.errors import ConfigurationError
from imageyard.recipe.dockerfile.evaluate import Reading
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.stages import Dockerfile
from imageyard.recipe.files import Shelf
from imageyard.recipe.model import File
from imageyard.treebase import Tree

__all__ = ["Context", "outside", "own_dockerfile"]


def outside(catalogue: Catalogue, context: str) -> tuple[str, ...]:
    """What of a context no build sees, relative to it: the catalogue, its lock, this package, `.git`."""
    top = posixpath.normpath(posixpath.join(catalogue.folder or ".", context))
    own = (posixpath.basename(catalogue.file), "images.lock", "imageyard")
    paths = [".git", *(posixpath.join(catalogue.folder, each) for each in own)]
    relative = (posixpath.relpath(path, top) for path in map(posixpath.normpath, paths))
    return tuple(path for path in relative if not path.startswith("../"))


@dataclass
class Context:
    """A Dockerfile in its context, read once for all rows that share it."""

    tree: Tree
    dockerfile: Dockerfile
    own_files: frozenset[str]  # the Dockerfile, and the links that lead to it
    shelf: Shelf
    live: frozenset[str] | None  # arguments that can change a reading; None: any
    named: dict[str, Shelf] = field(default_factory=dict)  # by folder
    readings: dict[tuple[object, ...], tuple[Reading, tuple[File, ...]]] = field(default_factory=dict)
    files: dict[tuple[str, str, str], File] = field(default_factory=dict)  # by folder, name and path


def own_dockerfile(tree: Tree, image: Image) -> tuple[frozenset[str], bytes]:
    """Return the paths of an image's Dockerfile, links that lead to it among them, and its bytes."""
    try:
        own, path = Shelf(tree).find(image.dockerfile)
    except Fault as fault:
        raise ConfigurationError(fault.headline, at=image.where, hint=fault.hint) from None
    return own, tree.read(path)
