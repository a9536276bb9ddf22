"""The recipe: the canonical record of all that decides a row's content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

from imageyard.recipe.dockerfile.canonical import Instructions

__all__ = ["MTIME", "VERSION", "File", "Mode", "Recipe", "Source"]

Mode: TypeAlias = Literal["file", "exec", "link"]

MTIME = 946_684_800
"""Seconds: 2000-01-01T00:00:00Z, the time of all files that a build gets. Zip archives, wheels among them, cannot hold
a time before 1980, so that an image whose files date from 1970 breaks builds in it."""

VERSION = 2
"""The format of the record. Another number gives every image another tag.

1 held the Dockerfile's bytes, its path and its target; 2 holds the instructions that the image is made of.
"""


class File(NamedTuple):
    """A file of the context, or a link, whose digest is that of its text; `path` is relative to the context.

    A file of a named context has `NAME//` in front of its path there.
    """

    path: str
    mode: Mode
    digest: str  # sha256, hex


@dataclass(frozen=True)
class Source:
    """A name that the Dockerfile pulls from, and what it is bound to.

    `value` by kind: locked and standin: the digest; parent: the recipe id; unlocked: the reference's text;
    directory: the folder, relative to the context.
    """

    name: str
    kind: Literal["locked", "parent", "standin", "unlocked", "directory"]
    value: str


@dataclass(frozen=True)
class Recipe:
    """All that decides a row's content; never times, commits, absolute paths or registry names.

    The fields by name alone are no part of the record: they say how the image is built, and what to tell of it.
    """

    v: int
    platform: str
    args: Mapping[str, str]  # given ones that reach the image
    files: tuple[File, ...]
    sources: tuple[Source, ...]
    frontend: str | None
    secrets: tuple[str, ...]
    epoch: str
    instructions: tuple[Instructions, ...] = ()  # for each builder's platform that makes a difference
    text: str | None = None  # sha256 of the Dockerfile, for a frontend that is not known to read one as we do
    reproducible: bool = False  # times are rewritten to SOURCE_DATE_EPOCH, which is among the args
    dockerfile: str = field(default="", kw_only=True)  # relative to the context, or from the top with a slash in front
    arg_files: Mapping[str, str] = field(default_factory=dict, kw_only=True)  # where args are read from, by the arg
    target: str | None = field(default=None, kw_only=True)
    build_args: Mapping[str, str] = field(default_factory=dict, kw_only=True)  # `args`, and what BuildKit wants besides
    own_files: tuple[str, ...] = field(default=(), kw_only=True)  # the Dockerfile, and the links that lead to it, alike
    local: bool = field(default=False, kw_only=True)  # its tag ends in -local
    unpinned: tuple[str, ...] = field(default=(), kw_only=True)  # words: what may change under the same id
    unasked: tuple[str, ...] = field(default=(), kw_only=True)  # bases of which ENV and ONBUILD are not known
    unused_args: tuple[str, ...] = field(default=(), kw_only=True)  # given in the catalogue, and looked up by nothing
    parents: Mapping[str, str] = field(default_factory=dict, kw_only=True)  # `inputs` of each, by the source's name

    def canonical(self) -> bytes:
        """The record as JSON with sorted keys and no blanks: what is hashed."""
        return _json(self._record())

    def _record(self) -> dict[str, object]:
        # Only where it is so: all other images keep the tags that they had before there was such a thing.
        rare: dict[str, object] = {"reproducible": True} if self.reproducible else {}
        rare |= {} if self.text is None else {"text": self.text}
        return rare | {
            "v": self.v,
            "platform": self.platform,
            "args": dict(self.args),
            "files": self.files,
            "sources": [[source.name, source.kind, source.value] for source in self.sources],
            "frontend": self.frontend,
            "secrets": self.secrets,
            "epoch": self.epoch,
            "instructions": self.instructions,
        }

    @property
    def folders(self) -> Mapping[str, str]:
        """The named contexts that the build reads and that are folders, as the catalogue says where they are."""
        return {source.name: source.value for source in self.sources if source.kind == "directory"}

    @cached_property
    def id(self) -> str:
        """The sha256 of the canonical record, in hex."""
        return hashlib.sha256(self.canonical()).hexdigest()

    @cached_property
    def inputs(self) -> str:
        """The sha256 of the record without its platform, its parents' taken in the same way, in hex.

        Rows of an image that differ in nothing but the platform have the same: one build may make them all. With the
        platform beside it, it tells as much as the id.
        """
        sources = [
            [source.name, source.kind, self.parents.get(source.name, source.value)]
            if source.kind == "parent"
            else [source.name, source.kind, source.value]
            for source in self.sources
        ]
        return hashlib.sha256(_json(self._record() | {"platform": None, "sources": sources})).hexdigest()


def _json(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def from_canonical(data: bytes) -> Recipe:
    """The recipe that `canonical` wrote, as far as the record goes: what does not decide the content is not in it.

    Of a record of another version only the number is taken. Raises ValueError where it is no record.
    """
    found = json.loads(data)
    try:
        if found["v"] != VERSION:
            return Recipe(found["v"], found["platform"], {}, (), (), None, (), "")
        files = tuple(File(*file) for file in found["files"])
        sources = tuple(Source(*source) for source in found["sources"])
        rest = {name: found[name] for name in ("v", "platform", "args", "frontend", "epoch")}
        rest |= {"reproducible": found.get("reproducible", False), "text": found.get("text")}
        secrets, instructions = tuple(found["secrets"]), tuple(found["instructions"])
        return Recipe(files=files, sources=sources, secrets=secrets, instructions=instructions, **rest)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a recipe: {error}") from None
