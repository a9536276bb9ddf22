"""What a build gets from outside its context: bases and parents by digest, directories, secrets by name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from imageyard.builders.request import SecretSource
from imageyard.errors import EnvironmentLacks, assert_never
from imageyard.names import parse_digest, parse_reference
from imageyard.recipe.seal import MTIME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imageyard.catalogue.model import Row
    from imageyard.project.row_facts import RowFacts
    from imageyard.recipe.model import File, Recipe, Source

__all__ = ["contexts", "path_in_tree", "secrets"]

_TICK = 2**30
"""Seconds over which the times of staged files are spread."""


def contexts(facts: RowFacts, parents: Mapping[str, str], staging: Path) -> dict[str, str]:
    """Return every source of a row as a build context, but for unlocked ones, which the builder resolves itself.

    `parents` are references by name; folders are copied into `staging`.
    """
    bound = {source.name: _bound(facts, parents, staging, source) for source in facts.recipe.sources}
    return {name: context for name, context in bound.items() if context is not None}


def path_in_tree(recipe: Recipe, file: File) -> str:
    """Return where the row's tree has a file of its recipe: `NAME//PATH` is one of a directory context."""
    context, separator, inner = file.path.rpartition("//")
    if not separator:
        return file.path
    folder = next(source.value for source in recipe.sources if source.name == context)
    return f"{folder}/{inner}".removeprefix("./")


def _bound(facts: RowFacts, parents: Mapping[str, str], staging: Path, source: Source) -> str | None:
    match source.kind:
        case "locked":
            return f"docker-image://{parse_reference(source.name).with_digest(parse_digest(source.value))}"
        case "standin":
            return f"docker-image://{facts.stand_ins.served(source.name, parse_digest(source.value))}"
        case "parent":
            parent = next(parent for parent in facts.parents if parent.recipe.id == source.value)
            return f"docker-image://{parents[parent.row.name]}"
        case "directory":
            return str(_staged(facts, staging, source))
        case "unlocked":
            return None
        case _:
            assert_never(source.kind)


def _staged(facts: RowFacts, staging: Path, source: Source) -> Path:
    """A folder with exactly the recipe's files of a directory context; modes and times are the same on every machine.

    buildx sends only files whose size or time differ from those it sent last (fsutil, tried with buildx 0.29), so the
    time of each file is made from its content: other bytes, another time.
    """
    prefix = f"{source.name}//"
    top = staging / quote(source.name, safe="")
    top.mkdir()
    for file in facts.recipe.files:
        if not file.path.startswith(prefix):
            continue
        inner = file.path.removeprefix(prefix)
        path = top / inner
        path.parent.mkdir(parents=True, exist_ok=True)
        content = facts.files.read(path_in_tree(facts.recipe, file))
        if file.mode == "link":
            path.symlink_to(os.fsdecode(content))
            os.utime(path, (MTIME, MTIME), follow_symlinks=False)
            continue
        path.write_bytes(content)
        path.chmod(0o755 if file.mode == "exec" else 0o644)
        moment = int(file.digest[:12], 16)
        os.utime(path, ns=(0, (moment % _TICK) * 1_000_000_000))
    for folder in (top, *(path for path in top.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(0o755)
        os.utime(folder, (MTIME, MTIME))
    return top


def secrets(row: Row, top: Path) -> tuple[SecretSource, ...]:
    """The secrets of a row as buildx takes them, by the name of a variable or a file, never by value.

    A file is relative to `top`, the repository's, wherever the command is given.
    Raises EnvironmentLacks for a required one that is not there, and a file that may not be read.
    """
    found: list[SecretSource] = []
    for secret in row.image.secrets:
        kind, _, name = secret.source.partition(":")
        file = top / os.path.expanduser(name)  # noqa: PTH111  (pathlib raises for a user who is not there)
        there = name in os.environ if kind == "env" else file.is_file()
        if there and kind == "env":
            found.append((secret.id, "env", name))
        elif there:
            if not os.access(file, os.R_OK):
                raise EnvironmentLacks(f"the secret {secret.id} cannot be read: {file}", doing=f"building {row.name}")
            found.append((secret.id, "file", str(file.resolve())))
        elif secret.required:
            raise EnvironmentLacks(
                f"the secret {secret.id} is not there: {secret.source}",
                doing=f"building {row.name}",
                hint=f"export {name}=..." if kind == "env" else f"write the file {file}",
            )
    return tuple(found)
