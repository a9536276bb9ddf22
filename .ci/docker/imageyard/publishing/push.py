"""Publish rows that the engine has under their tags: ask, send by digest, record beside it, tag, read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from imageyard.errors import ImageyardError, PolicyRefused
from imageyard.names import Present, Reference, State, Unknown
from imageyard.project import publish_policy
from imageyard.project.options import BuildOptions
from imageyard.publishing import build_record, export
from imageyard.publishing.publish import RAISE_EPOCH
from imageyard.publishing.verify_published import prove, unknown
from imageyard.registry.states import states
from imageyard.registry.vendors.table import vendor_of
from imageyard.run.leftovers import finish
from imageyard.run.row_run import Job

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.names import Digest
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.registry.client import Client
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
    options = BuildOptions(force=force)
    done: list[tuple[Row, Reference]] = []
    try:
        pushes = [_Push(Job(project, recipes, services, row, options, "local"), repository, client) for row in rows]
        allowed = [push for push in pushes if push.tried(push.allow)]
        told = states(client, [push.target for push in allowed])
        for push in allowed:
            if push.tried(partial(push.publish, told[push.target])) and push.digest:
                done.append((push.job.row, repository.with_digest(push.digest)))
    finally:
        code = finish(project, services)
    return done, code


class _Push:
    """The way of one row; `digest` is what its tag names in the end."""

    def __init__(self, job: Job, repository: Reference, client: Client) -> None:
        self.job = job
        self.client = client
        self.digest: Digest | None = None
        self.target = repository

    def tried(self, step: Callable[[], None]) -> bool:
        """Do a step of the work; an error is told and recorded."""
        try:
            step()
        except ImageyardError as error:
            self.job.fail("refused" if isinstance(error, PolicyRefused) else "blocked", error)
            self.job.services.reporter.error(error)
            return False
        return True

    def allow(self) -> None:
        """Work out the tag, and raise PolicyRefused where it must not be published."""
        self.job.identify()
        self.target = self.target.with_tag(self.job.tag)
        publish_policy.refuse(self.job.recipes, self.job.row)

    def publish(self, there: State) -> None:
        """Bring the image to its place, unless it is there."""
        job, target, client = self.job, self.target, self.client
        if isinstance(there, Unknown):
            raise unknown(there, target, f"asking whether {target} is there; nothing was pushed")
        if isinstance(there, Present) and not job.forced:
            self.digest = prove(client, target, export.wanted(job), RAISE_EPOCH).raw.digest
            job.step(f"nothing to do, {target} is there")
            job.end("skipped", why=f"at {target.name}", digest=self.digest)
            return
        if isinstance(there, Present):
            vendor_of(target.registry).refuse_immutable(target)
        loaded = export.loaded(job)
        given = export.send(
            job,
            client,
            target,
            build_record.record(job.project, job.record, loaded, dated=not job.recipe.reproducible),
            move=job.forced,
        )
        self.digest = given.digest
        image = target.with_digest(given.digest)
        job.published(image, adopted=given.adopted, why=f"at {target.name}", size=loaded.size)
