"""Where a command stands: its catalogue, the repository around it, its locks, its engine, the story it tells."""

from __future__ import annotations

import copy
import os
import platform
import posixpath
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard import git
from imageyard.console import Story
from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.files import atomic_write, keep_out_of_git
from imageyard.names import ARCHES, Arch, Reference, as_arch, parse_reference

if TYPE_CHECKING:
    from imageyard.catalogue.listing import Listed
    from imageyard.catalogue.lock import Lock
    from imageyard.catalogue.model import Catalogue, Check, Row
    from imageyard.engine import Engine
    from imageyard.recipe.recipe import Recipes
    from imageyard.registry.client import Client
    from imageyard.runs import Run
    from imageyard.treebase import Tree

__all__ = ["Workspace", "this_arch"]

_DEFAULT = Path(".ci", "docker", "images.yml")


def this_arch() -> Arch:
    """The architecture of this machine. Raises ConfigurationError where no image is ever built for it."""
    return as_arch(platform.machine())


class Workspace:
    """Everything that a flow needs of its surroundings, read when it is first asked for."""

    def __init__(self, file: Path, top: Path, story: Story | None = None) -> None:
        self.file = file
        self.top = top
        self.story = story or Story.detect()
        self.swept = False
        self._trees: dict[str, Tree] = {}
        self._recipes: tuple[object, Recipes] | None = None

    @classmethod
    def find(cls, catalogue: str | None = None, start: Path | None = None) -> Workspace:
        """The catalogue that is named, or IMAGEYARD_CATALOGUE, or the nearest `.ci/docker/images.yml` upwards.

        Raises EnvironmentLacks where there is none. The repository's top is looked for without asking git: `nox -l`
        comes through here.
        """
        start = (start or Path.cwd()).resolve()
        named = catalogue or os.environ.get("IMAGEYARD_CATALOGUE")
        if named:
            file = (start / named).resolve()
            if not file.is_file():
                raise ConfigurationError(f"there is no catalogue {named}", hint="name an images.yml, or leave it out")
        else:
            file = next((f / _DEFAULT for f in (start, *start.parents) if (f / _DEFAULT).is_file()), None)  # type: ignore[assignment]
            if file is None:
                raise EnvironmentLacks(
                    f"there is no {_DEFAULT} here or above",
                    hint=["cd into the repository", "or write a first one: python -m imageyard init"],
                )
        top = next((f for f in file.parents if (f / ".git").exists()), None)
        return cls(file, top or file.parent)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The catalogue, read and expanded."""
        from imageyard.catalogue import expand

        return expand.load(self.file, self.top)

    def _catalogue_with(self, set_args: Mapping[str, str] | None) -> Catalogue:
        from imageyard.catalogue import expand

        return expand.load(self.file, self.top, set_args) if set_args else self.catalogue

    def listed(self) -> tuple[Listed, ...]:
        """The catalogue's rows as Nox lists them, from the listing that is kept of a catalogue with the same bytes.

        Raises ConfigurationError as reading the catalogue does; one that has an error is never kept.
        """
        from imageyard.catalogue import listing

        kept = self.state / "listing.json"
        try:
            key = listing.key(self.file.read_bytes(), str(self.file))
        except OSError as error:
            raise EnvironmentLacks(f"{self.file} cannot be read: {error.strerror}") from None
        try:
            found = listing.loads(kept.read_bytes(), key)
        except OSError:
            found = None
        if found is None:
            found = listing.listed(self.catalogue)
            with suppress(EnvironmentLacks):  # a checkout that cannot be written to is listed all the same
                keep_out_of_git(self.state)
                atomic_write(kept, listing.dumps(key, found))
        return found

    @cached_property
    def folder(self) -> str:
        """The catalogue's folder relative to the repository's top, POSIX."""
        return self.file.parent.relative_to(self.top).as_posix()

    def row(self, image: str, arch: str) -> Row:
        """One row by name. Raises ConfigurationError where the catalogue has none."""
        for row in self.catalogue.rows:
            if row.name == image and row.arch == arch:
                return row
        raise ConfigurationError(f"{self.file.name} has no image {image} for {arch}", hint="inv list")

    def rows(self, pattern: str, arch: str | None = None) -> tuple[Row, ...]:
        """The rows that a pattern selects, parents first; `arch` None means all."""
        from imageyard.catalogue import select

        names = set(select.select(pattern, tuple(self.catalogue.images), self.catalogue.axes))
        wanted = as_arch(arch) if arch else None
        found = tuple(r for r in self.catalogue.rows if r.name in names and wanted in (None, r.arch))
        if not found:
            raise ConfigurationError(f"{pattern} has no image for {arch}", hint=f"inv list --pattern '{pattern}'")
        return found

    def parents(self, row: Row, set_args: Mapping[str, str] | None = None) -> tuple[Row, ...]:
        """The rows that this one's Dockerfile starts from."""
        return self.recipes(set_args).parent_rows(row)

    def checks(self, row: Row, set_args: Mapping[str, str] | None = None) -> tuple[Check, ...]:
        """The checks of a row with those of its parents; its own win by name."""
        found: dict[str, Check] = {}
        for parent in self.parents(row, set_args):
            found.update((check.name, check) for check in self.checks(parent, set_args))
        own = self.recipes(set_args).own(row)
        return tuple((found | {check.name: check for check in own.image.checks}).values())

    def check_args(self, row: Row, set_args: Mapping[str, str] | None = None) -> dict[str, str]:
        """The args that checks look at: a row's own over those of its parents, whose checks it inherits."""
        found: dict[str, str] = {}
        for parent in self.parents(row, set_args):
            found |= self.check_args(parent, set_args)
        recipes = self.recipes(set_args)
        declared = recipes.of(row).args
        given = {name: value for name, value in (set_args or {}).items() if name in declared}
        return found | given | dict(recipes.own(row).args)

    def recipes(self, set_args: Mapping[str, str] | None = None) -> Recipes:
        """The recipes of the rows in the working tree, worked out once for the same stand-ins."""
        from imageyard.recipe.recipe import Recipes
        from imageyard.stack import local

        standins = {arch: local.standins(arch) for arch in ARCHES}
        key = (tuple(tuple(pins.pinned.items()) for pins in standins.values()), tuple(sorted((set_args or {}).items())))
        if self._recipes is None or self._recipes[0] != key:
            found = Recipes(
                self._catalogue_with(set_args),
                self._context,
                self.lock,
                standins.__getitem__,
                set_args,
                self._committed_tree,
            )
            self._recipes = key, found
        return self._recipes[1]

    def recipes_at(self, rev: str) -> Recipes:
        """The recipes at a revision: its catalogue, its files, its lock. Raises ConfigurationError for no revision."""
        from imageyard.catalogue import expand, lock, text
        from imageyard.recipe.recipe import Recipes
        from imageyard.stack import local
        from imageyard.tree import GitTree

        commit = git.resolve(self.top, rev)
        tree = GitTree(self.top, commit, "" if self.folder == "." else self.folder)
        shown = f"{rev}:{self._in_repository(self.file.name)}"
        if self.file.name not in tree.entries():
            raise ConfigurationError(f"{rev} has no catalogue {self._in_repository(self.file.name)}")
        root = text.parse(tree.read(self.file.name), shown)
        catalogue = expand.expand(root, self.file.name, self.folder).catalogue
        locked = tree.read("images.lock").decode() if "images.lock" in tree.entries() else ""
        return Recipes(
            catalogue,
            lambda context: tree.sub("" if context == "." else context),
            lock.parse(locked, f"{rev}:{self._in_repository('images.lock')}"),
            local.standins,
            tree_id=lambda context: git.tree_id(self.top, commit, "" if self.folder == "." else self.folder),
        )

    @cached_property
    def lock(self) -> Lock:
        """The digests that `images.lock` beside the catalogue pins."""
        from imageyard.catalogue import lock

        return lock.read(self.file.parent / "images.lock", self._in_repository("images.lock"))

    @cached_property
    def unlocked(self) -> Workspace:
        """The same, but that no base is pinned: what a build on whatever they are now is made of."""
        from imageyard.catalogue.lock import Lock

        found = copy.copy(self)
        found._recipes = None
        found.__dict__ |= {"lock": Lock({}), "run": self.run, "client": self.client, "unlocked": found}
        return found

    def tree(self, row: Row) -> Tree:
        """The files of a row's context."""
        return self._context(row.image.context)

    @cached_property
    def engine(self) -> Engine:
        """The engine that answers. Raises EnvironmentLacks where none does."""
        from imageyard.engine import Engine
        from imageyard.stack import local

        return Engine.find(local.socket())

    @cached_property
    def client(self) -> Client:
        """All registries, with the credentials of the Docker configuration."""
        from imageyard.registry.client import Client

        return Client()

    @cached_property
    def run(self) -> Run:
        """The run that this process belongs to; nothing is on disk before its first record."""
        from imageyard.runs import Run

        return Run.begin(self.top)

    @property
    def state(self) -> Path:
        """Where runs, records and locks of this checkout are."""
        return self.top / ".imageyard"

    @property
    def repository(self) -> Reference:
        """The repository that loaded images are named after: the catalogue's trusted one, or one that is nowhere."""
        registry = self.catalogue.registry
        return parse_reference(registry.trusted if registry else "imageyard.local/ci-image")

    def shown(self, row: Row, dockerfile: str | None = None) -> str:
        """A row's Dockerfile as a person would type it at the repository's top."""
        return self._in_repository(row.image.context, dockerfile or row.image.dockerfile)

    def _in_repository(self, *parts: str) -> str:
        return posixpath.normpath(posixpath.join(self.folder, *parts))

    def _context(self, context: str) -> Tree:
        from imageyard.tree import WorkTree

        if context not in self._trees:
            folder = self._in_repository(context)
            self._trees[context] = WorkTree(self.top, "" if folder == "." else folder)
        return self._trees[context]

    def _committed_tree(self, context: str) -> str | None:
        """The id of a context's git tree, None where it has changes.

        Raises ConfigurationError for a context that is not the catalogue's folder: args, lock and parents are outside
        that tree, so that other ones would give the same tag.
        """
        if posixpath.normpath(context) != ".":
            raise ConfigurationError(
                f"`tag: tree` cannot tell what is made of {self._in_repository(context)}: the catalogue is not in it",
                at=self._in_repository(self.file.name),
                hint=("use tag: content", "or leave out `context`, and name files relative to the catalogue's folder"),
            )
        folder = self._in_repository(context)
        folder = "" if folder == "." else folder
        return None if git.is_dirty(self.top, folder) else git.tree_id(self.top, "HEAD", folder)
