"""Recipes of rows: the Dockerfile read, its files found, its sources bound; and the tags that follow from them."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial

from imageyard.catalogue.model import Catalogue, Image, Row
from imageyard.errors import ConfigurationError
from imageyard.names import content_tag, platform_of, tree_tag
from imageyard.recipe import ignore
from imageyard.recipe.bases import RowBases
from imageyard.recipe.context import Context, outside, own_dockerfile
from imageyard.recipe.dockerfile.evaluate import Reading, evaluate
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.live import live_names
from imageyard.recipe.dockerfile.references import familiar
from imageyard.recipe.dockerfile.stages import Dockerfile, Inherited, read
from imageyard.recipe.dockerfile.undecided import require_decided
from imageyard.recipe.files import Shelf
from imageyard.recipe.frontend import pinned_frontend
from imageyard.recipe.model import VERSION, File, Mode, Recipe, Source
from imageyard.recipe.seal import MTIME
from imageyard.recipe.sources import IMAGE_SCHEME, Binder
from imageyard.recipe.stand_ins import Locked, StandIns
from imageyard.treebase import Tree, without

__all__ = ["File", "Recipe", "Recipes", "Source"]

_TIMES: Mapping[bool, Mapping[str, str]] = {False: {}, True: {"SOURCE_DATE_EPOCH": str(MTIME)}}
"""The args of an image that is to be `reproducible`: its times are those of the sealed context."""

_UNDECLARED = ("SOURCE_DATE_EPOCH", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


class Recipes:
    """The recipes of a catalogue's rows, each worked out once, parents first.

    `tree_for` gives the files of a context, named as in the catalogue; `tree_id` the id of its git tree, or None
    where it has changes that are not committed: then `tag: tree` gives a tag that ends in `-local`. `stand_ins` pin
    what `lock` does not, and say where a build finds it. `set_args` are given to every Dockerfile that declares them;
    the catalogue is one in which they stand already for the args that it has itself. With `assumed`, a base is taken to
    leave what that lock says of it, else nothing; without, no file may be named by what a base is not known to set.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        tree_for: Callable[[str], Tree],
        lock: Locked,
        stand_ins: StandIns,
        set_args: Mapping[str, str] | None = None,
        tree_id: Callable[[str], str | None] = lambda context: None,
        assumed: Locked | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.set_args = dict(set_args or {})
        self.pins = lock
        self.stand_ins = stand_ins
        self._tree_for = tree_for
        self._tree_id = lru_cache(maxsize=None)(tree_id)
        self._binder_for = lru_cache(maxsize=None)(lambda arch: Binder(lock, stand_ins.pinned(arch), assumed))
        self._assumes = assumed is not None
        self._rows = {(row.name, row.arch): row for row in catalogue.rows}
        self._trees: dict[str, Tree] = {}
        self._contexts: dict[tuple[str, str], Context] = {}
        self._recipes: dict[tuple[str, str], Recipe] = {}
        self._left: dict[tuple[str, str], Inherited] = {}

    def of(self, row: Row) -> Recipe:
        """The recipe of a row.

        Raises ConfigurationError for a Dockerfile that cannot be read, and for a file that is not there.
        """
        todo: list[Row] = [self.own(row)]
        while todo:
            key = (todo[-1].name, todo[-1].arch)
            missing = [each for each in self._parents(todo[-1]).values() if (each.name, each.arch) not in self._recipes]
            if key in self._recipes:
                todo.pop()
            elif not missing:
                self._recipes[key] = self._make(todo.pop())
            else:
                todo += missing
        return self._recipes[row.name, row.arch]

    def own(self, row: Row) -> Row:
        """A row as the catalogue of these recipes has it: `--set` may have changed its args, parents and checks."""
        return self._rows[row.name, row.arch]

    def definition(self, row: Row) -> tuple[Dockerfile, Mapping[str, str]]:
        """The Dockerfile of a row and the args that it is given. Raises ConfigurationError where it cannot be read."""
        return self._context(row.image).dockerfile, self._given(row)

    def tree(self, row: Row) -> Tree:
        """The files of a row's context, those that no build sees among them."""
        return self._tree_for(row.image.context)

    def parent_rows(self, row: Row) -> tuple[Row, ...]:
        """The rows that this one is built from, of its architecture."""
        names = [source.name for source in self.of(row).sources if source.kind == "parent"]
        return tuple(parent for name, parent in self._parents(self.own(row)).items() if familiar(name) in names)

    def tag(self, row: Row, passed: Sequence[str] = ()) -> str:
        """The tag of a row. `passed` are docker arguments, which no recipe holds: others of them, another tag."""
        recipe = self.of(row)
        if passed:
            both = json.dumps([recipe.id, *passed], ensure_ascii=False)
            return content_tag(row.name, hashlib.sha256(both.encode(errors="surrogateescape")).hexdigest(), local=True)
        if self.catalogue.tag == "content":
            return content_tag(row.name, recipe.id, local=recipe.local)
        tree = None if recipe.local else self._tree_id(row.image.context)
        if tree is None:
            return content_tag(row.name, recipe.id, local=True)
        return tree_tag(row.name, tree, row.arch if len(row.image.arches) > 1 else None)

    def index_tag(self, image: Image) -> str:
        """The tag of an image: of its index where it has several architectures, else its row's."""
        rows = [self._rows[image.name, arch] for arch in image.arches]
        tags = [self.tag(row) for row in rows]
        if len(rows) == 1:
            return tags[0]
        ours_only = any(tag.endswith("-local") for tag in tags)
        if self.catalogue.tag == "tree" and not ours_only:
            return tree_tag(image.name, self._tree_id(image.context) or "")
        return content_tag(image.name, hashlib.sha256("\n".join(sorted(tags)).encode()).hexdigest(), local=ours_only)

    def _parents(self, row: Row) -> dict[str, Row]:
        """The row's parents by image name: a catalogue has them all, and none is its own ancestor."""
        return {name: self._rows[name, row.arch] for name in row.image.parents.values()}

    def _make(self, row: Row) -> Recipe:
        try:
            return self._recipe(row)
        except ConfigurationError as error:
            error.doing = f"working out the recipe of {row.name} for {row.arch}"
            raise

    def _recipe(self, row: Row) -> Recipe:
        image, platform = row.image, platform_of(row.arch)
        context = self._context(image)
        given = self._given(row)
        reading, files = self._read(row, context, given)
        sources = self._sources(row, context, reading, platform)
        args = {name: value for name, value in sorted(given.items()) if _counts(name, reading.declared)}
        parents = self._parents(row)
        pulled = {source.name for source in sources if source.kind == "parent"}
        frontend = pinned_frontend(args.get("BUILDKIT_SYNTAX") or context.dockerfile.frontend, self.pins)
        return Recipe(
            VERSION,
            platform,
            image.dockerfile,
            image.target,
            args,
            files,
            sources,
            frontend,
            tuple(sorted(secret.id for secret in image.secrets)),
            image.epoch,
            local=any(name in self.set_args for name in (*row.args, *image.parents, *args))
            or any(source.kind == "standin" for source in sources)
            or any(self._recipes[name, row.arch].local for name in parents if familiar(name) in pulled),
            unpinned=(
                *reading.unpinned,
                *(f"{source.name} is not locked" for source in sources if source.kind == "unlocked"),
                *([f"the frontend {frontend} has no digest"] if frontend and "@sha256:" not in frontend else []),
            ),
            unasked=self._row_bases(row, self._bases(row)).unasked(reading.bases),
            unused_args=tuple(sorted(given.keys() - args.keys())),
            reproducible=image.reproducible,
            parents={
                familiar(name): self._recipes[name, row.arch].inputs for name in parents if familiar(name) in pulled
            },
        )

    def _given(self, row: Row) -> Mapping[str, str]:
        """The build args of a row, and the names of its parents."""
        return {**_TIMES[row.image.reproducible], **self.set_args, **row.args, **row.image.parents}

    def _leaves(self, row: Row) -> Inherited:
        """What a row's image leaves to its children. Its reading is not shared: any of its args may be in it."""
        key = (row.name, row.arch)
        if key not in self._left:
            self._left[key] = self._evaluated(row, self._bases(row)).leaves
        return self._left[key]

    def _bases(self, row: Row) -> Mapping[str, Inherited]:
        """What the parents of a row leave to it, by their familiar names."""
        return {familiar(name): self._leaves(parent) for name, parent in self._parents(row).items()}

    def _row_bases(self, row: Row, parents: Mapping[str, Inherited]) -> RowBases:
        return RowBases.of(row, parents, self._binder_for(row.arch), assumes=self._assumes)

    def _evaluated(self, row: Row, bases: Mapping[str, Inherited]) -> Reading:
        image = row.image
        return evaluate(
            self._context(image).dockerfile,
            args=self._given(row),
            platform=platform_of(row.arch),
            target=image.target,
            contexts=image.contexts,
            bases=self._row_bases(row, bases).left_by,
        )

    def _read(self, row: Row, context: Context, given: Mapping[str, str]) -> tuple[Reading, tuple[File, ...]]:
        image, bases = row.image, self._bases(row)
        # triggers may look up any arg
        triggered = self._binder_for(row.arch).has_triggers or any(base.triggers for base in bases.values())
        every = context.live is None or triggered
        live = given if every else {name: given[name] for name in context.live or () if name in given}
        key = (
            row.arch,
            image.target,
            tuple(sorted(live.items())),
            tuple(sorted(image.contexts.items())),
            tuple((name, base.key) for name, base in bases.items()),
        )
        if key not in context.readings:
            reading = self._evaluated(row, bases)
            context.readings[key] = reading, self._files(image, context, reading)
        return context.readings[key]

    def _sources(self, row: Row, context: Context, reading: Reading, platform: str) -> tuple[Source, ...]:
        contexts = {familiar(name): where for name, where in row.image.contexts.items()}
        parents = {familiar(name): partial(self._id, parent) for name, parent in self._parents(row).items()}
        found: dict[Source, None] = {}
        for use in reading.images:
            try:
                source = self._binder_for(row.arch).bind(use, platform=platform, contexts=contexts, parents=parents)
                if source.name in reading.stages and source.name not in contexts:
                    raise Fault(
                        f"the stage {source.name!r} has the name of an image that the file pulls from",
                        "bound to its digest, the image would replace the stage: rename the stage",
                    )
            except Fault as fault:
                raise fault.at(context.dockerfile.file, use.line) from None
            found[source] = None
        return tuple(sorted(found, key=lambda source: source.name))

    def _id(self, row: Row) -> str:
        return self._recipes[row.name, row.arch].id

    def _files(self, image: Image, context: Context, reading: Reading) -> tuple[File, ...]:
        taken = {"": set(context.own_files)}
        folders = {familiar(name): where for name, where in image.contexts.items()}
        uses = [use for use in reading.files if not folders.get(use.context, "").startswith(IMAGE_SCHEME)]
        shelves = [self._named(context, folders[use.context]) if use.context else context.shelf for use in uses]
        line = 0
        try:
            for use, shelf in zip(uses, shelves, strict=True):
                line = use.line
                require_decided(use.path)
                taken.setdefault(use.context, set()).update(shelf.take(use))
            for use, shelf in zip(uses, shelves, strict=True):
                line = use.line
                shelf.check(use, taken[use.context])
        except Fault as fault:
            raise fault.at(context.dockerfile.file, line) from None
        found = sorted((name, path) for name, paths in taken.items() for path in paths)
        return tuple(self._file(context, folders.get(name, ""), name, path) for name, path in found)

    def _file(self, context: Context, folder: str, name: str, path: str) -> File:
        key = (folder, name, path)
        if key not in context.files:
            tree = self._named(context, folder).tree if name else context.tree
            entry = tree.entries()[path]
            mode: Mode = "link" if entry.kind == "link" else "exec" if entry.executable else "file"
            context.files[key] = File(f"{name}//{path}" if name else path, mode, tree.digest(path))
        return context.files[key]

    def _named(self, context: Context, folder: str) -> Shelf:
        if folder not in context.named:
            tree = context.tree.sub(folder)
            context.named[folder] = Shelf(tree, ignore.load(tree, "").filter(tree.entries()))
        return context.named[folder]

    def _context(self, image: Image) -> Context:
        key = (image.context, image.dockerfile)
        if key not in self._contexts:
            if image.context not in self._trees:
                whole = self._tree_for(image.context)
                self._trees[image.context] = without(whole, outside(self.catalogue, image.context))
            tree = self._trees[image.context]
            file = posixpath.normpath(posixpath.join(self.catalogue.folder, image.context, image.dockerfile))
            own, data = own_dockerfile(tree, image)
            shelf = Shelf(tree, ignore.load(tree, image.dockerfile).filter(tree.entries()))
            dockerfile = read(data, file)
            self._contexts[key] = Context(tree, dockerfile, own, shelf, live_names(dockerfile))
        return self._contexts[key]


def _counts(name: str, declared: Iterable[str]) -> bool:
    """Whether BuildKit does anything with an argument: a stage declares it, or it reads it without."""
    return name in declared or name.upper() in _UNDECLARED or name.startswith("BUILDKIT_")
