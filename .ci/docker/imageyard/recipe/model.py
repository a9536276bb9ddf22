"""The recipe: the canonical record of all that decides a row's content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

__all__ = ["VERSION", "File", "Mode", "Recipe", "Source"]

Mode: TypeAlias = Literal["file", "exec", "link"]

VERSION = 1
"""The format of the record. Another number gives every image another tag."""


@dataclass(frozen=True)
class File:
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
    """All that decides a row's content; never times, commits, absolute paths or registry names."""

    v: int
    platform: str
    dockerfile: str
    target: str | None
    args: Mapping[str, str]
    files: tuple[File, ...]
    sources: tuple[Source, ...]
    frontend: str | None
    secrets: tuple[str, ...]
    epoch: str
    local: bool = False  # its tag ends in -local
    unpinned: tuple[str, ...] = ()  # words: what may change under the same id
    unasked: tuple[str, ...] = ()  # bases of which nobody has asked what their ENV and ONBUILD do
    unused_args: tuple[str, ...] = ()  # given in the catalogue, declared by no reached stage
    reproducible: bool = False  # times are rewritten to SOURCE_DATE_EPOCH, which is among the args
    parents: Mapping[str, str] = field(default_factory=dict)  # the `inputs` of each parent, by the source's name

    def canonical(self) -> bytes:
        """The record as JSON with sorted keys and no blanks: what is hashed."""
        return _json(self._record())

    def _record(self) -> dict[str, object]:
        # Only where it is so: all other images keep the tags that they had before there was such a thing.
        rewritten: dict[str, object] = {"reproducible": True} if self.reproducible else {}
        return rewritten | {
            "v": self.v,
            "platform": self.platform,
            "dockerfile": self.dockerfile,
            "target": self.target,
            "args": dict(self.args),
            "files": [[file.path, file.mode, file.digest] for file in self.files],
            "sources": [[source.name, source.kind, source.value] for source in self.sources],
            "frontend": self.frontend,
            "secrets": self.secrets,
            "epoch": self.epoch,
        }

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

    Raises ValueError where it is not such a record.
    """
    found = json.loads(data)
    try:
        files = tuple(File(*file) for file in found["files"])
        sources = tuple(Source(*source) for source in found["sources"])
        rest = {name: found[name] for name in ("v", "platform", "dockerfile", "target", "args", "frontend", "epoch")}
        rest["reproducible"] = found.get("reproducible", False)
        return Recipe(files=files, sources=sources, secrets=tuple(found["secrets"]), **rest)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a recipe: {error}") from None
