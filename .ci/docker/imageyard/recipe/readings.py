"""What builds of a catalogue's rows read: their Dockerfiles followed, once for all rows that read the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from imageyard.catalogue.model import Catalogue, Image, Row
from imageyard.errors import ConfigurationError
from imageyard.names import BUILDER_ARCHES, Arch, platform_of
from imageyard.recipe.bases import RowBases
from imageyard.recipe.context import Context
from imageyard.recipe.dockerfile.canonical import Instructions
from imageyard.recipe.dockerfile.evaluate import ImageUse, Reading, evaluate
from imageyard.recipe.dockerfile.references import familiar
from imageyard.recipe.dockerfile.stages import Dockerfile, Inherited
from imageyard.recipe.model import MTIME, File
from imageyard.recipe.repository_files import RepositoryFiles
from imageyard.recipe.sources import Binder

__all__ = ["Readings", "RowReading", "evaluated"]

_TIMES: Mapping[bool, Mapping[str, str]] = {False: {}, True: {"SOURCE_DATE_EPOCH": str(MTIME)}}
"""The args of an image that is to be `reproducible`: its times are those of the sealed context."""


@dataclass(frozen=True)
class RowReading:
    """What a row's build reads, wherever it is built.

    A Dockerfile that asks for the platform of the machine that builds is read for each that may, and this is all of it
    together; a platform for which it cannot be read counts only where there is no other.
    """

    instructions: tuple[Instructions, ...]  # one, or one for each builder that makes a difference
    files: tuple[File, ...]
    images: tuple[ImageUse, ...]
    declared: frozenset[str]
    reaching: frozenset[str]
    unpinned: tuple[str, ...]
    stages: tuple[str, ...]
    bases: tuple[ImageUse, ...]


class Readings:
    """The readings of a catalogue's rows, parents first.

    `files` are those of the repository; `bound` binds the names of an architecture's bases; with `assumes`, a base that
    nobody asked leaves nothing.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        files: RepositoryFiles,
        set_args: Mapping[str, str],
        bound: Callable[[Arch], Binder],
        *,
        assumes: bool,
    ) -> None:
        self._catalogue = catalogue
        self._files = files
        self._set_args = set_args
        self._bound = bound
        self._assumes = assumes
        self._rows = {(row.name, row.arch): row for row in catalogue.rows}
        self._contexts: dict[tuple[object, ...], Context] = {}
        self._readings: dict[tuple[object, ...], RowReading] = {}
        self._left: dict[tuple[str, str], Inherited] = {}
        self._taken: dict[str, bool] = {}

    def of(self, row: Row) -> RowReading:
        """What a row's build reads. Raises ConfigurationError with `FILE:LINE` for what BuildKit would refuse."""
        image, bases = row.image, self._bases(row)
        context, given = self.context(image), self.given(row)
        builders = self._builders(row, context)
        # triggers may look up any arg
        triggered = self._bound(row.arch).has_triggers or any(base.triggers for base in bases.values())
        every = context.live is None or triggered
        live = given if every else {name: given[name] for name in context.live or () if name in given}
        key = (
            _context_key(image),
            row.arch,
            builders,
            image.target,
            tuple(sorted(live.items())),
            tuple(sorted(given)),
            tuple(sorted(image.contexts.items())),
            tuple((name, base.key) for name, base in bases.items()),
        )
        if key not in self._readings:
            self._readings[key] = self._read(row, context, bases, builders)
        return self._readings[key]

    def parents(self, row: Row) -> dict[str, Row]:
        """The row's parents by image name: a catalogue has them all, and none is its own ancestor."""
        return {name: self._rows[name, row.arch] for name in row.image.parents.values()}

    def given(self, row: Row) -> Mapping[str, str]:
        """The build args of a row, and the names of its parents."""
        return {**_TIMES[row.image.reproducible], **self._set_args, **row.args, **row.image.parents}

    def context(self, image: Image) -> Context:
        """An image's Dockerfile in its context, without what no build sees. Raises ConfigurationError."""
        key = _context_key(image)
        if key not in self._contexts:
            self._contexts[key] = self._files.open_context(image)
        return self._contexts[key]

    def _read(
        self, row: Row, context: Context, bases: Mapping[str, Inherited], builders: tuple[str, ...]
    ) -> RowReading:
        found: list[tuple[Reading, tuple[File, ...]]] = []
        refused: list[ConfigurationError] = []
        for builder in builders:
            try:
                reading = self._evaluated(row, context, bases, builder)
                found.append((reading, context.files(reading, row.image.contexts)))
            except ConfigurationError as error:
                refused.append(error)
        if not found:
            raise refused[0]
        return _together(found)

    def _builders(self, row: Row, context: Context) -> tuple[str, ...]:
        """The platforms of the machines that may build a row: a tag must not depend on which of them does.

        What builds for others is one of BUILDER_ARCHES; any other machine builds for itself. They are the same ones for
        all rows of an image, which one builder may build together.
        """
        if not context.asks_for_builder:
            return (platform_of(row.arch),)
        return tuple(map(platform_of, dict.fromkeys((*BUILDER_ARCHES, *sorted(row.image.arches)))))

    def _leaves(self, row: Row) -> Inherited:
        """What a row's image leaves to its children. Its reading is not shared: any of its args may be in it."""
        key = (row.name, row.arch)
        if key not in self._left:
            context, bases = self.context(row.image), self._bases(row)
            self._left[key] = self._evaluated(row, context, bases, platform_of(row.arch)).leaves
        return self._left[key]

    def _bases(self, row: Row) -> Mapping[str, Inherited]:
        """What the parents of a row leave to it, by their familiar names."""
        return {familiar(name): self._leaves(parent) for name, parent in self.parents(row).items()}

    def unasked(self, row: Row, reading: RowReading) -> tuple[str, ...]:
        """The bases of a row of which nobody has asked what their ENV and ONBUILD do."""
        return self._row_bases(row, self._bases(row)).unasked(reading.bases)

    def is_taken(self, arg: str) -> bool:
        """Whether any image that gets an arg takes it. Raises ConfigurationError for a Dockerfile without a reading."""
        if arg not in self._taken:
            given = (row for row in self._catalogue.rows if arg in row.args or arg in row.image.parents)
            self._taken[arg] = any(self._takes(row, arg) for row in given)
        return self._taken[arg]

    def _takes(self, row: Row, arg: str) -> bool:
        """Whether a row's Dockerfile declares an arg, or may: what its base declares is not known."""
        if arg in self.context(row.image).declared:
            return True
        try:
            reading = self.of(row)
            return arg in reading.declared or bool(self.unasked(row, reading))
        except ConfigurationError:
            return True

    def _row_bases(self, row: Row, parents: Mapping[str, Inherited]) -> RowBases:
        return RowBases.of(row, parents, self._bound(row.arch), assumes=self._assumes)

    def _evaluated(self, row: Row, context: Context, bases: Mapping[str, Inherited], builder: str) -> Reading:
        return evaluated(row, context.dockerfile, self.given(row), self._row_bases(row, bases), builder)


