"""A Dockerfile in its build context: what of the context a build sees, and which of its files one reads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from imageyard.catalogue.model import Where
from imageyard.errors import ConfigurationError
from imageyard.recipe import ignore
from imageyard.recipe.dockerfile.declared import declared_args
from imageyard.recipe.dockerfile.evaluate import FileUse, Reading
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.live import live_names
from imageyard.recipe.dockerfile.scope import asks_for_builder
from imageyard.recipe.dockerfile.stages import Dockerfile, read
from imageyard.recipe.dockerfile.undecided import require_decided
from imageyard.recipe.files import Shelf
from imageyard.recipe.model import File, Mode
from imageyard.recipe.sources import IMAGE_SCHEME, named_contexts
from imageyard.treebase import Placed, Tree

__all__ = ["Context", "open_context"]


@dataclass(frozen=True)
class Context:
    """A Dockerfile in its context, read once for all rows that share it."""

    tree: Tree
    dockerfile: Dockerfile
    text: bytes  # of the Dockerfile
    own_files: frozenset[str]  # the Dockerfile, and the links that lead to it
    shelf: Shelf
    declared: frozenset[str]  # arguments that it declares, in whatever stage
    live: frozenset[str] | None  # arguments that can change a reading; None: any
    asks_for_builder: bool  # whether it says the platform of the machine that builds
    folder: Callable[[str], Tree]  # the files of a named context, by what the catalogue says of it
    _named: dict[str, Shelf] = field(default_factory=dict, repr=False)  # by folder
    _files: dict[tuple[str, str], dict[str, File]] = field(default_factory=dict, repr=False)  # by name and folder

    def files(self, reading: Reading, contexts: Mapping[str, str]) -> tuple[File, ...]:
        """The files and links that a build reads, of its named `contexts` too; sorted.

        Raises ConfigurationError at the line of the Dockerfile that names what is not there.
        """
        taken: dict[str, set[str]] = {}
        folders = named_contexts(contexts)
        uses = [use for use in reading.files if not folders.get(use.context, "").startswith(IMAGE_SCHEME)]
        shelves = [self._shelf(use, folders) for use in uses]
        line = 0
        try:
            for use, shelf in zip(uses, shelves, strict=True):
                line = use.line
                require_decided(use.path)
                found = shelf.take(use)
                self._require_readable(shelf, found, line)
                taken.setdefault(use.context, set()).update(found)
            for use, shelf in zip(uses, shelves, strict=True):
                line = use.line
                shelf.check(use, taken[use.context])
        except Fault as fault:
            raise fault.at(self.dockerfile.file, line) from None
        return tuple(
            file for name in sorted(taken) for file in self._files_of(name, folders.get(name, ""), taken[name])
        )

    def _require_readable(self, shelf: Shelf, paths: Collection[str], line: int) -> None:
        """Raise the problem of a path that is taken, at the line that takes it."""
        for path, problem in shelf.problems.items():
            if path in paths:
                problem.at = f"{self.dockerfile.file}:{line}"
                raise problem

    def _shelf(self, use: FileUse, folders: Mapping[str, str]) -> Shelf:
        if not use.context:
            return self.shelf
        folder = folders[use.context]
        if folder not in self._named:
            tree = self.folder(folder)
            self._named[folder] = Shelf(tree, ignore.load(tree).filter(tree.entries()))
        return self._named[folder]

    def _files_of(self, name: str, folder: str, paths: Collection[str]) -> Iterator[File]:
        known, tree = self._files.setdefault((name, folder), {}), self._named[folder].tree if name else self.tree
        entries = tree.entries()
        in_order = [path for path in entries if path in paths]
        new = [path for path in in_order if path not in known]
        digests = tree.digests(new)
        for path in new:
            _, kind, executable, _ = entries[path]
            mode: Mode = "link" if kind == "link" else "exec" if executable else "file"
            known[path] = File(f"{name}//{path}" if name else path, mode, digests[path])
        return map(known.__getitem__, in_order)


def open_context(
    tree: Tree, dockerfile: Placed, ignore_file: Placed, file: str, where: Where, folder: Callable[[str], Tree]
) -> Context:
    """Read a Dockerfile, which may stand outside its context `tree`; `file` is its path from the repository's top.

    `ignore_file` is where one of its own would be. `where` is the line of the catalogue that names it. `folder` gives
    the files of a named context, by what the catalogue says of it.
    Raises ConfigurationError for one that is not there or cannot be read, and for a bad ignore file.
    """
    whole = Shelf(tree)
    beside = whole if dockerfile.tree is tree else Shelf(dockerfile.tree)
    try:
        own, path = beside.find(dockerfile.path)
    except Fault as fault:
        raise ConfigurationError(fault.headline, at=where, hint=fault.hint) from None
    text = dockerfile.tree.read(path)
    left = ignore.load(tree, ignore_file).filter(tree.entries())
    shelf = whole if len(left) == len(whole.entries) else Shelf(tree, left)
    parsed = read(text, file)
    asks = asks_for_builder(text.decode(errors="replace"))
    own = own if beside is whole else frozenset({f"/{file}", f"/{dockerfile.whole or file}"})
    return Context(tree, parsed, text, own, shelf, declared_args(parsed), live_names(parsed), asks, folder)
