"""What is fixed of a row once it is identified: its recipe, its tag, its checks, and the same of its parents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imageyard.catalogue.model import Check, FactCommand, Image, Row
from imageyard.names import platform_of
from imageyard.plan.trust import LOCAL, Decision
from imageyard.project.tags import row_tag
from imageyard.recipe.model import Recipe
from imageyard.recipe.recipe import Recipes
from imageyard.recipe.stand_ins import StandIns
from imageyard.treebase import Tree

__all__ = ["RowFacts", "identify"]


@dataclass(frozen=True)
class RowFacts:
    """A row with all that follows from the catalogue and the files, never worked out again.

    `declared` is the image as `--set` leaves it. `trees` are its context, under the name `""`, and its named contexts,
    of whose files the recipe names those that a build gets; `dockerfile` is the text of its Dockerfile. `stand_ins`
    says where a base that was made here is served. `content_tag` is the tag by content where `tag` is that of a weekly
    build. `checks`, `check_args` and `fact_commands` are those of the parents too, of which its own win by name.
    """

    row: Row
    declared: Image
    recipe: Recipe
    trees: Mapping[str, Tree]
    dockerfile: bytes
    stand_ins: StandIns
    tag: str
    content_tag: str
    parents: tuple[RowFacts, ...]
    checks: tuple[Check, ...]
    check_args: Mapping[str, str]
    fact_commands: tuple[FactCommand, ...]

    @property
    def title(self) -> str:
        """The row as reports name it."""
        return f"{self.row.name} {self.row.arch}"

    @property
    def inputs(self) -> Mapping[str, str]:
        """The inputs that the row's image is made of, by its platform."""
        return {platform_of(self.row.arch): self.recipe.inputs}


def identify(recipes: Recipes, row: Row, decision: Decision = LOCAL, passed: Sequence[str] = ()) -> RowFacts:
    """Work out what a row is made of; `passed` are docker arguments, which change the row's tag and not its parents'.

    Raises ConfigurationError for a Dockerfile that cannot be read and a file that is not there.
    """
    recipe, declared = recipes.of(row), recipes.own(row)
    parents = tuple(identify(recipes, parent, decision) for parent in recipes.parent_rows(row))
    checks: dict[str, Check] = {}
    args: dict[str, str] = {}
    commands: dict[str, FactCommand] = {}
    for parent in parents:
        checks |= {check.name: check for check in parent.checks}
        args |= parent.check_args
        commands |= {fact.name: fact for fact in parent.fact_commands}
    checks |= {check.name: check for check in declared.image.checks}
    commands |= {fact.name: fact for fact in declared.image.facts}
    args |= {name: value for name, value in recipes.set_args.items() if name in recipe.build_args}
    return RowFacts(
        row,
        declared.image,
        recipe,
        recipes.trees(row),
        recipes.dockerfile(row),
        recipes.stand_ins,
        row_tag(recipes, row, decision, passed),
        recipes.tag(row, passed),
        parents,
        tuple(checks.values()),
        args | dict(declared.args),
        tuple(commands.values()),
    )
