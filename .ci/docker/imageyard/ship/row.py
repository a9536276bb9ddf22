"""One row, from its recipe to a tag that was earned: skip, parents, seal, build, check, tag, record."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from imageyard.errors import BuildFailed, CheckFailed, ConfigurationError, ImageyardError, PolicyRefused
from imageyard.files import locked, make_folder
from imageyard.names import Reference, platform_of
from imageyard.records import Record, RowOutcome
from imageyard.runs import now
from imageyard.ship.labels import INPUTS_LABEL
from imageyard.ship.options import BuildOptions

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.engine import Engine, LoadedImage
    from imageyard.recipe.model import Recipe
    from imageyard.ship.workspace import Workspace

__all__ = ["build_row"]

_OUTCOMES: Mapping[int, RowOutcome] = {2: "failed", 5: "failed", 6: "check failed", 10: "refused"}


def build_row(workspace: Workspace, row: Row, options: BuildOptions | None = None) -> Record:
    """Bring a row's image into the engine under its tag, unless it is there; its parents first.

    The record is on disk as `interrupted` before anything is done. Raises the error that the record then tells of:
    BuildFailed, CheckFailed, PolicyRefused for another tag than `expect`, EnvironmentLacks without an engine.
    """
    job = _Job(workspace, row, options or BuildOptions())
    workspace.run.write(job.record)
    try:
        job.earn()
    except ImageyardError as error:
        if job.record.outcome == "interrupted":
            outcome = "blocked" if job.blocked else _OUTCOMES.get(error.code, "blocked")
            job.end(outcome, code=error.code, headline=error.headline)
        raise
    return job.record


class _Job:
    """The work on one row; `record` is what can be said of it so far."""

    def __init__(self, workspace: Workspace, row: Row, options: BuildOptions) -> None:
        self.workspace = workspace
        self.row = row
        self.options = options
        self.blocked = False
        self.clock = time.monotonic()
        self.record = Record(row.name, row.arch, "interrupted", 130, "interrupted", started=now(), forced=options.force)

    @property
    def title(self) -> str:
        """What the story calls the row."""
        return f"{self.row.name} {self.row.arch}"

    def end(self, outcome: RowOutcome, *, code: int = 0, headline: str = "", **known: object) -> None:
        """Close the record."""
        self.note(
            outcome=outcome,
            code=code,
            headline=headline,
            ended=now(),
            seconds=time.monotonic() - self.clock,
            **known,
        )
        self.workspace.run.write(self.record)

    def note(self, **known: object) -> None:
        """Add to the record, on disk at the next write."""
        self.record = replace(self.record, **known)  # type: ignore[arg-type]

    def earn(self) -> None:
        """From the recipe to the tag."""
        from imageyard.ship import bases

        _refuse_unbuilt(self.row)
        bases.ensure(self.workspace, self.row, self.options)
        recipes = self.workspace.recipes(self.options.set_args)
        recipe, tag = recipes.of(self.row), recipes.tag(self.row, self.options.extra)
        self.note(recipe=recipe.id, tag=tag)
        if self.options.expect not in (None, tag):
            raise PolicyRefused(
                f"the tag is {tag}, not {self.options.expect}",
                doing=f"building {self.title}",
                hint=f"inv tag {self.row.name} --explain    (what it is made of here)",
            )
        engine = self.workspace.engine
        wanted = self.workspace.repository.with_tag(tag)
        if self._is_there(engine, recipe, wanted):
            return
        waited = lambda: self.workspace.story.step(f"{self.title}: another process builds it; waiting")  # noqa: E731
        locks = self.workspace.state / "locks"
        make_folder(locks)
        with locked(locks / f"{tag}.lock", waited):
            if self._is_there(engine, recipe, wanted):
                return
            if before := self._failed(self.row):
                self.record = before
                raise _error(before.code, before.headline, doing=f"building {self.title}, which failed in this run")
            self._parents()
            self._build(engine, recipe, wanted)

    def _is_there(self, engine: Engine, recipe: Recipe, wanted: Reference) -> bool:
        if self.options.force or (found := self._found(engine, recipe, wanted)) is None:
            return False
        self.workspace.story.step(f"{self.title}: skipped, {wanted.tag} is in the engine")
        self.end("skipped", why="in the engine", size=found.size)
        return True

    def _found(self, engine: Engine, recipe: Recipe, wanted: Reference) -> LoadedImage | None:
        """What the engine has under the tag, if it was made of this recipe: anybody can name an image by hand."""
        found = engine.inspect(str(wanted))
        made_of = found and (found.labels.get(INPUTS_LABEL), found.platform)
        if found and self.workspace.catalogue.tag == "content" and made_of != (recipe.inputs, recipe.platform):
            self.workspace.story.warn(f"{self.title}: {wanted.tag} in the engine was not made of this recipe")
            return None
        return found

    def _parents(self) -> None:
        """Build what the image starts from. What failed in this run is not tried again by each child."""
        for parent in self.workspace.parents(self.row, self.options.set_args):
            if before := self._failed(parent):
                raise self._blocked(parent, before.code, before.headline)
            try:
                build_row(self.workspace, parent, replace(self.options, force=False, expect=None, extra=()))
            except ImageyardError as error:
                self.workspace.story.error(error)
                raise self._blocked(parent, error.code, error.headline) from None

    def _failed(self, row: Row) -> Record | None:
        """The record of a row that failed in this run, in whichever of its processes."""
        for record in self.workspace.run.records()[0]:
            if (record.image, record.arch) == (row.name, row.arch) and record.code and record.outcome != "interrupted":
                return record
        return None

    def _blocked(self, parent: Row, code: int, headline: str) -> ImageyardError:
        self.blocked = True
        further = re.match("its (parent|ancestor) ", headline)
        return _error(
            code,
            f"its ancestor {headline[further.end() :]}" if further else f"its parent {parent.name} failed: {headline}",
            hint=f"nox -s \"build_image(arch='{parent.arch}', image='{parent.name}')\"    (the parent alone)",
        )

    def _build(self, engine: Engine, recipe: Recipe, wanted: Reference) -> None:
        from imageyard.ship import history
        from imageyard.ship.candidate import candidate

        with candidate(self.workspace, self.row, recipe, self.options, self.note) as unchecked:
            self._check(engine, unchecked)
            winner = None if self.options.force else self._found(engine, recipe, wanted)
            if winner is None:
                engine.tag(str(unchecked), str(wanted))
            built = winner or engine.inspect(str(wanted))
            history.keep(self.workspace, self.row, recipe)
            self.note(adopted=winner is not None, size=built.size if built else None)
        self.workspace.story.step(f"{self.title}: {wanted}")
        self.end("built")

    def _check(self, engine: Engine, unchecked: Reference) -> None:
        from imageyard.checks.run import run_checks
        from imageyard.ship.sweep import RUN_LABEL

        checks = self.workspace.checks(self.row, self.options.set_args)
        findings = run_checks(
            engine,
            str(unchecked),
            checks,
            self.workspace.check_args(self.row, self.options.set_args),
            platform=platform_of(self.row.arch),
            labels={RUN_LABEL: self.workspace.run.id},
        )
        self.note(findings=findings)
        bad = [found for found in findings if not found.ok]
        if bad:
            raise CheckFailed(
                bad[0].headline if len(bad) == 1 else f"{len(bad)} checks failed, first {bad[0].headline}",
                doing=f"checking {self.title}; it gets no tag",
                detail=[line for found in bad for line in (found.headline, *_indented(found.why, found.output))],
                hint=f"nox -s test_dockerfile -- {self.workspace.shown(self.row)} --shell    (look inside)",
            )
        self.workspace.story.detail(f"{len(findings)} check{'' if len(findings) == 1 else 's'} passed")


def _refuse_unbuilt(row: Row) -> None:
    """Raise ConfigurationError where the catalogue asks for what the local builder cannot do: never less, silently."""
    asked = {"reproducible: yes": row.image.reproducible, "lane": row.image.lane is not None}
    for key, is_asked in asked.items():
        if is_asked:
            raise ConfigurationError(
                f"{row.name} says `{key}`, which the local builder cannot do",
                doing=f"building {row.name} {row.arch}",
                at=row.image.where,
                hint="remove it from the image for local builds",
            )


def _indented(why: str, output: tuple[str, ...]) -> list[str]:
    return [f"    {line}" for line in (why, *output) if line]


def _error(code: int, headline: str, *, doing: str = "", hint: str = "") -> ImageyardError:
    """An error of the class that ends with `code`."""
    kind = next((k for k in ImageyardError.__subclasses__() if k.code == code), BuildFailed)
    return kind(headline, doing=doing, hint=hint)
