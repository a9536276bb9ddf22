"""What a person may ask of a build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, get_args

from imageyard.catalogue.builder_sections import BUILDER_SECTIONS
from imageyard.catalogue.suggest import did_you_mean
from imageyard.errors import ConfigurationError
from imageyard.plan.trust import LOCAL, Decision, Repository

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.recipe.recipe import Recipes

__all__ = [
    "PLANNED",
    "BuildOptions",
    "BuilderName",
    "as_builder",
    "as_repository",
    "assignments",
    "build_options",
    "refuse_unused",
]

_Word = TypeVar("_Word", bound=str)

PLANNED = "IMAGEYARD_PLANNED"
"""The variable that says so to the job of a row."""

BuilderName: TypeAlias = str
"""`local`, or the name of a section of the catalogue's `builders:`."""
REPOSITORIES: tuple[Repository, ...] = get_args(Repository)


@dataclass(frozen=True)
class BuildOptions:
    """What a person may ask of a build: `expect` refuses any other tag, `extra` goes to `docker buildx build`.

    `builder` None is the local one unless the surroundings say otherwise; `address` is that of a remote worker where
    it is not the catalogue's; `at` is the repository to publish in, None as `decision` says. `planned`: a workflow's
    plan has this row and what it starts from, each in a job of its own.
    """

    force: bool = False
    expect: str | None = None
    set_args: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    builder: BuilderName | None = None
    address: str | None = None
    at: Repository | None = None
    decision: Decision = LOCAL
    planned: bool = False

    @property
    def forced(self) -> bool:
        """Whether rows are built although they may be there."""
        return self.force or self.decision.force

    @property
    def changes(self) -> tuple[str, ...]:
        """What makes the image another one than the catalogue's, as a person types it."""
        return (*(f"--set {name}={value}" for name, value in self.set_args.items()), *self.extra)


def build_options(
    typed: Mapping[str, Any],
    set_args: Mapping[str, str],
    decision: Decision,
    *,
    extra: Sequence[str] = (),
    planned: bool = False,
) -> BuildOptions:
    """Make the options of a build from the values that a person typed, one for each name of BUILD_OPTIONS.

    `set_args` are the `assignments` of its `set`, which recipes are made of too. Raises ConfigurationError for a
    builder or a repository that there is none of.
    """
    return BuildOptions(
        force=typed["force"],
        expect=typed["expect"],
        set_args=set_args,
        extra=tuple(extra),
        builder=as_builder(typed["builder"]),
        address=typed["address"],
        at=as_repository(typed["at"]),
        decision=decision,
        planned=planned,
    )


def as_repository(text: str | None) -> Repository | None:
    """The repository that a person named. Raises ConfigurationError for another word."""
    return _known(text, REPOSITORIES, "repository")


def as_builder(text: str | None) -> BuilderName | None:
    """The builder that a person named. Raises ConfigurationError for another word."""
    return _known(text, ("local", *BUILDER_SECTIONS), "builder")


def _known(text: str | None, words: tuple[_Word, ...], what: str) -> _Word | None:
    if text is None:
        return None
    for word in words:
        if text == word:
            return word
    raise ConfigurationError(f"unknown {what} {text!r}", hint=did_you_mean(text, words))


def assignments(pairs: Sequence[str]) -> Mapping[str, str]:
    """`NAME=VALUE` arguments as a map. Raises ConfigurationError for any other form."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigurationError(
                f"--set takes NAME=VALUE, not {pair!r}", hint="for example: --set PYTHON_VERSION=3.13"
            )
        found[name] = value
    return found


def refuse_unused(recipes: Recipes, rows: Sequence[Row], values: Mapping[str, str]) -> None:
    """Raise ConfigurationError for a `--set` that none of the rows, nor what they start from, declares.

    It would change nothing, and the tag would be the one that everybody has. Where a recipe cannot be worked out, with
    these values or without, nothing is known of what it declares: that error is told where the recipe is wanted.
    """
    unused = dict.fromkeys(values)
    declared: dict[str, None] = {}
    todo = list(rows)
    while unused and todo:
        row = todo.pop(0)
        try:
            declared.update(dict.fromkeys((*recipes.of(row).build_args, *row.args, *row.image.parents)))
            todo += recipes.parent_rows(row)
        except ConfigurationError:
            return
        unused = {name: None for name in unused if name not in declared}
    if unused:
        name = next(iter(unused))
        raise ConfigurationError(
            f"--set {name} changes nothing: neither the catalogue nor a Dockerfile of {_named(rows)} has that arg",
            hint=(did_you_mean(name, sorted(declared)), f"inv tag '{rows[0].name}' --explain    (the args it has)"),
        )


def _named(rows: Sequence[Row]) -> str:
    names = dict.fromkeys(row.name for row in rows)
    return next(iter(names)) if len(names) == 1 else f"these {len(names)} images"
