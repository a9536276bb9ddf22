"""What a build gets from outside its context: bases and parents by digest, directories, secrets by name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard.builders.request import SecretSource
from imageyard.building.sealed_context import SealedContext, seal
from imageyard.errors import EnvironmentLacks, assert_never
from imageyard.names import parse_digest, parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imageyard.catalogue.model import Row
    from imageyard.project.row_facts import RowFacts
    from imageyard.recipe.model import Source

__all__ = ["contexts", "sealed", "secrets"]


def sealed(facts: RowFacts, staging: Path) -> SealedContext:
    """Write a row's context to `staging`. Raises Transient where a file changed after the tag was computed."""
    recipe = facts.recipe
    return seal(recipe.files, facts.trees, facts.dockerfile, staging, name=Path(recipe.dockerfile).name)


def contexts(facts: RowFacts, parents: Mapping[str, str], context: SealedContext) -> dict[str, str]:
    """Return every source of a row as a build context, but for unlocked ones, which the builder resolves itself.

    `parents` are references by name.
    """
    bound = {source.name: _bound(facts, parents, context, source) for source in facts.recipe.sources}
    return {name: where for name, where in bound.items() if where is not None}


def _bound(facts: RowFacts, parents: Mapping[str, str], context: SealedContext, source: Source) -> str | None:
    match source.kind:
        case "locked":
            return f"docker-image://{parse_reference(source.name).with_digest(parse_digest(source.value))}"
        case "standin":
            return f"docker-image://{facts.stand_ins.served(source.name, parse_digest(source.value))}"
        case "parent":
            parent = next(parent for parent in facts.parents if parent.recipe.id == source.value)
            return f"docker-image://{parents[parent.row.name]}"
        case "directory":
            return str(context.named[source.name])
        case "unlocked":
            return None
        case _:
            assert_never(source.kind)


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
