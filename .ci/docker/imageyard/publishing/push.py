"""Publish rows that the engine has under their tags: ask, send by digest, record beside it, tag, read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from imageyard.errors import ImageyardError, PolicyRefused
from imageyard.names import Present, Reference, Revoked, State, Unknown
from imageyard.project import publish_policy
from imageyard.project.row_facts import identify
from imageyard.publishing import build_record, export
from imageyard.publishing.publish import RAISE_EPOCH
from imageyard.publishing.verify_published import prove, revoked, unknown
from imageyard.registry.states import states
from imageyard.registry.vendors.table import vendor_of
from imageyard.run.leftovers import finish
from imageyard.run.row_run import RowRun

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.names import Digest
    from imageyard.project.project import Project
    from imageyard.project.row_facts import RowFacts
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["push_rows"]


def push_rows(
    project: Project, recipes: Recipes, services: Services, rows: Sequence[Row], at: str, *, force: bool
) -> tuple[list[tuple[Row, Reference]], int]:
    """Publish rows at `at` (trusted, branch); returns each one's reference by digest, and the exit code of the whole.

    All states are asked for first; one that fails stops no other, but for a registry that refuses us or does not
    answer: nothing is pushed past an unknown state.
    """
    repository = publish_policy.repository(project.catalogue, at)
    client = services.registry()
    done: list[tuple[Row, Reference]] = []
    try:
        runs = [RowRun(services, row, builder="local", forced=force).begin() for row in rows]
        pushes = [_Push(project, recipes, run, repository) for run in runs]
        allowed = [push for push in pushes if push.tried(push.allow)]
        told = states(client, [push.target for push in allowed])
        for push in allowed:
            if push.tried(partial(push.publish, told[push.target])) and push.digest:
                done.append((push.run.row, repository.with_digest(push.digest)))
    finally:
        code = finish(project, services)
    return done, code


class _Push:
    """The way of one row; `digest` is what its tag names in the end."""

    def __init__(self, project: Project, recipes: Recipes, run: RowRun, repository: Reference) -> None:
        self.project = project
        self.recipes = recipes
        self.run = run
        self.digest: Digest | None = None
        self.target = repository

    def tried(self, step: Callable[[], None]) -> bool:
        """Do a step of the work; an error is told and recorded."""
        try:
            step()
        except ImageyardError as error:
            self.run.fail("refused" if isinstance(error, PolicyRefused) else "blocked", error)
            self.run.services.reporter.error(error)
            return False
        return True

    def allow(self) -> None:
        """Work out the tag, and raise PolicyRefused where it must not be published."""
        facts = self.facts
        self.run.update(recipe=facts.recipe.id, tag=facts.tag)
        self.target = self.target.with_tag(facts.tag)
        publish_policy.refuse(self.recipes, facts.row)

    @cached_property
    def facts(self) -> RowFacts:
        """What the row is made of."""
        return identify(self.recipes, self.run.row)

    def publish(self, there: State) -> None:
        """Bring the image to its place, unless it is there."""
        facts, run, target, services = self.facts, self.run, self.target, self.run.services
        if isinstance(there, Unknown):
            raise unknown(there, target, f"asking whether {target} is there; nothing was pushed")
        if isinstance(there, Revoked):
            raise revoked(there, target, f"asking whether {target} is there; nothing was pushed", facts.row.image)
        if isinstance(there, Present) and not run.forced:
            self.digest = prove(services.registry(), target, facts.inputs, RAISE_EPOCH).raw.digest
            run.step(f"nothing to do, {target} is there")
            run.finish("skipped", why=f"at {target.name}", digest=self.digest)
            return
        if isinstance(there, Present):
            vendor_of(target.registry).refuse_immutable(target)
        loaded = export.load_exported(self.project, services, facts)
        record = build_record.record(self.project, run.record, loaded, dated=not facts.recipe.reproducible)
        given = export.send(self.project, services, facts, target, record, move=run.forced)
        self.digest = given.digest
        image = target.with_digest(given.digest)
        run.finish_published(image, adopted=given.adopted, why=f"at {target.name}", size=loaded.size)
