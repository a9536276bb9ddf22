"""Build the rows of one image in five steps: identify, look, build, check, publish. Their parents come first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from imageyard.building.builder import (
    Builder,
    BuilderSetting,
    BuiltImage,
    EngineImage,
    NotChecked,
    RowBuild,
    RowPlace,
    Unreached,
)
from imageyard.building.builder_choice import chosen
from imageyard.building.outcomes import Outcomes, key_of, record_found, record_published
from imageyard.building.parents import failed_before, locate_parents
from imageyard.building.table import BUILDERS
from imageyard.errors import FailedBefore, ImageyardError, PolicyRefused
from imageyard.files import locked, make_folder
from imageyard.project.options import BuildOptions
from imageyard.project.row_facts import identify
from imageyard.run import findings
from imageyard.run.facts import keep_facts
from imageyard.run.row_run import RowRun

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.plan.plan import RowKey
    from imageyard.project.project import Project
    from imageyard.project.row_facts import RowFacts
    from imageyard.recipe.recipe import Recipes
    from imageyard.records import Finding, Record
    from imageyard.run.services import Services

__all__ = ["BuiltRows", "build_row", "build_together"]


def build_row(
    project: Project, recipes: Recipes, services: Services, row: Row, options: BuildOptions | None = None
) -> tuple[Record, Recipes]:
    """Build a row's image under its tag at its place, unless it is there; its parents first.

    Its place is the engine, or a repository where the builder pushes or the decision says so. The record is on disk
    as `interrupted` before anything is done. Returns it with the recipes to go on with: stand-ins that were made for
    the row are in them. Raises the error that the record then tells of: BuildFailed, CheckFailed, PolicyRefused for
    another tag than `expect`, EnvironmentLacks without an engine, Denied and Transient for a place that does not say
    what it has.
    """
    built = build_together(project, recipes, services, [row], options or BuildOptions())
    if built.errors:
        raise built.errors[0]
    return built.records[0], built.recipes


class BuiltRows(NamedTuple):
    """The records of rows, the errors that these tell of, the row of each error, and the recipes to go on with."""

    records: tuple[Record, ...]
    errors: tuple[ImageyardError, ...]
    failed: Mapping[RowKey, ImageyardError]
    recipes: Recipes


def build_together(
    project: Project, recipes: Recipes, services: Services, rows: Sequence[Row], options: BuildOptions
) -> BuiltRows:
    """Build the rows of one image, in as few builds as the builder can; one that fails stops no other."""
    if not rows:
        return BuiltRows((), (), {}, recipes)
    choice = chosen(project.catalogue, options)
    runs = [RowRun(services, row, builder=choice.builder, forced=options.forced).begin() for row in rows]
    outcomes = Outcomes()
    try:
        setting = BuilderSetting(project, recipes, services, options, choice)
        builder, place = BUILDERS[choice.builder].make(setting)
    except ImageyardError as error:
        outcomes.fail(runs, error)
    else:
        recipes = _ImageBuild(project, services, options, builder, place, outcomes).run(recipes, runs)
    return BuiltRows(tuple(run.record for run in runs), tuple(outcomes.errors), outcomes.failed, recipes)


@dataclass(frozen=True)
class _ImageBuild:
    """The steps of one image's rows: each takes what the step before it returned."""

    project: Project
    services: Services
    options: BuildOptions
    builder: Builder
    place: RowPlace
    outcomes: Outcomes

    def run(self, recipes: Recipes, runs: Sequence[RowRun]) -> Recipes:
        """Do all steps, and return the recipes to go on with."""
        recipes, identified = self._identify(recipes, runs)
        absent = self.outcomes.run_each(identified, self._look)
        with ExitStack() as locks:
            # In one order, so that two processes that want the same rows do not wait for each other.
            in_order = sorted(absent, key=lambda row: row.facts.tag)
            held = {key_of(row.facts.row) for row in self.outcomes.run_each(in_order, partial(self._hold, locks))}
            needed = [row for row in absent if key_of(row.facts.row) in held]
            failed = {} if self._published_before else self._build_parents(recipes, needed)
            ready = self.outcomes.run_each(needed, partial(self._locate, failed))
            for group in self._groups(ready):
                self._build(self.builder, group)
        return recipes

    @property
    def _published_before(self) -> bool:
        """Whether jobs before this one published the parents; where nothing is pushed, no job sees another's."""
        return self.options.planned and self.options.decision.publishes

    def _identify(self, recipes: Recipes, runs: Sequence[RowRun]) -> tuple[Recipes, list[RowBuild]]:
        rows = []
        for run in runs:
            try:
                self.builder.require_supported(run.row)
                recipes = self.place.prepare(recipes, run.row)
                facts = identify(recipes, run.row, self.options.decision, self.options.extra)
                run.update(recipe=facts.recipe.id, tag=facts.tag)
                _require_expected(facts, self.options.expect)
            except ImageyardError as error:
                self.outcomes.fail([run], error)
            else:
                rows.append(RowBuild(facts, run))
        return recipes, rows

    def _look(self, row: RowBuild) -> RowBuild | None:
        """Ask whether the row is there; return it where it must be built."""
        if not row.run.forced and (found := self.place.find(row.facts)):
            record_found(row.run, row.facts.tag, found)
            return None
        return row

    def _hold(self, locks: ExitStack, row: RowBuild) -> RowBuild | None:
        """Take the row's lock until all rows are done, and look again: another process may have built it."""
        locks.enter_context(_lock(self.project, row))
        if self._look(row) is None:
            return None
        if before := self.services.run.failure_of(*key_of(row.facts.row)):
            row.run.record = before
            doing = f"building {row.run.title}, which failed in this run"
            raise FailedBefore(before.headline, recorded=before.code, doing=doing)
        return row

    def _build_parents(self, recipes: Recipes, rows: Sequence[RowBuild]) -> Mapping[RowKey, ImageyardError]:
        """Build what the rows start from, image by image, and return the errors.

        A parent that failed in this run is not tried again by each child.
        """
        parents: dict[str, dict[str, RowFacts]] = {}
        for row in rows:
            for parent in row.facts.parents:
                parents.setdefault(parent.row.name, {})[parent.row.arch] = parent
        decision = replace(self.options.decision, force=False)
        options = replace(self.options, force=False, expect=None, extra=(), decision=decision)
        failed: dict[RowKey, ImageyardError] = {}
        for by_arch in parents.values():
            before = {key_of(one.row): failed_before(self.services.run, one) for one in by_arch.values()}
            todo = [one for one in by_arch.values() if before[key_of(one.row)] is None]
            built = build_together(self.project, recipes, self.services, [one.row for one in todo], options)
            for error in built.errors:
                self.services.reporter.error(error)
            failed.update({key: error for key, error in before.items() if error} | {**built.failed})
            for one in todo:  # another process built it meanwhile, and its record names the row that is to blame
                if isinstance(failed.get(key_of(one.row)), FailedBefore):
                    failed[key_of(one.row)] = failed_before(self.services.run, one) or failed[key_of(one.row)]
        return failed

    def _locate(self, failed: Mapping[RowKey, ImageyardError], row: RowBuild) -> RowBuild:
        """Find the row's parents, and refuse what could not be published once it is built."""
        located = locate_parents(row, self.place, failed, published_before=self._published_before)
        self.place.require_writable(row.facts)
        return located

    def _groups(self, rows: Sequence[RowBuild]) -> list[list[RowBuild]]:
        try:
            return self.builder.groups(rows) if rows else []
        except ImageyardError as error:
            self.outcomes.fail([row.run for row in rows], error)
            return []

    def _build(self, builder: Builder, group: Sequence[RowBuild]) -> None:
        """Build a group; check and publish its images, as long as they have their temporary names."""
        unreached: Unreached | None = None
        try:
            with builder.build(group) as built:
                if isinstance(built, Unreached):
                    unreached = built
                else:
                    for row, image in zip(group, built, strict=True):
                        self.outcomes.run_each([row], partial(self._finish, builder, image))
        except ImageyardError as error:
            self.outcomes.fail([row.run for row in group], error)
        if unreached:
            self._fall_back(unreached, group)

    def _fall_back(self, unreached: Unreached, group: Sequence[RowBuild]) -> None:
        """Build rows with the builder that stands in, each by itself."""
        fallback = unreached.fallback
        if fallback is None:
            self.outcomes.fail([row.run for row in group], unreached.error)
            return
        for row in group:
            try:
                fallback.require_supported(row.facts.row)
            except ImageyardError as error:
                self.outcomes.fail([row.run], error)
            else:
                self._build(fallback, [row])

    def _finish(self, builder: Builder, image: BuiltImage, row: RowBuild) -> None:
        """Check and publish the image of a row, and record it."""
        if not (isinstance(image, EngineImage) and image.earned):
            result = builder.check(row, image)
            if isinstance(result, NotChecked):
                row.run.add_remark(f"not checked: {result.reason}")
            else:
                findings.require_passed(row.run, result, self.project.shown(row.facts.row))
            if row.facts.fact_commands:
                keep_facts(row.run, lambda: _not_taken(result) or builder.run_facts(row, image))
        record_published(row.run, self.place.publish(row, image))


