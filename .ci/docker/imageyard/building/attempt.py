"""One build of a row, whoever runs it: what is asked of the builder, how often it is run, what came of it."""

from __future__ import annotations

import platform
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

from imageyard import __version__
from imageyard.builders import buildx
from imageyard.builders.request import (
    BuildInterrupted,
    BuildRequest,
    Built,
    Failed,
    Lost,
    Outcome,
    RegistryFailed,
    Unreachable,
)
from imageyard.building import layer_cache, source_contexts
from imageyard.errors import BuildFailed, Denied, ImageyardError, Transient, assert_never
from imageyard.layout import step_line
from imageyard.plan.caches import mount_namespace
from imageyard.project import labels
from imageyard.project.options import BuildOptions
from imageyard.recipe.seal import seal
from imageyard.run import last_build, leftovers

if TYPE_CHECKING:
    from imageyard.board import Board
    from imageyard.catalogue.model import Row
    from imageyard.project.project import Project
    from imageyard.publishing.destination import ParentOf
    from imageyard.recipe.model import Recipe
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services
    from imageyard.treebase import Tree

__all__ = ["Gone", "Runner", "Work", "build", "judge", "request", "versions"]

Runner: TypeAlias = Callable[[BuildRequest, IO[bytes], "Board", Path], Outcome]
"""Runs a build: what is asked, the sealed context, what shows it, where the raw stream is kept."""

Gone: TypeAlias = Callable[[Unreachable | Lost], ImageyardError]
"""Makes the error of a builder that is not there, or went away."""

_POSITION = re.compile(r"^\[[^\]]*\] ")
"""`[2/4]`, `[tools 2/4]`: the place in the Dockerfile says it better."""


@dataclass(frozen=True)
class Work:
    """What is built; `note` takes what is to be recorded, `tree` has the files where they are not the row's own."""

    project: Project
    recipes: Recipes
    services: Services
    row: Row
    recipe: Recipe
    options: BuildOptions
    note: Callable[..., None]
    tree: Tree | None = None

    @property
    def title(self) -> str:
        """What the story calls the row."""
        return f"{self.row.name} {self.row.arch}"


def build(
    work: Work,
    ask: Callable[[Path], BuildRequest],
    runner: Runner,
    gone: Callable[[Unreachable | Lost], ImageyardError],
) -> Built:
    """Build a row from its sealed recipe, as often as its `attempts` allow.

    A further attempt takes what was built before from the cache, but in a run that reads none.
    `ask` gets a folder to stage files in.
    Raises BuildFailed with the last lines of the step that failed.
    """
    services, row = work.services, work.row
    log = services.run.log_of(row.name, row.arch)
    work.note(log=str(log.relative_to(services.run.folder)), **last_build.commit(work.project))
    _warn_unpinned(work)
    with tempfile.TemporaryDirectory(prefix=leftovers.SCRATCH, dir=log.parent) as staging:
        asked = ask(Path(staging))
        with seal(work.recipe, work.tree or work.recipes.tree(row)) as context:
            for attempt in range(1, row.image.attempts + 1):
                with services.reporter.board(work.title) as board:
                    outcome = runner(asked, context, board, log)
                work.note(attempts=attempt)
                if not isinstance(outcome, Failed) or attempt == row.image.attempts:
                    break
                log.rename(log.with_suffix(f".{attempt}{log.suffix}"))
                words = f"{work.title}: attempt {attempt} of {row.image.attempts} failed: {_headline(outcome)}"
                cached = "without a cache" if asked.no_cache else "with what was built before"
                services.reporter.warn(f"{words}; it is run again {cached}")
                context.seek(0)
    return judge(work, outcome, gone)


def request(work: Work, parent: ParentOf, staging: Path) -> BuildRequest:
    """What every builder is asked for; where the image goes is the caller's to say."""
    recipes, decision = work.recipes, work.options.decision
    recipe, declared = work.recipe, recipes.own(work.row).image
    cache = layer_cache.of(work.project.catalogue, work.row, decision)
    return BuildRequest(
        dockerfile=recipe.dockerfile,
        platform=recipe.platform,
        args={**recipe.args, **mount_namespace(decision)},
        target=recipe.target,
        contexts=source_contexts.contexts(source_contexts.Binding(recipes, work.row, staging, parent)),
        secrets=source_contexts.secrets(work.row, work.project.top),
        labels=labels.of(work.project, work.row, recipe),
        no_cache=decision.no_cache,
        pull=decision.pull,
        reproducible=recipe.reproducible,
        provenance=declared.provenance,
        sbom=declared.sbom,
        cache_from=cache.read,
        cache_to=cache.write,
        extra=work.options.extra,
    )


def judge(work: Work, outcome: Outcome, gone: Gone) -> Built:
    """What came of a build, noted; raises the error that it is where it is no image."""
    doing = f"building {work.title}"
    match outcome:
        case Built(steps=steps, warnings=warnings):
            work.note(steps=steps.total, cached=steps.cached)
            for warning in warnings:
                where = work.project.shown(work.row, warning.dockerfile)
                work.services.reporter.annotate("warning", warning.text, where, warning.line)
            for problem in outcome.cache_problems:  # the image is there all the same
                work.services.reporter.warn(f"{work.title}: {problem}")
            return outcome
        case Failed() as failed:
            work.note(steps=failed.steps.total, cached=failed.steps.cached)
            where = work.project.shown(work.row, failed.dockerfile or work.row.image.dockerfile)
            raise BuildFailed(
                _headline(failed),
                doing=doing,
                at=f"{where}:{failed.line}" if failed.line else where,
                detail=failed.lines,
                hint=(failed.hint, f"nox -s test_dockerfile -- {where} --shell    (look at what the step found)"),
            )
        case RegistryFailed() as refused:
            work.note(steps=refused.steps.total, cached=refused.steps.cached)
            if refused.denied:
                raise Denied(refused.cause, doing=doing, hint="inv login    (the registry refused the credentials)")
            raise Transient(refused.cause, doing=doing, hint="run it again: the registry, not the build, failed")
        case Unreachable() | Lost():
            error = gone(outcome)
            error.doing = error.doing or doing
            raise error
        case BuildInterrupted():
            raise Transient("the build was stopped from elsewhere", doing=doing, hint="run it again")
        case _:
            assert_never(outcome)


def versions(project: Project, **more: str) -> dict[str, str]:
    """The versions that a record keeps, `more` among them, and buildx's."""
    found = {"imageyard": __version__, "python": platform.python_version(), **more}
    return found | {"buildx": buildx.kept_version(buildx.find(), project.state / "buildx.json")}


def _headline(failed: Failed) -> str:
    step = _POSITION.sub("", step_line(failed.step))
    if failed.exit_code is not None:
        return f"{step} ended with exit code {failed.exit_code}"
    return failed.message or f"{step} failed"


def _warn_unpinned(work: Work) -> None:
    if work.recipe.unpinned and not work.row.image.unpinned_allowed:
        words = ", ".join(work.recipe.unpinned)
        work.services.reporter.warn(f"{work.title}: not pinned, and so not part of the tag: {words}")
