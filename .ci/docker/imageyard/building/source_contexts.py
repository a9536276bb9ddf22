"""What a build gets from outside its context: bases and parents by digest, directories, secrets by name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from imageyard.builders.request import SecretSource
from imageyard.errors import EnvironmentLacks, NotFound, assert_never
from imageyard.names import parse_digest, parse_reference
from imageyard.project.tags import row_tag
from imageyard.recipe.seal import MTIME

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.project.options import BuildOptions
    from imageyard.project.project import Project
    from imageyard.publishing.destination import ParentOf
    from imageyard.recipe.model import Source
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["Binding", "contexts", "in_engine", "secrets"]

_TICK = 2**30
"""Seconds over which the times of staged files are spread."""


@dataclass(frozen=True)
class Binding:
    """What sources are bound in: a row with its recipe among `recipes`, a folder to stage files in, its parents."""

    recipes: Recipes
    row: Row
    staging: Path
    parent: ParentOf


def contexts(binding: Binding) -> dict[str, str]:
    """Every source of the row as a build context, but for unlocked ones, which the builder resolves itself."""
    sources = binding.recipes.of(binding.row).sources
    found = {source.name: _bound(binding, source) for source in sources}
    return {name: bound for name, bound in found.items() if bound is not None}


def _bound(binding: Binding, source: Source) -> str | None:
    match source.kind:
        case "locked":
            return f"docker-image://{parse_reference(source.name).with_digest(parse_digest(source.value))}"
        case "standin":
            return f"docker-image://{binding.recipes.stand_ins.served(source.name, parse_digest(source.value))}"
        case "parent":
            rows = binding.recipes.parent_rows(binding.row)
            parent = next(row for row in rows if binding.recipes.of(row).id == source.value)
            return f"docker-image://{binding.parent(parent)}"
        case "directory":
            return str(_staged(binding, source))
        case "unlocked":
            return None
        case _:
            assert_never(source.kind)


def in_engine(project: Project, recipes: Recipes, services: Services, options: BuildOptions) -> ParentOf:
    """Parents as the engine has them, under their tags: by digest in a store that has digests."""

    def find(parent: Row) -> str:
        engine = services.engine()
        reference = project.repository.with_tag(row_tag(recipes, parent, options.decision))
        found = engine.inspect(str(reference))
        if found is None:
            doing = f"building on {parent.name} {parent.arch}"
            raise NotFound(f"{reference} is gone from the engine", doing=doing, hint="run it again")
        # Engine 26.1 tells no digest, and its BuildKit does not find a loaded image by one (tried).
        digest = found.digest if engine.image_store == "containerd" else None
        return f"{reference}@{digest}" if digest else str(reference)

    return find


def _staged(binding: Binding, source: Source) -> Path:
    """A folder with exactly the recipe's files of a directory context; modes and times are the same on every machine.

    buildx sends only files whose size or time differ from those it sent last (fsutil, tried with buildx 0.29), so the
    time of each file is made from its content: other bytes, another time.
    """
    tree = binding.recipes.tree(binding.row)
    prefix = f"{source.name}//"
    top = binding.staging / quote(source.name, safe="")
    top.mkdir()
    for file in binding.recipes.of(binding.row).files:
        if not file.path.startswith(prefix):
            continue
        inner = file.path.removeprefix(prefix)
        path = top / inner
        path.parent.mkdir(parents=True, exist_ok=True)
        content = tree.read(f"{source.value}/{inner}".removeprefix("./"))
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
