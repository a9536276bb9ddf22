"""A row's candidate: built from the sealed recipe, loaded under a name that says `unchecked`, gone when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from imageyard.builders import buildx
from imageyard.builders.request import Built, Lost, Outcome, Unreachable, loadable
from imageyard.building import attempt, layer_cache, source_contexts
from imageyard.errors import EnvironmentLacks, ImageyardError, Transient
from imageyard.project.options import BuildOptions
from imageyard.run import last_build, leftovers
from imageyard.treebase import DictTree, Link, Tree

if TYPE_CHECKING:
    from pathlib import Path

    from imageyard.builders.request import BuildRequest
    from imageyard.catalogue.model import Row
    from imageyard.engine import Engine
    from imageyard.names import Reference
    from imageyard.project.project import Project
    from imageyard.publishing.destination import ParentOf
    from imageyard.recipe.model import Recipe
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["candidate", "candidate_before"]


@contextmanager
def candidate(
    project: Project,
    recipes: Recipes,
    services: Services,
    row: Row,
    recipe: Recipe,
    options: BuildOptions,
    note: Callable[..., None],
    tree: Tree | None = None,
    parent: ParentOf | None = None,
) -> Iterator[Reference]:
    """Build a row and give the name of what was loaded; the name is taken away at the end, whatever happens.

    `note` takes what is to be recorded, `tree` has the recipe's files where it is not the row's own, `parent` says
    where parents are when that is not the engine.
    Raises BuildFailed with the last lines of the step that failed.
    """
    engine = services.engine()
    leftovers.dead_runs(project, services, engine)
    unchecked = leftovers.unchecked(project, services, row, recipe)
    work = attempt.Work(project, recipes, services, row, recipe, options, note, tree)
    forced = options.force or options.decision.force
    note(
        why=last_build.reason(project, row, recipe, forced=forced),
        versions=attempt.versions(project, engine=engine.version),
    )
    run = partial(
        buildx.build,
        program=buildx.find(),
        env={**engine.env, **layer_cache.passed(project.catalogue)},
        timeout=row.image.timeout,
    )
    try:
        attempt.build(
            work,
            lambda staging: _request(
                work,
                engine,
                unchecked,
                parent or source_contexts.in_engine(project, recipes, services, options),
                staging,
            ),
            lambda asked, context, board, raw: _loaded(asked, run(asked, context, board=board, raw=raw), engine),
            _gone,
        )
        yield unchecked
    finally:
        with suppress(ImageyardError):
            engine.untag(str(unchecked))


@contextmanager
def candidate_before(
    project: Project, recipes: Recipes, services: Services, row: Row, line: int
) -> Iterator[Reference]:
    """Build what the step at a line of the row's Dockerfile finds: the same file, cut off above that line."""
    recipe, tree = recipes.of(row), recipes.tree(row)
    above = b"".join(tree.read(recipe.dockerfile).splitlines(keepends=True)[: line - 1])
    contents = {file: tree.read(file.path) for file in recipe.files if "//" not in file.path}
    cut = DictTree(
        {
            file.path: Link(content.decode())
            if file.mode == "link"
            else (above if file.path == recipe.dockerfile else content, file.mode == "exec")
            for file, content in contents.items()
        }
    )
    files = tuple(replace(file, digest=cut.digest(file.path)) if file in contents else file for file in recipe.files)
    shorter = replace(recipe, files=files, target=None)
    with candidate(project, recipes, services, row, shorter, BuildOptions(), lambda **known: None, cut) as reference:
        yield reference


def _request(work: attempt.Work, engine: Engine, unchecked: Reference, parent: ParentOf, staging: Path) -> BuildRequest:
    asked, left_out = loadable(attempt.request(work, parent, staging), engine.image_store)
    if left_out:
        words = ", ".join(left_out)
        work.services.reporter.detail(f"without {words}: the engine's classic image store cannot hold that")
    if asked.cache_to and engine.image_store == "classic":  # `Cache export is not supported` (buildx 0.29)
        work.services.reporter.detail("no layer cache is written: the engine's classic image store cannot")
        asked = replace(asked, cache_to=())
    if asked.reproducible:  # `"rewrite-timestamp" conflicts with "unpack"`, which loading always is (engine 26.1, 28.5)
        asked = replace(asked, output="archive", archive=staging / "image.tar")
    return replace(asked, tags=(unchecked,))


def _loaded(asked: BuildRequest, outcome: Outcome, engine: Engine) -> Outcome:
    if isinstance(outcome, Built) and asked.archive is not None:
        engine.load(asked.archive)
    return outcome


def _gone(outcome: Unreachable | Lost) -> ImageyardError:
    if isinstance(outcome, Unreachable):
        return EnvironmentLacks(outcome.cause, hint="inv doctor")
    return Transient(f"the engine went away: {outcome.cause}", hint="inv doctor, then run it again")
