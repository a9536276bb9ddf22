"""A builder and a place that keep all in memory and do what a test tells them, behind the real protocols."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from imageyard.building.builder import (
    Builder,
    BuilderSetting,
    BuiltImage,
    EngineImage,
    Found,
    NotChecked,
    Published,
    RowBuild,
    RowPlace,
    Unreached,
)
from imageyard.catalogue.model import Row
from imageyard.errors import ImageyardError, NotFound
from imageyard.names import Reference
from imageyard.project.row_facts import RowFacts
from imageyard.ran import Ended, Ran
from imageyard.recipe.recipe import Recipes
from imageyard.records import Finding

REPOSITORY = Reference("place.test", "ci/image")


@dataclass
class ScriptedPlace:
    """`tags` are what is there; `appears` are tags that another process gives after they were first asked for."""

    tags: set[str] = field(default_factory=set)
    appears: set[str] = field(default_factory=set)
    refuses: dict[str, BaseException] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def prepare(self, recipes: Recipes, row: Row) -> Recipes:
        """See RowPlace."""
        self._refuse(f"prepare {row.name}")
        return recipes

    def find(self, facts: RowFacts) -> Found | None:
        """See RowPlace."""
        self.asked.append(facts.title)
        self._refuse(f"find {facts.row.name}")
        there = facts.tag in self.tags
        if facts.row.name in self.appears:
            self.tags.add(facts.tag)
        return Found("in memory") if there else None

    def parent(self, facts: RowFacts, child: RowFacts) -> str:
        """See RowPlace."""
        if facts.tag not in self.tags:
            raise NotFound(f"{facts.tag} is gone")
        return str(REPOSITORY.with_tag(facts.tag))

    def missing_parent(self, facts: RowFacts) -> str:
        """See RowPlace."""
        return f"{facts.tag} is not in memory"

    def require_writable(self, facts: RowFacts) -> None:
        """See RowPlace."""
        self._refuse(f"write {facts.row.name}")

    def publish(self, row: RowBuild, image: BuiltImage) -> Published:
        """See RowPlace."""
        self._refuse(f"publish {row.facts.row.name}")
        self.tags.add(row.facts.tag)
        return Published(REPOSITORY.with_tag(row.facts.tag), in_repository=False)

    def _refuse(self, what: str) -> None:
        if error := self.refuses.get(what):
            raise error


@dataclass
class ScriptedBuilder:
    """`builds` are what it was asked for, one entry a build; `held` are the names that stand while images are used."""

    fails: dict[str, BaseException] = field(default_factory=dict)
    fails_checks: set[str] = field(default_factory=set)
    unreached: Unreached | None = None
    unchecked: str = ""
    together: bool = False
    facts: Mapping[str, Ran] | ImageyardError = field(default_factory=dict)
    builds: list[tuple[str, ...]] = field(default_factory=list)
    parents: dict[str, dict[str, str]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    def require_supported(self, row: Row) -> None:
        """See Builder."""
        if error := self.fails.get(f"support {row.name}"):
            raise error

    def groups(self, rows: Sequence[RowBuild]) -> list[list[RowBuild]]:
        """See Builder."""
        if error := self.fails.get("groups"):
            raise error
        return [list(rows)] if self.together else [[row] for row in rows]

    @contextmanager
    def build(self, rows: Sequence[RowBuild]) -> Iterator[Sequence[BuiltImage] | Unreached]:
        """See Builder."""
        titles = tuple(row.facts.title for row in rows)
        self.builds.append(titles)
        if self.unreached:
            yield self.unreached
            return
        for row in rows:
            self.parents[row.facts.title] = dict(row.parents)
            if error := self.fails.get(row.facts.row.name):
                raise error
        self.held |= set(titles)
        try:
            yield [EngineImage(REPOSITORY.with_tag("unchecked")) for _ in rows]
        finally:
            self.held -= set(titles)

    def check(self, row: RowBuild, image: BuiltImage) -> Sequence[Finding] | NotChecked:
        """See Builder."""
        assert row.facts.title in self.held
        if self.unchecked:
            return NotChecked(self.unchecked)
        bad = row.facts.row.name in self.fails_checks
        return [Finding("word", ok=not bad, expected="12", actual="13" if bad else "12")]

    def run_facts(self, row: RowBuild, image: BuiltImage) -> Mapping[str, Ran]:
        """See Builder; a fact without an answer of its own says its command."""
        assert row.facts.title in self.held
        if isinstance(self.facts, ImageyardError):
            raise self.facts
        said = {fact.name: Ended(0, " ".join(fact.run)) for fact in row.facts.fact_commands}
        return {name: self.facts.get(name, answer) for name, answer in said.items()}


def maker(builder: Builder, place: RowPlace) -> object:
    """Return what stands in the table of builders as `make`."""

    def make(setting: BuilderSetting) -> tuple[Builder, RowPlace]:
        return builder, place

    return make
