"""`inv retain`: what of each repository goes and why the rest stays, and, told to, its deletion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imageyard import errors
from imageyard.errors import Denied, ImageyardError, NotFound, PolicyRefused, Transient
from imageyard.keep.backup_index import backed_up
from imageyard.keep.backup_place import backup_place
from imageyard.keep.inventory import InventoryReader
from imageyard.keep.judgement import Judgement
from imageyard.keep.kept_commits import read_kept_commits
from imageyard.keep.open_pulls import OpenPulls
from imageyard.keep.retain_delete import delete, items_of
from imageyard.keep.retain_state import Deletions, RepositoryState, lines_of, write_report
from imageyard.keep.retention_facts import Claims, Inventory, RepositoryKind, pull_of
from imageyard.keep.retention_plan import DeleteReason, HandsOff, KeepReason, RetentionPlan
from imageyard.keep.retention_policy import policy_of
from imageyard.names import Digest, Reference, parse_reference
from imageyard.records import gravest

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue
    from imageyard.keep.kept_commits import KeptCommits
    from imageyard.project.project import Project
    from imageyard.run.services import Services

__all__ = ["RetainRequest", "repositories", "retain"]


@dataclass(frozen=True)
class RetainRequest:
    """What a run does. `report` gets the report as JSON; `most` and `share` replace the catalogue's caps."""

    yes: bool = False
    as_json: bool = False
    report: Path | None = None
    most: int | None = None
    share: float | None = None


@dataclass
class _Outcome:
    """What became of one repository."""

    repository: Reference
    kind: RepositoryKind
    plan: RetentionPlan
    came: Deletions = field(default_factory=Deletions)
    error: ImageyardError | None = None

    @property
    def plain(self) -> dict[str, Any]:
        """The outcome as the report has it."""
        hands_off = self.plan.hands_off
        return {
            "repository": self.repository.name,
            "kind": self.kind,
            "hands_off": hands_off.name if hands_off else None,
            "why": f"{hands_off.value}: {self.plan.about}" if hands_off else "",
            "items": lines_of(self.plan, self.came),
        }


def retain(project: Project, services: Services, request: RetainRequest, now: datetime | None = None) -> None:
    """Judge every repository of the catalogue, and with `yes` delete what goes.

    A repository that cannot be read, or of which too much would go, is left alone and the others go on; at the end
    the gravest error is raised. Raises EnvironmentLacks, before anything is asked, where the report cannot be written
    or git does not know what is kept.
    """
    began = now or datetime.now(timezone.utc)
    outcomes: list[_Outcome] = []
    if request.report is not None:
        write_report(request.report, began, (), yes=request.yes)  # a path that cannot be written ends it here
    kept = read_kept_commits(project, services.reporter, began)
    saved, unread = _saved(project, services)
    pulls = OpenPulls(services)
    try:
        for repository, kind in repositories(project.catalogue):
            outcomes.append(_Repository(project, services, request, kept, saved, pulls, repository, kind, now).run())
    finally:
        if request.report is not None:
            write_report(request.report, began, (one.plain for one in outcomes), yes=request.yes)
        _tell(services, request, outcomes)
    if worst := gravest(error for error in (unread, *(one.error for one in outcomes)) if error is not None):
        raise worst


def _saved(project: Project, services: Services) -> tuple[frozenset[Digest] | None, ImageyardError | None]:
    """The digests that the backup has whole; None where no class of the catalogue needs one, and nobody is asked.

    A backup that cannot be read keeps all that needs one, and its error is told at the end, as that of a repository is.
    Raises ConfigurationError where the catalogue names no bucket.
    """
    if not policy_of(project.catalogue, "trusted").backed_up:
        return None, None
    try:
        return backed_up(backup_place(project.catalogue, services).bucket), None
    except (Denied, NotFound, Transient) as error:
        return frozenset(), error


def repositories(catalogue: Catalogue) -> list[tuple[Reference, RepositoryKind]]:
    """The repositories that the catalogue names, each once; one that is named twice is what it is named first."""
    registry, cache = catalogue.registry, catalogue.settings.get("cache")
    caches = cache if isinstance(cache, Mapping) else {}
    named: list[tuple[object, RepositoryKind]] = []
    if registry is not None:
        named += [(registry.trusted, "trusted"), (registry.branch, "branch")]
    named += [(mirror, "trusted") for mirror in catalogue.mirrors]
    named += [(caches.get("trusted"), "cache"), (caches.get("branch"), "cache")]
    found: dict[str, tuple[Reference, RepositoryKind]] = {}
    for name, kind in named:
        if name:
            reference = parse_reference(str(name))
            found.setdefault(reference.name, (reference, kind))
    return list(found.values())


