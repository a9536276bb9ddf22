"""`test_dockerfile`: from a Dockerfile or script that somebody changed to an image that was built and checked."""

from __future__ import annotations

import posixpath
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard.building.builder import RowBuild
from imageyard.building.engine_place import parent_in_engine
from imageyard.building.row import build_row
from imageyard.building.unchecked_image import unchecked_image
from imageyard.errors import BuildFailed, CheckFailed, ConfigurationError, FailedBefore, ImageyardError
from imageyard.names import platform_of
from imageyard.project.checkout import this_arch
from imageyard.project.labels import RUN_LABEL
from imageyard.project.options import BuildOptions
from imageyard.project.row_facts import RowFacts, identify
from imageyard.queries import describe
from imageyard.run.row_run import RowRun

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.names import Reference
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.records import RowOutcome
    from imageyard.run.services import Services

__all__ = ["test_dockerfile", "users"]


def test_dockerfile(project: Project, recipes: Recipes, services: Services, file: str, *, shell: bool) -> None:
    """Say which images use `file`, build and check the first of this machine's architecture.

    With `shell`, open one in the image, also when a check failed, or after a failed step in what that step found.
    Raises ConfigurationError where nothing uses the file, and what the build raises.
    """
    path = _in_repository(project, file)
    found = users(project, recipes, path)
    if not found:
        raise ConfigurationError(
            f"no image uses {path}",
            doing="looking for the images that use it",
            hint=["inv inputs '*'    (all files that images are made from)", "git status    (git must not ignore it)"],
        )
    names = list(dict.fromkeys(row.name for row in found))
    services.reporter.step(f"{path} is used by {len(names)} image{'s' if len(names) > 1 else ''}: {', '.join(names)}")
    here = [row for row in found if row.arch == this_arch()]
    if not here:
        raise ConfigurationError(
            f"none of them is built for this machine's {this_arch()}",
            hint=f"nox -s \"build_image(arch='{found[0].arch}', image='{names[0]}')\"",
        )
    row = here[0]
    try:
        options = BuildOptions(builder="local")  # a shell needs the engine
        _, recipes = build_row(project, recipes, services, row, options)
    except (BuildFailed, CheckFailed, FailedBefore) as error:
        outcome = _outcome(services, row)
        if not shell or outcome not in ("failed", "check failed"):
            raise  # a parent that failed, say: there is nothing of the row itself to look into
        services.reporter.error(error)
        if outcome == "failed":
            _shell_before(project, recipes, services, row, error)
        else:
            _shell_in_unchecked(project, recipes, services, row)
        error.doing, error.detail, error.hint = "", (), ()  # they were told before the shell
        raise
    if shell:
        tag = recipes.tag(row)
        _open(services, row, str(project.repository.with_tag(tag)))


def users(project: Project, recipes: Recipes, path: str) -> list[Row]:
    """The rows whose own recipe has a file, given relative to the repository's top; their children are not among them.

    A row whose Dockerfile cannot be read is a user of that Dockerfile, and comes first, so that its error is seen.
    """
    found, broken = [], []
    for row in project.catalogue.rows:
        try:
            recipe = recipes.of(row)
        except ConfigurationError:
            if project.shown(row) == path:
                broken.append(row)
            continue
        if path in describe.paths(project, row, recipe):
            found.append(row)
    return [*broken, *found]


def _in_repository(project: Project, file: str) -> str:
    path = Path.cwd() / file
    if not path.is_file() and (project.top / file).is_file():
        path = project.top / file
    if not path.exists():
        raise ConfigurationError(f"there is no file {file}", hint="name a Dockerfile, or a file that one copies")
    try:
        return posixpath.join(*path.resolve().relative_to(project.top).parts)
    except ValueError:
        raise ConfigurationError(f"{file} is not in this repository") from None


def _outcome(services: Services, row: Row) -> RowOutcome | None:
    """What the row came to in this run, as its record says."""
    found = (one.outcome for one in services.run.records()[0] if (one.image, one.arch) == (row.name, row.arch))
    return next(found, None)


def _shell_before(project: Project, recipes: Recipes, services: Services, row: Row, error: ImageyardError) -> None:
    """A shell in what the steps before the failed one built: the same Dockerfile, cut off at that step."""
    line = int(error.at.rpartition(":")[2]) if error.at and error.at.rpartition(":")[2].isdigit() else None
    if line is None:
        services.reporter.warn("no step of the Dockerfile is to blame, so there is nothing to look into")
        return
    facts = _cut_above(identify(recipes, row), line)
    with _unchecked(project, services, facts) as reference:
        services.reporter.step(f"what the steps before line {line} built; the step itself did not run")
        _open(services, row, str(reference))


def _shell_in_unchecked(project: Project, recipes: Recipes, services: Services, row: Row) -> None:
    with _unchecked(project, services, identify(recipes, row)) as reference:
        _open(services, row, str(reference))


def _unchecked(project: Project, services: Services, facts: RowFacts) -> AbstractContextManager[Reference]:
    """Build a row for its shell; no record is kept of it."""
    parents = {parent.row.name: parent_in_engine(project, services, parent) for parent in facts.parents}
    row = RowBuild(facts, RowRun(services, facts.row, builder="local"), parents)
    return unchecked_image(project, services, BuildOptions(), row)


def _cut_above(facts: RowFacts, line: int) -> RowFacts:
    """Return the facts of a row whose Dockerfile ends above a line: its image is what the step there finds."""
    above = b"".join(facts.dockerfile.splitlines(keepends=True)[: line - 1])
    return replace(facts, recipe=replace(facts.recipe, target=None), dockerfile=above)


def _open(services: Services, row: Row, reference: str) -> None:

    services.reporter.step(f"a shell in {row.name} {row.arch}; leave it with exit")
    services.engine().shell(
        reference, ("/bin/sh",), platform=platform_of(row.arch), labels={RUN_LABEL: services.run.id}
    )