def _not_taken(checked: Sequence[Finding] | NotChecked) -> str:
    """Why no fact is taken: they are taken where checks run. Empty where they are."""
    return checked.reason if isinstance(checked, NotChecked) else ""


def _require_expected(facts: RowFacts, expected: str | None) -> None:
    """Raise PolicyRefused where neither the row's tag nor that of its content is among the expected ones."""
    if expected is not None and not {facts.tag, facts.content_tag}.intersection(expected.split(",")):
        raise PolicyRefused(
            f"the tag is {facts.tag}, not {_among(facts, expected)}",
            doing=f"building {facts.title}",
            hint=f"inv tag {facts.row.name} --explain    (what it is made of here)",
        )


def _among(facts: RowFacts, expected: str) -> str:
    """The expected tag that is meant for a row: of several, the one with its name."""
    named = [tag for tag in expected.split(",") if tag.startswith(f"{facts.row.name}-")]
    return named[0] if len(named) == 1 else expected


def _lock(project: Project, row: RowBuild) -> AbstractContextManager[None]:
    """The lock of a row of this checkout: several rows may want it at the same time, as their parent."""
    locks = project.state / "locks"
    make_folder(locks)
    return locked(locks / f"{row.facts.tag}.lock", lambda: row.run.step("another process builds it; waiting"))
