"""Recipes of rows: the Dockerfile read, its files found, its sources bound; and the tags that follow from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial

from imageyard.catalogue.lock_epochs import epoch_of
from imageyard.catalogue.model import Catalogue, Image, Row
from imageyard.errors import ConfigurationError
from imageyard.names import content_tag, platform_of, tree_tag
from imageyard.recipe.context import Context
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.references import familiar
from imageyard.recipe.dockerfile.stages import Dockerfile
from imageyard.recipe.frontend import frontend_of, pinned_frontend, reads_dockerfiles
from imageyard.recipe.model import VERSION, File, Recipe, Source
from imageyard.recipe.readings import Readings, RowReading
from imageyard.recipe.repository_files import RepositoryFiles
from imageyard.recipe.sources import Binder, named_contexts
from imageyard.recipe.stand_ins import Locked, StandIns
from imageyard.recipe.undeclared import refuse_undeclared
from imageyard.treebase import Placed, Tree

__all__ = ["File", "Recipe", "Recipes", "Source"]

_UNDECLARED = ("SOURCE_DATE_EPOCH", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")


class Recipes:
    """The recipes of a catalogue's rows, each worked out once, parents first.

    `tree_for` gives the files of a folder by its path from the repository's top, `place_for` one file or folder, which
    is looked for in its folder unless told; `tree_id` the id of the git tree of a context, named as in the catalogue,
    or None where it has changes that are not committed: then `tag: tree` gives a tag that ends in `-local`. `stand_ins`
    pin what `lock` does not, and say where a build finds it. `set_args` are given to every Dockerfile that declares
    them; the catalogue is one in which they stand already for the args that it has itself. With `assumed`, a base is
    taken to leave what that lock says of it, else nothing, and args that nothing declares pass; without, no file may be
    named by what a base is not known to set.
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
        place_for: Callable[[str], Placed] | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.set_args = dict(set_args or {})
        self.pins = lock
        self.stand_ins = stand_ins
        self._files = RepositoryFiles(catalogue, tree_for, place_for)
        self._tree_id = lru_cache(maxsize=None)(tree_id)
        self._binder_for = lru_cache(maxsize=None)(lambda arch: Binder(lock, stand_ins.pinned(arch), assumed))
        self._rows = {(row.name, row.arch): row for row in catalogue.rows}
        self._assumes = assumed is not None
        self._readings = Readings(catalogue, self._files, self.set_args, self._binder_for, assumes=self._assumes)
        self._recipes: dict[tuple[str, str], Recipe] = {}

    def of(self, row: Row) -> Recipe:
        """The recipe of a row.

        Raises ConfigurationError for a Dockerfile that cannot be read, and for a file that is not there.
        """
        todo: list[Row] = [self.own(row)]
        while todo:
            key = (todo[-1].name, todo[-1].arch)
            missing = [
                each
                for each in self._readings.parents(todo[-1]).values()
                if (each.name, each.arch) not in self._recipes
            ]
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
        return self._readings.context(row.image).dockerfile, self._readings.given(row)

    def trees(self, row: Row) -> Mapping[str, Tree]:
        """The files of a row's context, under the name `""`, and those of its named contexts that are folders."""
        return self._files.trees(row.image, self.of(row).folders)

    def dockerfile(self, row: Row) -> bytes:
        """The text of a row's Dockerfile."""
        return self._readings.context(row.image).text

    def named_parents(self, row: Row) -> Mapping[str, Row]:
        """The rows that the catalogue names as a row's parents, by familiar name; it may be built from fewer."""
        return {familiar(name): parent for name, parent in self._readings.parents(self.own(row)).items()}

    def parent_rows(self, row: Row) -> tuple[Row, ...]:
        """The rows that this one is built from, of its architecture."""
        names = [source.name for source in self.of(row).sources if source.kind == "parent"]
        return tuple(parent for name, parent in self.named_parents(row).items() if name in names)

    def tag(self, row: Row, passed: Sequence[str] = ()) -> str:
        """The tag of a row. `passed` are docker arguments, which no recipe holds: others of them, another tag."""
        recipe = self.of(row)
        if passed:
            both = json.dumps([recipe.id, *passed], ensure_ascii=False)
            return content_tag(row.name, hashlib.sha256(both.encode(errors="surrogateescape")).hexdigest(), local=True)
        if self.catalogue.tag == "content":
            return content_tag(row.name, recipe.id, local=recipe.local)
        tree = None if recipe.local else self._id_of_context(row.image)
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
            return tree_tag(image.name, self._id_of_context(image) or "")
        return content_tag(image.name, hashlib.sha256("\n".join(sorted(tags)).encode()).hexdigest(), local=ours_only)

    def _id_of_context(self, image: Image) -> str | None:
        """The id of a context's git tree, None where it has changes.

        Raises ConfigurationError where the image is made of more than that tree.
        """
        if what := self._files.outside(image):
            raise ConfigurationError(
                f"`tag: tree` cannot tell what {image.name} is made of: {what} is outside its context",
                at=image.where,
                hint="use tag: content",
            )
        return self._tree_id(image.context)

    def _make(self, row: Row) -> Recipe:
        try:
            return self._recipe(row)
        except ConfigurationError as error:
            error.doing = f"working out the recipe of {row.name} for {row.arch}"
            raise

    def _recipe(self, row: Row) -> Recipe:
        image, platform = row.image, platform_of(row.arch)
        self._files.require_arg_files(image)
        context, given, reading = self._readings.context(image), self._readings.given(row), self._readings.of(row)
        sources = self._sources(row, context, reading, platform)
        args = {name: value for name, value in sorted(given.items()) if _counts(name, reading.reaching)}
        needed = {*reading.declared, *(name for arg in context.dockerfile.global_args for name, _ in arg.pairs)}
        build_args = {name: value for name, value in sorted(given.items()) if _counts(name, needed)}
        unused = tuple(sorted(given.keys() - build_args.keys()))
        unasked = self._readings.unasked(row, reading)
        # what was let pass then is no reason to say nothing of it now, and a base that nobody asked may declare any
        if not self._assumes and not unasked:
            refuse_undeclared(self.catalogue, row, unused, self._readings.is_taken, context.declared)
        parents = self._readings.parents(row)
        pulled = {source.name for source in sources if source.kind == "parent"}
        frontend = pinned_frontend(frontend_of(context.dockerfile, given), self.pins)
        return Recipe(
            VERSION,
            platform,
            args,
            reading.files,
            sources,
            frontend,
            tuple(sorted(secret.id for secret in image.secrets)),
            epoch_of(self.pins.epochs, image.name, image.epoch),
            reading.instructions,
            None if reads_dockerfiles(frontend) else hashlib.sha256(context.text).hexdigest(),
            image.reproducible,
            dockerfile=image.dockerfile,
            arg_files=image.arg_files,
            target=image.target,
            build_args=build_args,
            own_files=tuple(sorted(context.own_files)),
            local=any(name in self.set_args for name in (*row.args, *image.parents, *build_args))
            or any(source.kind == "standin" for source in sources)
            or any(self._recipes[name, row.arch].local for name in parents if familiar(name) in pulled),
            unpinned=(
                *reading.unpinned,
                *(f"{source.name} is not locked" for source in sources if source.kind == "unlocked"),
                *([f"the frontend {frontend} has no digest"] if frontend and "@sha256:" not in frontend else []),
            ),
            unasked=unasked,
            unused_args=unused,
            parents={
                familiar(name): self._recipes[name, row.arch].inputs for name in parents if familiar(name) in pulled
            },
        )

    def _sources(self, row: Row, context: Context, reading: RowReading, platform: str) -> tuple[Source, ...]:
        contexts = named_contexts(row.image.contexts)
        parents = {name: partial(self._id, parent) for name, parent in self.named_parents(row).items()}
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


def _counts(name: str, declared: Iterable[str]) -> bool:
    """Whether BuildKit does anything with an argument: a stage declares it, or it reads it without."""
    return name in declared or name.upper() in _UNDECLARED or name.startswith("BUILDKIT_")
