"""What has to be built, and why: rows, their states at a place, and what changed since a revision."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageyard import git
from imageyard.errors import ConfigurationError, Denied, NothingToDo, PolicyRefused, Transient, assert_never
from imageyard.layout import aligned
from imageyard.plan.plan import Action, Candidate, Changed, RowKey, alike, decide, failing
from imageyard.project import publish_policy
from imageyard.project.checkout import LANE
from imageyard.project.places import Place, place_of
from imageyard.project.recipes import recipes_at
from imageyard.queries.place_states import states_at
from imageyard.recipe import words
from imageyard.run import last_build
from imageyard.tree import GitTree

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue, Row, Runner
    from imageyard.names import State
    from imageyard.project.project import Project
    from imageyard.recipe.model import Recipe
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = [
    "Asked",
    "Before",
    "bump_of",
    "check",
    "left_out",
    "plan",
    "refused",
    "rendered",
    "states_below",
    "with_ancestors",
]


@dataclass(frozen=True)
class Asked:
    """What a plan is of: the rows of a pattern, at a place (None: offline), compared with a revision."""

    pattern: str = "*"
    arch: str | None = None
    at: str | None = "engine"
    since: str | None = None


def plan(project: Project, recipes: Recipes, services: Services, asked: Asked) -> tuple[Action, ...]:
    """The actions for the rows that are asked for and the ancestors that must be built for them, parents first.

    Raises EnvironmentLacks where the engine is the place and none answers, ConfigurationError for what cannot be read.
    What a registry refuses or fails to say is in the actions: `check` raises it.
    """
    place = place_of(project.catalogue, asked.at) if asked.at else None
    selected = {RowKey(row.name, row.arch) for row in project.rows(asked.pattern, asked.arch)}
    rows = with_ancestors(project.catalogue, recipes, selected)
    tags = {key: recipes.tag(row) for key, row in rows.items()}
    own = [tag for key, tag in tags.items() if rows[key].image.lane == project.catalogue.lane]
    states = dict(states_at(project, services, place, own if place.repository else tags.values())) if place else {}
    if place and place.repository:
        states |= states_below(project, services, rows, tags)
    before = Before.at(project, asked.since) if asked.since else None
    candidates = [
        Candidate(
            key,
            tags[key],
            tuple(RowKey(parent.name, parent.arch) for parent in recipes.parent_rows(row)),
            states.get(tags[key]),
            before.changed(key, recipes.of(row)) if before else _last(project, row, recipes.of(row), place),
            refused(project.catalogue, recipes, row) if place and place.repository else "",
            key in selected,
            bump=bump_of(row),
        )
        for key, row in rows.items()
    ]
    return decide(candidates, place.name if place else "")


def states_below(
    project: Project, services: Services, rows: Mapping[RowKey, Row], tags: Mapping[RowKey, str]
) -> Mapping[str, State]:
    """In a lane, the states of what its rows start from: of no lane, and published in a repository of theirs."""
    wanted = [tags[key] for key, row in rows.items() if row.image.lane != project.catalogue.lane]
    if not wanted:
        return {}
    repository = publish_policy.repository_read(project.catalogue)
    return states_at(project, services, Place(repository.name, repository), wanted)


def refused(catalogue: Catalogue, recipes: Recipes, row: Row, *, weekly: bool = False) -> str:
    """Why a row must not be built for a repository, in words; empty where it may be."""
    if row.image.lane != catalogue.lane:
        return publish_policy.not_of_lane(catalogue)
    return publish_policy.why_not(recipes, row, weekly=weekly)


def check(actions: Sequence[Action], *, nothing_is_news: bool = False) -> None:
    """Raise the error that a plan ends with: Denied or Transient with the registry's words, PolicyRefused.

    `nothing_is_news`: raise NothingToDo where nothing has to be built.
    """
    worst = failing(actions)
    if worst is not None and worst.error is not None:
        count = alike(actions, worst.error)
        more = f" (and {count - 1} more rows)" if count > 1 else ""
        headline = f"{worst.row.image} {worst.row.arch} cannot be planned: {worst.reason}{more}"
        hint = "nothing is built on a guess: see the reasons in the plan, then run it again"
        match worst.error:
            case Denied():
                raise Denied(headline, hint=hint)
            case Transient():
                raise Transient(headline, hint=hint)
            case PolicyRefused():
                raise PolicyRefused(headline, hint=hint)
            case _:
                assert_never(worst.error)
    if nothing_is_news and not any(one.do == "build" for one in actions):
        raise NothingToDo(f"nothing to build: all {len(actions)} rows are there")


def rendered(catalogue: Catalogue, actions: Sequence[Action], *, as_json: bool) -> str:
    """The plan as text: a table, or one JSON value with a row a line."""
    if not as_json:
        cells = [(one.row.image, one.row.arch, str(one.level), one.do, one.reason, one.tag) for one in actions]
        return "\n".join(aligned(("image", "arch", "level", "action", "why", "tag"), cells))
    runners = {RowKey(row.name, row.arch): row.image.runner for row in catalogue.rows}
    lines = [json.dumps(_plain(one, runners[one.row])) for one in actions]
    return '{"rows": [' + ",".join(f"\n  {line}" for line in lines) + "\n]}"


def _plain(one: Action, runner: Runner | None) -> dict[str, object]:
    return {
        "image": one.row.image,
        "arch": one.row.arch,
        "tag": one.tag,
        "action": one.do,
        "reason": one.reason,
        "needs": [key.image for key in one.needs],
        "level": one.level,
        "runner": runner.plain if runner else None,
    }


def left_out(catalogue: Catalogue) -> str:
    """What a run leaves out because it is not about its lane, in a sentence; empty where there is nothing."""
    lanes = catalogue.lanes_elsewhere
    if not lanes:
        return ""
    images = sum(lanes.values())
    named = f"the lane {next(iter(lanes))}" if len(lanes) == 1 else f"the lanes {', '.join(lanes)}"
    return f"{images} image{'s' if images > 1 else ''} of {named} left out: a run with {LANE}=NAME is about one"


def with_ancestors(catalogue: Catalogue, recipes: Recipes, selected: set[RowKey]) -> dict[RowKey, Row]:
    """The selected rows and all that they start from, parents first."""
    rows = {RowKey(row.name, row.arch): row for row in catalogue.rows}
    wanted: set[RowKey] = set()
    todo = list(selected)
    while todo:
        key = todo.pop()
        if key not in wanted:
            wanted.add(key)
            todo += [RowKey(parent.name, parent.arch) for parent in recipes.parent_rows(rows[key])]
    return {key: row for key, row in rows.items() if key in wanted}


def bump_of(row: Row) -> str:
    """What gives a row another tag, in words for a plan."""
    return f"raise `epoch` at {row.image.where}, or move its base: inv lock --refresh"


def _last(project: Project, row: Row, recipe: Recipe, place: Place | None) -> Changed | None:
    """What changed since the row was last built here, where the engine is asked."""
    if place is None or place.repository is not None:
        return None

    last = last_build.last(project, row)
    return None if last is None else Changed("it was last built here", tuple(words.changes(last, recipe)))


class Before:
    """The recipes at a revision, to compare with."""

    def __init__(self, since: str, recipes: Recipes | None) -> None:
        self.since = since
        self.recipes = recipes
        self.rows = {(row.name, row.arch): row for row in recipes.catalogue.rows} if recipes else {}

    @classmethod
    def at(cls, project: Project, since: str) -> Before:
        """Raises ConfigurationError for no revision; one from before there was a catalogue has no rows."""
        folder = "" if project.folder == "." else project.folder
        there = GitTree(project.top, git.resolve(project.top, since), folder).entries()
        return cls(since, recipes_at(project, since) if project.file.name in there else None)

    def changed(self, key: RowKey, recipe: Recipe) -> Changed:
        """What became different of a row since then."""
        if key not in self.rows or self.recipes is None:
            return Changed(self.since, ("new",))
        try:
            old = self.recipes.of(self.rows[key])
        except ConfigurationError as error:
            return Changed(self.since, (f"repaired ({error.headline})",))
        found = words.changes(old, recipe)
        return Changed(self.since, tuple(found))
