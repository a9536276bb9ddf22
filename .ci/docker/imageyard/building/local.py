"""The builder that is the engine of this machine: rows are loaded unchecked, and checked there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imageyard.building.builder import BuiltImage, EngineImage
from imageyard.building.engine_place import EnginePlace, image_in_engine, reference_of
from imageyard.building.unchecked_image import unchecked_image
from imageyard.checks.run import run_checks, run_command
from imageyard.names import platform_of
from imageyard.project.labels import RUN_LABEL

if TYPE_CHECKING:
    from imageyard.building.builder import BuilderSetting, RowBuild, RowPlace
    from imageyard.catalogue.model import Row
    from imageyard.project.options import BuildOptions
    from imageyard.project.project import Project
    from imageyard.ran import Ran
    from imageyard.records import Finding
    from imageyard.run.services import Services

__all__ = ["LocalBuilder", "make"]


@dataclass(frozen=True)
class LocalBuilder:
    """Builds in the engine of this machine. `publishes`: images are sent on from there to a repository."""

    project: Project
    services: Services
    options: BuildOptions
    publishes: bool

    def require_supported(self, row: Row) -> None:
        """An engine builds whatever a catalogue asks for."""

    def groups(self, rows: Sequence[RowBuild]) -> list[list[RowBuild]]:
        """Build each row by itself."""
        return [[row] for row in rows]

    @contextmanager
    def build(self, rows: Sequence[RowBuild]) -> Iterator[Sequence[BuiltImage]]:
        """Build a row, unless it is published from here and a run that could not push it left it in the engine."""
        (row,) = rows
        if self.publishes:
            from imageyard.publishing import export

            export.require_whole(self.services, row.facts)
            if self._is_earned(row):
                yield [EngineImage(reference_of(self.project, row.facts), earned=True)]
                return
        with unchecked_image(self.project, self.services, self.options, row) as unchecked:
            yield [EngineImage(unchecked)]

    def check(self, row: RowBuild, image: BuiltImage) -> Sequence[Finding]:
        """Run the row's checks in containers of the engine."""
        return run_checks(
            self.services.engine(),
            str(image.reference),
            row.facts.checks,
            row.facts.check_args,
            platform=platform_of(row.facts.row.arch),
            labels={RUN_LABEL: self.services.run.id},
        )

    def run_facts(self, row: RowBuild, image: BuiltImage) -> Mapping[str, Ran]:
        """Run the commands of the row's facts in containers of the engine."""
        engine, labels = self.services.engine(), {RUN_LABEL: self.services.run.id}
        reference, platform = str(image.reference), platform_of(row.facts.row.arch)
        return {
            fact.name: run_command(engine, reference, fact.run, platform=platform, labels=labels)
            for fact in row.facts.fact_commands
        }

    def _is_earned(self, row: RowBuild) -> bool:
        if row.run.forced or not self.options.decision.may_read_engine:
            return False
        return image_in_engine(self.project, self.services, row.facts) is not None


def make(setting: BuilderSetting) -> tuple[LocalBuilder, RowPlace]:
    """Make the builder; its rows stay in the engine, unless a place was named or the run publishes."""
    options = setting.options
    publishes = options.at is not None or options.decision.publishes
    return LocalBuilder(setting.project, setting.services, options, publishes), _place(setting, publishes=publishes)


def _place(setting: BuilderSetting, *, publishes: bool) -> RowPlace:
    if not publishes:
        return EnginePlace(setting.project, setting.services)
    from imageyard.building.repository_place import place_of

    return place_of(setting)
