"""A row's candidate: built from the sealed recipe, loaded under a name that says `unchecked`, gone when it is over."""

from __future__ import annotations

import platform
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard import __version__
from imageyard.builders.request import (
    BuildRequest,
    Built,
    Failed,
    Interrupted,
    Lost,
    Outcome,
    Unreachable,
    loadable_provenance,
)
from imageyard.errors import BuildFailed, EnvironmentLacks, ImageyardError, Transient, assert_never
from imageyard.layout import step_line
from imageyard.ship import bind, history, labels, sweep
from imageyard.ship.options import BuildOptions
from imageyard.treebase import DictTree, Link, Tree

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.engine import Engine
    from imageyard.names import Reference
    from imageyard.recipe.model import Recipe
    from imageyard.ship.workspace import Workspace

__all__ = ["candidate", "candidate_before"]

_POSITION = re.compile(r"^\[[^\]]*\] ")
"""`[2/4]`, `[tools 2/4]`: the place in the Dockerfile says it better."""


@contextmanager
def candidate(
    workspace: Workspace,
    row: Row,
    recipe: Recipe,
    options: BuildOptions,
    note: Callable[..., None],
    tree: Tree | None = None,
) -> Iterator[Reference]:
    """Build a row and give the name of what was loaded; the name is taken away at the end, whatever happens.

    `note` takes what is to be recorded, `tree` has the recipe's files where it is not the row's own.
    Raises BuildFailed with the last lines of the step that failed.
    """
    from imageyard.builders import buildx
    from imageyard.recipe.seal import seal

    engine = workspace.engine
    sweep.dead_runs(workspace, engine)
    unchecked = sweep.unchecked(workspace, row, recipe)
    program = buildx.find()
    log = workspace.run.log_of(row.name, row.arch)
    note(
        why=history.reason(workspace, row, recipe, forced=options.force),
        versions=_versions(engine) | {"buildx": buildx.kept_version(program, workspace.state / "buildx.json")},
        log=str(log.relative_to(workspace.run.folder)),
        **history.commit(workspace),
    )
    _warn_unpinned(workspace, row, recipe)
    with tempfile.TemporaryDirectory(prefix=sweep.SCRATCH, dir=log.parent) as staging:
        request = _request(workspace, engine, row, recipe, options, unchecked, Path(staging))
        try:
            with seal(recipe, tree or workspace.tree(row)) as context, workspace.story.board(_title(row)) as board:
                outcome = buildx.build(
                    request, context, program=program, board=board, raw=log, env=engine.env, timeout=row.image.timeout
                )
            _judge(workspace, row, outcome, note)
            yield unchecked
        finally:
            with suppress(ImageyardError):
                engine.untag(str(unchecked))


@contextmanager
def candidate_before(workspace: Workspace, row: Row, line: int) -> Iterator[Reference]:
    """Build what the step at a line of the row's Dockerfile finds: the same file, cut off above that line."""
    recipe, tree = workspace.recipes().of(row), workspace.tree(row)
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
    with candidate(workspace, row, shorter, BuildOptions(), lambda **known: None, cut) as reference:
        yield reference


def _request(
    workspace: Workspace,
    engine: Engine,
    row: Row,
    recipe: Recipe,
    options: BuildOptions,
    unchecked: Reference,
    staging: Path,
) -> BuildRequest:
    recipes = workspace.recipes(options.set_args)
    image = recipes.own(row).image
    provenance, remark = loadable_provenance(image.provenance, engine.image_store)
    if remark:
        workspace.story.detail(remark)
    return BuildRequest(
        dockerfile=recipe.dockerfile,
        platform=recipe.platform,
        args=recipe.args,
        target=recipe.target,
        contexts=bind.contexts(bind.Binding(workspace, engine, recipes, row, staging)),
        secrets=bind.secrets(row, workspace.top),
        labels=labels.of(workspace, row, recipe),
        tags=(unchecked,),
        provenance=provenance,
        sbom=image.sbom and engine.image_store == "containerd",
        extra=options.extra,
    )


def _judge(workspace: Workspace, row: Row, outcome: Outcome, note: Callable[..., None]) -> None:
    doing = f"building {_title(row)}"
    match outcome:
        case Built(steps=steps, warnings=warnings):
            note(steps=steps.total, cached=steps.cached)
            for warning in warnings:
                where = workspace.shown(row, warning.dockerfile)
                workspace.story.annotate("warning", warning.text, where, warning.line)
        case Failed() as failed:
            note(steps=failed.steps.total, cached=failed.steps.cached)
            where = workspace.shown(row, failed.dockerfile or row.image.dockerfile)
            raise BuildFailed(
                _headline(failed),
                doing=doing,
                at=f"{where}:{failed.line}" if failed.line else where,
                detail=failed.lines,
                hint=(failed.hint, f"nox -s test_dockerfile -- {where} --shell    (look at what the step found)"),
            )
        case Unreachable(cause=cause):
            raise EnvironmentLacks(cause, doing=doing, hint="inv doctor")
        case Lost(cause=cause):
            raise Transient(f"the engine went away: {cause}", doing=doing, hint="inv doctor, then run it again")
        case Interrupted():
            raise Transient("the build was stopped from elsewhere", doing=doing, hint="run it again")
        case _:
            assert_never(outcome)


def _headline(failed: Failed) -> str:
    step = _POSITION.sub("", step_line(failed.step))
    if failed.exit_code is not None:
        return f"{step} ended with exit code {failed.exit_code}"
    return failed.message or f"{step} failed"


def _warn_unpinned(workspace: Workspace, row: Row, recipe: Recipe) -> None:
    if recipe.unpinned and not row.image.unpinned_allowed:
        workspace.story.warn(f"{_title(row)}: not pinned, and so not part of the tag: {', '.join(recipe.unpinned)}")


def _versions(engine: Engine) -> dict[str, str]:
    return {"imageyard": __version__, "python": platform.python_version(), "engine": engine.version}


def _title(row: Row) -> str:
    return f"{row.name} {row.arch}"