def _context_key(image: Image) -> tuple[object, ...]:
    return image.context, image.dockerfile, tuple(sorted(image.files.items()))


def evaluated(
    row: Row, dockerfile: Dockerfile, args: Mapping[str, str], bases: RowBases, builder: str | None = None
) -> Reading:
    """Follow the Dockerfile of a row. Raises as `evaluate` does."""
    return evaluate(
        dockerfile,
        args=args,
        platform=platform_of(row.arch),
        target=row.image.target,
        contexts=row.image.contexts,
        bases=bases.left_by,
        builder=builder,
    )


def _together(found: list[tuple[Reading, tuple[File, ...]]]) -> RowReading:
    readings = [reading for reading, _ in found]
    instructions = [reading.instructions for reading in readings]
    return RowReading(
        tuple(each for number, each in enumerate(instructions) if each not in instructions[:number]),
        found[0][1]
        if len(found) == 1
        else tuple(sorted({f for _, files in found for f in files}, key=lambda f: f.path)),
        tuple(dict.fromkeys(image for reading in readings for image in reading.images)),
        frozenset().union(*(reading.declared for reading in readings)),
        frozenset().union(*(reading.reaching for reading in readings)),
        tuple(dict.fromkeys(words for reading in readings for words in reading.unpinned)),
        readings[0].stages,
        tuple(dict.fromkeys(base for reading in readings for base in reading.bases)),
    )
