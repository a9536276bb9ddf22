"""Publish rows that the engine has under their tags: ask, send by digest, record beside it, tag, read back."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imageyard import process
from imageyard.errors import Absent, EnvironmentLacks, ImageyardError, PolicyRefused
from imageyard.files import locked
from imageyard.names import Present, Reference, State, Unknown, platform_of
from imageyard.records import Record, RowOutcome
from imageyard.registry import ecr
from imageyard.runs import now
from imageyard.ship import beside, built, publishable, sweep
from imageyard.ship.finish import finish
from imageyard.ship.labels import INPUTS_LABEL
from imageyard.ship.proof import prove, unknown

if TYPE_CHECKING:
    from imageyard.catalogue.model import Row
    from imageyard.engine import LoadedImage
    from imageyard.names import Digest
    from imageyard.registry.client import Client
    from imageyard.ship.workspace import Workspace

__all__ = ["lock_of", "push_rows"]

_OUTCOMES: Mapping[int, RowOutcome] = {10: "refused"}


def push_rows(
    workspace: Workspace, rows: Sequence[Row], at: str, *, force: bool, client: Client | None = None
) -> tuple[list[tuple[Row, Reference]], int]:
    """Publish rows at `at` (trusted, branch); returns each one's reference by digest, and the exit code of the whole.

    All states are asked for first; one that fails stops no other, but for a registry that refuses us or does not
    answer: nothing is pushed past an unknown state.
    """
    from imageyard.registry.client import Client as Registry
    from imageyard.registry.states import states

    repository = publishable.repository(workspace, at)
    client = client or Registry()
    jobs = [_Job(workspace, row, repository, client, force=force) for row in rows]
    done: list[tuple[Row, Reference]] = []
    try:
        for job in jobs:
            workspace.run.write(job.record)
        allowed = [job for job in jobs if job.tried(job.allow)]
        told = states(client, [job.target for job in allowed])
        for job in allowed:
            if job.tried(partial(job.publish, told[job.target])) and job.digest:
                done.append((job.row, repository.with_digest(job.digest)))
    finally:
        code = finish(workspace)
    return done, code


class _Job:
    """The work on one row; `record` is what can be said of it so far, `digest` what its tag names in the end."""

    def __init__(self, workspace: Workspace, row: Row, repository: Reference, client: Client, *, force: bool) -> None:
        self.workspace = workspace
        self.row = row
        self.repository = repository
        self.client = client
        self.force = force
        self.digest: Digest | None = None
        self.target = repository
        self.clock = time.monotonic()
        self.record = Record(row.name, row.arch, "interrupted", 130, "interrupted", started=now(), forced=force)

    @property
    def title(self) -> str:
        """What the story calls the row."""
        return f"{self.row.name} {self.row.arch}"

    def tried(self, step: Callable[[], None]) -> bool:
        """Do a step of the work; an error is told and recorded."""
        try:
            step()
        except ImageyardError as error:
            self._end(_OUTCOMES.get(error.code, "blocked"), code=error.code, headline=error.headline)
            self.workspace.story.error(error)
            return False
        return True

    def allow(self) -> None:
        """Work out the tag, and raise PolicyRefused where it must not be published."""
        recipes = self.workspace.recipes()
        tag = recipes.tag(self.row)
        self.record = replace(self.record, recipe=recipes.of(self.row).id, tag=tag)
        self.target = self.repository.with_tag(tag)
        publishable.refuse(self.workspace, self.row)

    def publish(self, there: State) -> None:
        """Bring the image to its place, unless it is there."""
        if isinstance(there, Unknown):
            raise unknown(there, self.target, f"asking whether {self.target} is there; nothing was pushed")
        if isinstance(there, Present) and not self.force:
            self.digest = self._proven(self.target)
            self.workspace.story.step(f"{self.title}: nothing to do, {self.target} is there")
            self._end("skipped", why=f"at {self.repository.name}")
            return
        if isinstance(there, Present):
            ecr.refuse_immutable(self.target)
        loaded = self._loaded()
        rows = self.workspace.run.log_of(
            self.row.name, self.row.arch
        ).parent  # a later build sweeps it where we are killed
        with (
            lock_of(self.workspace, self.target),
            tempfile.TemporaryDirectory(prefix=sweep.SCRATCH, dir=rows) as staging,
        ):
            self._send(loaded, Path(staging))

    def _send(self, loaded: LoadedImage, staging: Path) -> None:
        """Everything by digest, the record beside it, and the tag last: what has the tag has all that belongs to it."""
        from imageyard.registry.archive import Archive
        from imageyard.registry.client import Raw
        from imageyard.registry.deliver import deliver
        from imageyard.registry.tagging import Given, give

        story, client = self.workspace.story, self.client
        winner = None if self.force else self._winner()
        if winner is None:
            story.step(f"{self.title}: pushing {self.target}")
            self._save(staging / "image.tar")
            image: Raw = deliver(client, self.repository, Archive(staging / "image.tar"), staging)
            beside.attach(client, self.repository, image, built.record(self.workspace, self.record, loaded))
            given = give(client, self.target, image, force=self.force)
        else:
            given = Given(winner, adopted=True)
        self.digest = self._proven(self.repository.with_digest(given.digest))
        words = "another was faster, its image is adopted" if given.adopted else "published"
        story.step(f"{self.title}: {words}: {self.repository.with_digest(self.digest)}")
        self._end("published", why=f"at {self.repository.name}", adopted=given.adopted, size=loaded.size)

    def _winner(self) -> Digest | None:
        """Who was given the tag while we waited for the lock."""
        from imageyard import errors

        try:
            return self.client.head(self.target)[0]
        except errors.Absent:
            return None

    def _loaded(self) -> LoadedImage:
        """The image that earned its tag in the engine. Raises Absent without one, PolicyRefused for a foreign one."""
        name = str(self.workspace.repository.with_tag(self.target.tag or ""))
        loaded = self.workspace.engine.inspect(name)
        if loaded is None:
            raise Absent(
                f"the engine has no {name}",
                doing=f"publishing {self.title}",
                hint=f"inv build {self.row.name} --arch {self.row.arch}    (its tag comes with passed checks)",
            )
        recipe, found = self.workspace.recipes().of(self.row), loaded.labels.get(INPUTS_LABEL)
        if (found, loaded.platform) != (recipe.inputs, recipe.platform):
            raise PolicyRefused(
                f"{name} in the engine is not what its tag says",
                doing=f"publishing {self.title}",
                detail=(
                    f"expected inputs {recipe.inputs} for {recipe.platform}",
                    f"found    inputs {found} for {loaded.platform}",
                ),
                hint=f"inv build {self.row.name} --arch {self.row.arch} --force",
            )
        return loaded

    def _save(self, file: Path) -> None:
        engine = self.workspace.engine
        name = str(self.workspace.repository.with_tag(self.target.tag or ""))
        answer = process.run([engine.program, "save", "--output", str(file), name], env=engine.env)
        if answer.code:
            raise EnvironmentLacks(
                f"the engine does not hand over {name}", detail=answer.complaint.splitlines()[:10], hint="inv doctor"
            )

    def _proven(self, reference: Reference) -> Digest:
        wanted = {platform_of(self.row.arch): self.workspace.recipes().of(self.row).inputs}
        hint = "raise `epoch` in the catalogue, which gives the same inputs a new tag"
        return prove(self.client, reference, wanted, hint).raw.digest

    def _end(self, outcome: RowOutcome, *, code: int = 0, headline: str = "", **known: object) -> None:
        seconds = time.monotonic() - self.clock
        end = {"outcome": outcome, "code": code, "headline": headline, "ended": now(), "seconds": seconds}
        self.record = replace(self.record, **end, **known)  # type: ignore[arg-type]
        self.workspace.run.write(self.record)


def lock_of(workspace: Workspace, target: Reference) -> AbstractContextManager[None]:
    """The lock of a tag, for all processes of this user on this machine, in whatever checkout they are."""
    from imageyard.stack.state import Folders

    folder = Folders.of_user().state.parent / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(str(target).encode()).hexdigest()[:32]
    waiting = lambda: workspace.story.step(f"another process is publishing {target}: waiting for it")  # noqa: E731
    return locked(folder / f"{name}.lock", waiting)
