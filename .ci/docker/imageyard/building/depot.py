"""The builder that is Depot: it builds the rows of one image in one build, and pushes them by digest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imageyard.builders import depot as depot_cli
from imageyard.builders.depot import LOOKED_FOR, Refused
from imageyard.builders.request import Lost, Unreachable
from imageyard.building import attempt, remote_checks
from imageyard.building.builder import BuiltImage, NotChecked, PushedImage, Unreached, title_of
from imageyard.building.builder_choice import depot_project
from imageyard.building.depot_parents import one_for_all
from imageyard.building.local import LocalBuilder
from imageyard.building.repository_place import place_of
from imageyard.catalogue.builder_sections import DepotSettings
from imageyard.errors import ConfigurationError, Denied, EnvironmentLacks, ImageyardError, Transient
from imageyard.names import platform_of
from imageyard.oci.indexes import part
from imageyard.oci.raw import Raw
from imageyard.publishing.publish import RAISE_EPOCH
from imageyard.publishing.verify_published import prove
from imageyard.run import leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from imageyard.board import Board
    from imageyard.builders.request import BuildRequest, Built, Outcome
    from imageyard.building.builder import BuilderSetting, RowBuild, RowPlace
    from imageyard.catalogue.model import Catalogue, Row
    from imageyard.names import Digest, Reference
    from imageyard.plan.trust import Repository
    from imageyard.project.options import BuildOptions
    from imageyard.project.project import Project
    from imageyard.ran import Ran
    from imageyard.recipe.recipe import Recipes
    from imageyard.records import Finding
    from imageyard.run.services import Services

__all__ = ["DepotBuilder", "make"]


@dataclass(frozen=True)
class DepotBuilder:
    """Builds at Depot, in `depot_project`, whose builders push to `repository`."""

    project: Project
    recipes: Recipes
    services: Services
    options: BuildOptions
    depot_project: str
    repository: Reference

    def require_supported(self, row: Row) -> None:
        """Depot builds whatever a catalogue asks for; rows of a lane never come here (`lane_images.in_lane`)."""

    def groups(self, rows: Sequence[RowBuild]) -> list[list[RowBuild]]:
        """Put rows in one build that have the same inputs, and parents which one reference leads to."""
        by_inputs: dict[str, list[RowBuild]] = {}
        for row in rows:
            by_inputs.setdefault(row.facts.recipe.inputs, []).append(row)
        if len(by_inputs) > 1:
            arches = ", ".join(" ".join(row.facts.row.arch for row in group) for group in by_inputs.values())
            words = "its architectures have different args, files or bases, so one build cannot make them all"
            self.services.reporter.detail(f"{rows[0].facts.row.name}: {words}: {arches}")
        return [group for rows_alike in by_inputs.values() for group in self._with_one_parent(rows_alike)]

    def _with_one_parent(self, rows: list[RowBuild]) -> list[list[RowBuild]]:
        if len(rows) == 1:
            return [rows]
        parents = one_for_all(self.recipes, self.options, self.services.registry(), self.repository, rows)
        if parents is None:
            where = "no index that may be used has its parents, so each architecture is built by itself"
            self.services.reporter.detail(f"{rows[0].facts.row.name}: {where}")
            return [[row] for row in rows]
        return [[replace(row, parents=parents) for row in rows]]

    @contextmanager
    def build(self, rows: Sequence[RowBuild]) -> Iterator[Sequence[BuiltImage] | Unreached]:
        """Have rows built and pushed by digest, and prove what the registry has."""
        leftovers.dead_runs(self.project, self.services, None)
        program = depot_cli.find()
        versions = attempt.versions(self.project) | {"depot": depot_cli.version(program)}
        attempt.note_why(self.project, rows, versions, f"at {self.repository.name}")
        self.services.reporter.step(f"{title_of(rows)}: building at Depot, project {self.depot_project}")
        timeout = max(row.facts.row.image.timeout for row in rows)
        with attempt.begin(self.project, self.services, rows) as staging:
            request = self._request(rows, staging)
            outcome = attempt.run(self.services, rows, request, self._starter(program, timeout))
        if isinstance(outcome, Unreachable):
            error = _unreached(outcome)
            yield Unreached(error, self._fallback(rows, error))
            return
        ended = _require_builder(outcome, f"building {title_of(rows)}")
        images = self._pushed(rows, attempt.require_image(self.project, self.services, rows, ended))
        for row, image in zip(rows, images, strict=True):
            row.run.update(digest=image.reference.digest)
        yield images

    def check(self, row: RowBuild, image: BuiltImage) -> Sequence[Finding] | NotChecked:
        """Run the row's checks at Depot, if the image asks for that."""
        if not row.facts.row.image.remote_checks:
            return NotChecked("built at Depot")
        return remote_checks.run_checks(self.project, self.services, row, image.reference, self._check_starter(row))

    def run_facts(self, row: RowBuild, image: BuiltImage) -> Mapping[str, Ran]:
        """Run the commands of the row's facts at Depot, which keeps the two streams of a step in one."""
        return remote_checks.run_facts(self.project, self.services, row, image.reference, self._check_starter(row))

    def _check_starter(self, row: RowBuild) -> remote_checks.StartCheck:
        doing, start = f"building {row.run.title}", self._starter(depot_cli.find(), remote_checks.TIMEOUT)

        def start_check(request: BuildRequest, board: Board, raw: Path) -> attempt.Ended:
            return _require_builder(start(request, board, raw), doing)

        return start_check

    def _fallback(self, rows: Sequence[RowBuild], error: ImageyardError) -> LocalBuilder | None:
        """Return the engine of this machine as the builder instead, where the catalogue says so."""
        depot = self.project.catalogue.builders.of(DepotSettings)
        if depot is None or depot.fallback is None:
            return None
        self.services.reporter.warn(f"{error.headline}; fallback: {depot.fallback}")
        for row in rows:
            row.run.update(builder="local", remarks=(f"built by docker buildx: {error.headline}",))
        return LocalBuilder(self.project, self.services, self.options, publishes=True)

    def _request(self, rows: Sequence[RowBuild], staging: Path) -> BuildRequest:
        return replace(
            attempt.request(self.project, self.options, rows[0], staging),
            platform=",".join(platform_of(row.facts.row.arch) for row in rows),
            tags=(self.repository,),
            output="push-by-digest",
            cache_from=(),  # Depot keeps the layers of a project itself
            cache_to=(),
        )

    def _starter(self, program: str, timeout: float) -> attempt.StartBuild:
        def start(request: BuildRequest, board: Board, raw: Path) -> Outcome:
            return depot_cli.build(
                request, program=program, project=self.depot_project, board=board, raw=raw, timeout=timeout
            )

        return start

    def _pushed(self, rows: Sequence[RowBuild], built: Built) -> list[PushedImage]:
        """Prove what was pushed, and return the image of each row: the one that was built, or its part of the index."""
        if built.digest is None:
            raise EnvironmentLacks(
                f"the Depot CLI does not say what it pushed to {self.repository.name}", doing="building at Depot"
            )
        inputs = {platform: digest for row in rows for platform, digest in row.facts.inputs.items()}
        image = self.repository.with_digest(built.digest)
        whole = prove(self.services.registry(), image, inputs, RAISE_EPOCH).raw
        digests = [built.digest] if len(rows) == 1 else [self._part(row, whole) for row in rows]
        return [PushedImage(self.repository.with_digest(digest)) for digest in digests]

    def _part(self, row: RowBuild, whole: Raw) -> Digest:
        """Return the digest of a row's part of an index, which the repository then has by digest."""
        own = part(whole, platform_of(row.facts.row.arch))
        if not isinstance(own, Raw):
            return own
        return self.services.registry().put(self.repository.with_digest(own.digest), own.body, own.media_type)


