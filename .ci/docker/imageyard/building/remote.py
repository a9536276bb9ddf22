"""The builder that is a remote BuildKit worker: it pushes rows by digest, and no engine is asked for anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imageyard.builders import buildx
from imageyard.builders import remote as remote_worker
from imageyard.builders.remote import Worker
from imageyard.builders.request import Lost, Unreachable
from imageyard.building import attempt, layer_cache, remote_checks
from imageyard.building.builder import BuiltImage, NotChecked, PushedImage
from imageyard.building.builder_choice import remote
from imageyard.building.repository_place import place_of
from imageyard.errors import EnvironmentLacks, Transient
from imageyard.run import leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from imageyard.board import Board
    from imageyard.builders.request import BuildRequest, Outcome
    from imageyard.building.builder import BuilderSetting, RowBuild, RowPlace
    from imageyard.building.builder_choice import Choice
    from imageyard.catalogue.model import Catalogue, Row
    from imageyard.names import Reference
    from imageyard.project.options import BuildOptions
    from imageyard.project.project import Project
    from imageyard.ran import Ran
    from imageyard.records import Finding
    from imageyard.run.services import Services

__all__ = ["RemoteBuilder", "make", "require_workers"]


@dataclass(frozen=True)
class RemoteBuilder:
    """Builds on workers elsewhere, which push to `repository`."""

    project: Project
    services: Services
    options: BuildOptions
    choice: Choice
    repository: Reference

    def require_supported(self, row: Row) -> None:
        """Raise ConfigurationError for an architecture without a worker."""
        remote(self.choice, self.project.catalogue, row.arch)

    def groups(self, rows: Sequence[RowBuild]) -> list[list[RowBuild]]:
        """Build each row by itself."""
        return [[row] for row in rows]

    @contextmanager
    def build(self, rows: Sequence[RowBuild]) -> Iterator[Sequence[BuiltImage]]:
        """Have a row built and pushed by digest."""
        (row,) = rows
        facts, run = row.facts, row.run
        worker = self._worker(facts.row)
        leftovers.dead_runs(self.project, self.services, None)
        attempt.note_why(self.project, rows, attempt.versions(self.project), f"at {self.repository.name}")
        run.step(f"building on {worker.address}")
        with attempt.begin(self.project, self.services, rows) as staging:
            asked = attempt.request(self.project, self.options, row, staging)
            request = replace(asked, tags=(self.repository,), output="push-by-digest")
            outcome = attempt.run(self.services, rows, request, self._starter(worker, facts.row.image.timeout))
        ended = _require_worker(outcome, worker, f"building {run.title}")
        built = attempt.require_image(self.project, self.services, rows, ended)
        if built.digest is None:
            raise EnvironmentLacks(
                f"buildx does not say what it pushed to {self.repository.name}", doing=f"building {run.title}"
            )
        run.update(digest=built.digest)
        yield [PushedImage(self.repository.with_digest(built.digest))]

    def check(self, row: RowBuild, image: BuiltImage) -> Sequence[Finding] | NotChecked:
        """Run the row's checks on its worker, if the image asks for that."""
        if not row.facts.row.image.remote_checks:
            return NotChecked("built by remote workers")
        return remote_checks.run_checks(self.project, self.services, row, image.reference, self._check_starter(row))

    def run_facts(self, row: RowBuild, image: BuiltImage) -> Mapping[str, Ran]:
        """Run the commands of the row's facts on its worker."""
        return remote_checks.run_facts(self.project, self.services, row, image.reference, self._check_starter(row))

    def _check_starter(self, row: RowBuild) -> remote_checks.StartCheck:
        worker, doing = self._worker(row.facts.row), f"building {row.run.title}"
        start = self._starter(worker, remote_checks.TIMEOUT)

        def start_check(request: BuildRequest, board: Board, raw: Path) -> attempt.Ended:
            return _require_worker(start(request, board, raw), worker, doing)

        return start_check

    def _starter(self, worker: Worker, timeout: float) -> attempt.StartBuild:
        program, env = buildx.find(), layer_cache.passed(self.project.catalogue, self.services.provider)

        def start(request: BuildRequest, board: Board, raw: Path) -> Outcome:
            return remote_worker.build(
                request,
                worker,
                program=program,
                board=board,
                raw=raw,
                story=self.services.reporter,
                env=env,
                timeout=timeout,
            )

        return start

    def _worker(self, row: Row) -> Worker:
        address, settings = remote(self.choice, self.project.catalogue, row.arch)
        return Worker(address, settings.insecure, settings.tls, settings.connect_timeout)


def make(setting: BuilderSetting) -> tuple[RemoteBuilder, RowPlace]:
    """Make the builder; its rows are published, by a person at `branch` unless told."""
    place = place_of(setting)
    repository = place.destination.repository
    return RemoteBuilder(setting.project, setting.services, setting.options, setting.choice, repository), place


def require_workers(catalogue: Catalogue, choice: Choice, rows: Sequence[Row]) -> None:
    """Raise ConfigurationError for an architecture without a worker, before hours are spent on another."""
    for row in rows:
        remote(choice, catalogue, row.arch)


def _require_worker(outcome: Outcome, worker: Worker, doing: str) -> attempt.Ended:
    match outcome:
        case Unreachable(cause=cause):
            raise Transient(cause, doing=doing, hint="run it again, or look whether its workers start")
        case Lost(cause=cause):
            words = f"{worker.address} was lost in mid-build: {cause}"
            raise Transient(words, doing=doing, hint="run it again: what was lost has no tag")
        case _:
            return outcome
