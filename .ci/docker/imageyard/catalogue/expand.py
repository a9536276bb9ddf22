"""From a catalogue's text to its images and rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import NamedTuple, cast

from imageyard.catalogue import decode, text
from imageyard.catalogue.arg_files import ArgFiles, from_files, no_file
from imageyard.catalogue.builder_sections import read_builders
from imageyard.catalogue.checks import Plans
from imageyard.catalogue.fill import Known
from imageyard.catalogue.grammar import TOP
from imageyard.catalogue.image import NOTHING, arches_of, build
from imageyard.catalogue.kinds import check
from imageyard.catalogue.lane_images import LANES_FILE, check_parents, check_references, lane_of
from imageyard.catalogue.model import Catalogue, Image, LaneImages, Row
from imageyard.catalogue.nodes import Map, Text, error_at, place, plain
from imageyard.catalogue.parents import ordered
from imageyard.catalogue.removals import known_args, mentioned, refuse_vain_removals
from imageyard.catalogue.sentence import Sentence, sentences_of
from imageyard.catalogue.words import Words
from imageyard.errors import ConfigurationError
from imageyard.names import Arch
from imageyard.repository_paths import path_in_repository

__all__ = ["Expansion", "expand", "load", "open_catalogue"]


_NO_FILES = from_files({})


class Expansion(NamedTuple):
    """A catalogue, and how each of its images came to be."""

    catalogue: Catalogue
    sentences: Mapping[str, Sentence]
    known: Known


def load(path: Path, top: Path, overrides: Mapping[str, str] = NOTHING) -> Catalogue:
    """Read, check and expand the catalogue at `path`, in the repository whose top folder is `top`.

    `overrides` are values for args, in every row that has them: what depends on one follows, checks too.
    Raises ConfigurationError, with `FILE:LINE:COLUMN` where there is one.
    """
    return open_catalogue(path, top, overrides).catalogue


def open_catalogue(path: Path, top: Path, overrides: Mapping[str, str] = NOTHING) -> Expansion:
    """As `load`, and keeps what `explain` needs."""
    try:
        inside = path.absolute().relative_to(top.absolute())
    except ValueError:
        try:
            inside = path.resolve().relative_to(top.resolve())
        except ValueError:
            hint = "keep it in the repository: contexts are relative to its folder"
            raise ConfigurationError(f"the catalogue is outside the repository {top}", at=path, hint=hint) from None
    file, folder = inside.as_posix(), inside.parent.as_posix()
    files = ArgFiles(folder, partial(_on_disk, top))
    return expand(text.load(path, file), file, folder, overrides, files, partial(_lanes_beside, path, inside))


def expand(
    root: Map,
    file: str = "images.yml",
    folder: str = ".",
    overrides: Mapping[str, str] = NOTHING,
    files: ArgFiles = _NO_FILES,
    lanes: Callable[[], Map] | None = None,
) -> Expansion:
    """Check and expand a catalogue's nodes; `files` are those that args may be read from.

    `lanes` reads the catalogue of lanes, once, where an image is of one; None where nobody asks where such images go.
    Raises ConfigurationError.
    """
    if "lanes" in root.items:
        hint = f"remove it: {LANES_FILE} beside this file has all lanes, and an image says `lane: NAME`"
        raise error_at(root, "lanes are not declared here", key="lanes", hint=hint)
    check(TOP, root)
    words = Words(cast("Map | None", root.items.get("axes")))
    known = Known(known_args(root, words), (axis for axis in words.axes if axis != "plain"), files)
    refuse_vain_removals(root, words, known.args)
    prefix = plain(root.items.get("prefix"), "")
    sentences = {sentence.name: sentence for sentence in sentences_of(root, words, prefix)}
    plans = Plans(known)
    images: dict[str, Image] = {}
    rows: dict[tuple[str, Arch], Row] = {}
    for name, sentence in sentences.items():
        arches = arches_of(sentence)
        image, differs = build(sentence, arches[0], arches, known, plans, overrides)
        images[name] = image
        for arch in arches:
            if differs and arch != arches[0]:
                image, _ = build(sentence, arch, arches, known, plans, overrides)
            if prefix and image.parents:
                image = replace(image, parents={arg: prefix + parent for arg, parent in image.parents.items()})
            rows[name, arch] = Row(image, arch)
        images[name] = rows[name, arches[0]].image
    _refuse_family_called_as_arch(cast(Map, root.items["images"]), {arch for _, arch in rows})
    check_parents(rows.values())
    named_lanes = _lanes(sentences, images, lanes) if lanes else {}
    check_references(rows.values(), named_lanes)
    catalogue = Catalogue(
        file=file,
        folder=folder,
        prefix=prefix,
        registry=decode.registry(root.items.get("registry")),
        mirrors=plain(root.items.get("mirrors"), ()),
        tag=plain(root.items.get("tag"), "content"),
        builders=read_builders(root.items.get("builders")),
        protected=plain(root.items.get("protected"), ("main",)),
        settings=decode.settings(root),
        images=images,
        rows=ordered(rows, prefix),
        axes=words.axes,
        mentioned=frozenset(mentioned(root)),
        lanes=named_lanes,
    )
    return Expansion(catalogue, sentences, known)


def _on_disk(top: Path, path: str) -> bytes:
    """The bytes of a file, by its path from the top. That git sees it is asked where recipes are made: git is slow."""
    try:
        return (top / path_in_repository(path, lambda part: _text_of_link(top / part))).read_bytes()
    except FileNotFoundError:
        raise no_file(path) from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


def _text_of_link(where: Path) -> str | None:
    return str(where.readlink()) if where.is_symlink() else None


def _refuse_family_called_as_arch(families: Map, arches: Collection[str]) -> None:
    if family := next((family for family in families.items if family in arches), None):
        headline = f"a family cannot be called {family!r}: it is the Nox tag of the rows for {family}"
        raise error_at(families, headline, key=family, hint="give the family another name")


def _lanes_beside(path: Path, inside: PurePath) -> Map:
    """Read the catalogue of lanes beside that of images."""
    file = inside.with_name(LANES_FILE).as_posix()
    absent = f"write one (docs/lanes.md), or remove `lane` from the images of {inside.as_posix()}"
    return text.load(path.with_name(LANES_FILE), file, begin="bucket:", absent=absent)


def _lanes(
    sentences: Mapping[str, Sentence], images: Mapping[str, Image], lanes: Callable[[], Map]
) -> Mapping[str, LaneImages]:
    """Each lane that images are of."""
    root: Map | None = None
    found: dict[str, LaneImages] = {}
    for name, image in images.items():
        if image.lane is not None and image.lane not in found:
            root = root or lanes()
            node = sentences[name].fields.get("lane")
            found[image.lane] = lane_of(root, image.lane, place(node) if isinstance(node, Text) else image.where)
    return found