def make(setting: BuilderSetting) -> tuple[DepotBuilder, RowPlace]:
    """Make the builder; its rows are published. Raises ConfigurationError where the catalogue names no project."""
    place = place_of(setting)
    to, project = place.destination, setting.project
    depot_project = _require_project(project.catalogue, to.at)
    builder = DepotBuilder(project, setting.recipes, setting.services, setting.options, depot_project, to.repository)
    return builder, place


def _require_project(catalogue: Catalogue, at: Repository) -> str:
    """Return the project for what is published at `at`. Raises ConfigurationError where the catalogue names none."""
    if project := depot_project(catalogue.builders, at):
        return project
    ignored = " (DEPOT_PROJECT_ID does not count: it would not tell trusted from branch)"
    raise ConfigurationError(
        f"builders.depot names no project for {at}",
        doing=f"choosing the project at Depot{ignored if os.environ.get('DEPOT_PROJECT_ID') else ''}",
        at=catalogue.file,
        hint=f"add to the catalogue: builders: {{depot: {{{at}: PROJECT}}}}    (its id: depot list projects)",
    )


def _unreached(outcome: Unreachable) -> ImageyardError:
    if isinstance(outcome, Refused):
        hint = ("set DEPOT_TOKEN, or: depot login", LOOKED_FOR)
        return Denied(f"Depot refused the login: {outcome.cause}", doing="building at Depot", hint=hint)
    hint = ("run it again", "or build elsewhere: --builder local, --builder remote")
    return Transient(f"Depot could not be reached: {outcome.cause}", doing="building at Depot", hint=hint)


def _require_builder(outcome: Outcome, doing: str) -> attempt.Ended:
    match outcome:
        case Unreachable():
            raise _unreached(outcome)
        case Lost(cause=cause):
            hint = "run it again: nothing has got the tag"
            raise Transient(f"the build at Depot was lost: {cause}", doing=doing, hint=hint)
        case _:
            return outcome
