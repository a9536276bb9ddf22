"""The files of a repository as images take them: contexts, Dockerfiles, files from elsewhere, without what is ours."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from functools import lru_cache

from imageyard.catalogue.model import Catalogue, Image
from imageyard.errors import ConfigurationError
from imageyard.recipe import ignore
from imageyard.recipe.context import Context, open_context
from imageyard.repository_paths import from_top, is_in
from imageyard.treebase import Placed, Tree, with_files, without

__all__ = ["RepositoryFiles"]

_UNSEEN = "git status --ignored    (git must see it: neither ignored nor absent)"


class RepositoryFiles:
    """The files of a catalogue's repository, each folder listed once.

    `tree_for` gives the files of a folder and `place_for` one file or folder, both by path from the repository's top.
    """

    def __init__(
        self, catalogue: Catalogue, tree_for: Callable[[str], Tree], place_for: Callable[[str], Placed] | None = None
    ) -> None:
        self._catalogue = catalogue
        self._tree = lru_cache(maxsize=None)(lambda folder: without(tree_for(folder), outside(catalogue, folder)))
        self._place_for = place_for or self._in_folder
        self._place = lru_cache(maxsize=None)(self._seen_place)
        self._with_files: dict[tuple[object, ...], Tree] = {}

    def trees(self, image: Image, folders: Mapping[str, str]) -> Mapping[str, Tree]:
        """The files of an image's context, under the name `""`, and those of named contexts, which are `folders`."""
        return {"": self._context(image), **{name: self._named(image, where) for name, where in folders.items()}}

    def require_arg_files(self, image: Image) -> None:
        """Raise ConfigurationError for a file that an arg is read from and that git does not see."""
        for arg, path in image.arg_files.items():
            if not self._place(path).paths():
                raise ConfigurationError(
                    f"{path}, which the arg {arg} is read from, is no file that git sees",
                    at=image.where_of(arg) or image.where,
                    hint=_UNSEEN,
                )

    def open_context(self, image: Image) -> Context:
        """An image's Dockerfile in its context. Raises ConfigurationError where something of it is not there."""
        folder, tree = self._folder(image), self._context(image)
        file = from_top(folder, image.dockerfile)
        inside = posixpath.relpath(file, folder or ".")
        places = [
            self._place(f"{file}{end}") if inside.startswith("../") else Placed(tree, f"{inside}{end}")
            for end in ("", ignore.NAME)
        ]
        if places[0].tree is not tree and not places[0].paths():
            raise ConfigurationError(f"there is no Dockerfile {file}", at=image.where, hint=_UNSEEN)
        return open_context(tree, places[0], places[1], file, image.where, lambda where: self._named(image, where))

    def outside(self, image: Image) -> str | None:
        """What of an image is not in its context, in words; None where all of it is."""
        folder = self._folder(image)
        paths = {
            "dockerfile": from_top(folder, image.dockerfile),
            **{f"contexts, {name}": from_top(folder, at) for name, at in image.contexts.items() if "://" not in at},
            **{f"files, {name}": from_top(folder, at) for name, at in image.files.items()},
            **{f"args, {arg}": path for arg, path in image.arg_files.items()},
        }
        return next((what for what, path in paths.items() if not is_in(path, folder)), None)

    def _folder(self, image: Image) -> str:
        return from_top(self._catalogue.folder, image.context)

    def _context(self, image: Image) -> Tree:
        tree = self._tree(self._folder(image))
        if not image.files:
            return tree
        key = (image.context, *image.files.items())
        if key not in self._with_files:
            self._with_files[key] = with_files(tree, self._from_elsewhere(image, tree))
        return self._with_files[key]

    def _named(self, image: Image, where: str) -> Tree:
        """The files of a named context, by what the catalogue says of it: below the context, or from the top."""
        return self._tree(where.strip("/")) if where.startswith("/") else self._context(image).sub(where)

    def _from_elsewhere(self, image: Image, tree: Tree) -> Mapping[str, Placed]:
        """What an image takes from elsewhere, by its path in the context. Raises ConfigurationError."""
        found: dict[str, Placed] = {}
        for name, where in image.files.items():
            placed = self._place(where.strip("/"))
            if not placed.paths():
                raise ConfigurationError(f"files: there is nothing at {where} for {name}", at=image.where, hint=_UNSEEN)
            found[name] = placed
        for name in found:
            taken = (path for path in (*tree.entries(), *(other for other in found if other != name)))
            if clash := next((path for path in taken if is_in(path, name) or is_in(name, path)), None):
                raise ConfigurationError(
                    f"files: {name} and {clash} of the context {image.context} are in each other's way",
                    at=image.where,
                    hint="give it another path, or leave it out",
                )
        return found

    def _seen_place(self, path: str) -> Placed:
        found = self._place_for(path)
        ours = outside(self._catalogue, posixpath.dirname(found.whole or path))
        return found._replace(tree=without(found.tree, ours))

    def _in_folder(self, path: str) -> Placed:
        folder, _, name = path.rpartition("/")
        return Placed(self._tree(folder), name, path)


def outside(catalogue: Catalogue, folder: str) -> tuple[str, ...]:
    """What of a folder of the repository no build sees, relative to it: catalogue, lock, this package, `.git`."""
    own = (posixpath.basename(catalogue.file), "images.lock", "imageyard")
    paths = [".git", *(from_top(catalogue.folder, each) for each in own)]
    relative = (posixpath.relpath(path, folder or ".") for path in paths)
    return tuple(path for path in relative if not path.startswith("../"))
