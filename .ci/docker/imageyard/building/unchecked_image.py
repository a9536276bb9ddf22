"""Build a row into the engine under a name that says `unchecked`, which goes when its user is done with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from imageyard.builders import buildx
from imageyard.builders.request import Built, Lost, Unreachable, loadable
from imageyard.building import attempt, layer_cache
from imageyard.errors import EnvironmentLacks, ImageyardError, Transient
from imageyard.run import leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from imageyard.board import Board
    from imageyard.builders.request import BuildRequest, Outcome
    from imageyard.building.builder import RowBuild
    from imageyard.engine import Engine
    from imageyard.names import Reference
    from imageyard.project.options import BuildOptions
    from imageyard.project.project import Project
    from imageyard.run.services import Services

__all__ = ["unchecked_image"]


@contextmanager
def unchecked_image(project: Project, services: Services, options: BuildOptions, row: RowBuild) -> Iterator[Reference]:
    """Build a row and give the name of what was loaded; the name is taken away at the end, whatever happens.

    Raises BuildFailed with the last lines of the step that failed.
    """
    engine, facts = services.engine(), row.facts
    leftovers.dead_runs(project, services, engine)
    unchecked = leftovers.unchecked(project, services, facts.row, facts.recipe)
    attempt.note_why(project, [row], attempt.versions(project, engine=engine.version))
    try:
        with attempt.begin(project, services, [row]) as staging:
            request = _request(services, engine, attempt.request(project, options, row, staging), staging)
            request = replace(request, tags=(unchecked,))
            outcome = attempt.run(
                services, [row], request, _starter(project, services, engine, facts.row.image.timeout)
            )
        attempt.require_image(project, services, [row], _require_engine(outcome, f"building {row.run.title}"))
        yield unchecked
    finally:
        with suppress(ImageyardError):
            engine.untag(str(unchecked))


def _request(services: Services, engine: Engine, asked: BuildRequest, staging: Path) -> BuildRequest:
    """Narrow a request to what the engine's image store can hold, and say what was left out."""
    request, left_out = loadable(asked, engine.image_store)
    if left_out:
        words = ", ".join(left_out)
        services.reporter.detail(f"without {words}: the engine's classic image store cannot hold that")
    if request.cache_to and engine.image_store == "classic":  # `Cache export is not supported` (buildx 0.29)
        services.reporter.detail("no layer cache is written: the engine's classic image store cannot")
        request = replace(request, cache_to=())
    if (
        request.reproducible
    ):  # `"rewrite-timestamp" conflicts with "unpack"`, which loading always is (engine 26.1, 28.5)
        request = replace(request, output="archive", archive=staging / "image.tar")
    return request


def _starter(project: Project, services: Services, engine: Engine, timeout: float) -> attempt.StartBuild:
    program, env = buildx.find(), {**engine.env, **layer_cache.passed(project.catalogue, services.provider)}

    def start(request: BuildRequest, board: Board, raw: Path) -> Outcome:
        outcome = buildx.build(request, program=program, env=env, timeout=timeout, board=board, raw=raw)
        if isinstance(outcome, Built) and request.archive is not None:
            engine.load(request.archive)
        return outcome

    return start


def _require_engine(outcome: Outcome, doing: str) -> attempt.Ended:
    match outcome:
        case Unreachable(cause=cause):
            raise EnvironmentLacks(cause, doing=doing, hint="inv doctor")
        case Lost(cause=cause):
            raise Transient(f"the engine went away: {cause}", doing=doing, hint="inv doctor, then run it again")
        case _:
            return outcome