class _Repository:
    """One repository in one run."""

    def __init__(
        self,
        project: Project,
        services: Services,
        request: RetainRequest,
        kept: KeptCommits,
        saved: frozenset[Digest] | None,
        pulls: OpenPulls,
        repository: Reference,
        kind: RepositoryKind,
        now: datetime | None,
    ) -> None:
        self.project = project
        self.services = services
        self.request = request
        self.kept = kept
        self.pulls = pulls
        self.kind: RepositoryKind = kind
        self.repository = repository
        self.fixed = now
        self.client = services.registry()
        self.judgement = Judgement(
            Claims(),
            policy_of(project.catalogue, kind, most=request.most, share=request.share),
            kind,
            saved,
            project.catalogue.tag == "content",
        )

    def run(self) -> _Outcome:
        """Judge the repository and delete what goes; an error is in the outcome."""
        outcome = _Outcome(self.repository, self.kind, RetentionPlan({}, ()))
        try:
            self._judge_and_delete(outcome)
        except ImageyardError as error:
            if not outcome.plan.verdicts:
                outcome.plan = RetentionPlan({}, (), HandsOff.UNREADABLE, error.headline)
            outcome.error = error
        return outcome

    def _judge_and_delete(self, outcome: _Outcome) -> None:
        state = RepositoryState(self.project.state / "retention", self.repository)
        state.distrust_deleted(self._now())
        reader = InventoryReader(self.client, self.repository, state.first_seen)
        self.judgement.claims = self.kept.claims_at(self.project, self.repository)
        self.judgement.last = state.last
        inventory = reader.read(self._now())
        outcome.plan = plan = self._plan(inventory, reader)
        if plan.hands_off is HandsOff.CLOCK:
            raise errors.EnvironmentLacks(f"the clock runs backwards: {plan.about}", doing=self._doing)
        for dead in state.open_records():
            dead.complete(inventory.manifests.__contains__)
        state.write(self._now(), inventory.manifests)
        if plan.hands_off is not None:
            raise PolicyRefused(
                f"nothing of {self.repository.name} goes: {plan.hands_off.value} ({plan.about})",
                doing=self._doing,
                hint="look at the report, then: inv retain --most N --share 100",
            )
        if self.request.yes and plan.deletions:
            record = state.new_record(self.repository, self._now(), items_of(plan, reader))
            try:
                delete(plan, lambda: self._plan(reader.read(self._now()), reader), reader, record, outcome.came)
            finally:
                unknown = [digest for digest in outcome.came.unknown if digest in state.first_seen]
                gone, unsure = self._gone(unknown)
                state.forget_deleted(self._now(), [*outcome.came.deleted, *gone], unsure)
        if refused := outcome.came.refused:
            digest, words = next(iter(refused.items()))
            raise errors.Transient(
                f"{len(refused)} of {len(plan.deletions)} manifests could not be deleted",
                doing=self._doing,
                detail=[f"{digest}: {words}"],
                hint="run it again",
            )

    def _gone(self, digests: Sequence[str]) -> tuple[list[str], list[str]]:
        """Ask for what was deleted without an answer: what of it is gone, and of what nobody can tell."""
        gone, unsure = list[str](), list[str]()
        for digest in digests:
            try:
                if self.client.digest_of(self.repository.with_digest(Digest(digest))) is None:
                    gone.append(digest)
            except ImageyardError:
                unsure.append(digest)
        return gone, unsure

    def _plan(self, inventory: Inventory, reader: InventoryReader) -> RetentionPlan:
        """Decide; of layer caches that would go it is asked whether their pull requests are open, and judged again."""
        found = self.judgement.plan(inventory, reader, self._now())
        if self.kind == "cache" and found.hands_off is not HandsOff.CLOCK:
            old = [one for one in found.verdicts.values() if one.reason in (DeleteReason.CACHE, KeepReason.OPEN)]
            numbers = {number for one in old for tag in one.manifest.tags if (number := pull_of(tag)) is not None}
            claims = replace(self.judgement.claims, open_pulls=self.pulls.among(numbers))
            self.judgement.claims = claims
            found = self.judgement.plan(inventory, reader, self._now())
        return found

    def _now(self) -> datetime:
        return self.fixed or datetime.now(timezone.utc)

    @property
    def _doing(self) -> str:
        return f"retaining {self.repository.name}"


def _tell(services: Services, request: RetainRequest, outcomes: Sequence[_Outcome]) -> None:
    """Print the result: JSON, or a table of what goes and a line for each repository; and the job's summary."""
    if request.as_json:
        services.reporter.result([one.plain for one in outcomes])
    summary = ["| repository | manifests | go | deleted | |", "|---|---|---|---|---|"]
    for one in outcomes:
        going = [verdict for verdict in one.plan.verdicts.values() if verdict.goes]
        if going and not request.as_json:
            cells = [
                (
                    " ".join(verdict.manifest.tags) or verdict.manifest.digest[:19],
                    verdict.reason.value,
                    verdict.about[:40],
                )
                for verdict in going
            ]
            services.reporter.table(("goes", "why", "of"), cells)
        words = f"{len(one.came.deleted)} deleted" if request.yes else f"{len(going)} would go"
        hands_off = f"; hands off: {one.plan.hands_off.value}" if one.plan.hands_off else ""
        services.reporter.step(f"{one.repository.name}: {words} of {len(one.plan.verdicts)} manifests{hands_off}")
        counts = f"{len(one.plan.verdicts)} | {len(going)} | {len(one.came.deleted)}"
        summary.append(f"| {one.repository.name} | {counts} | {hands_off.lstrip('; ')} |")
    services.provider.summary("## Retention\n\n" + "\n".join(summary) + "\n")
