"""What a workflow has to do for an event: rows to build, images to promote and to mirror, each by its own state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from imageyard.building.builder_choice import depot_project
from imageyard.catalogue.builder_sections import remote_settings
from imageyard.errors import exit_code
from imageyard.names import Absent, Arch, Present, Reference, State, parse_reference
from imageyard.plan.delivery import Copies, Delivery, Whole, deliveries
from imageyard.plan.matrix import RowJob, Surroundings, row_jobs
from imageyard.plan.plan import Action, Candidate, RowKey, decide
from imageyard.plan.waves import WorkflowJobs
from imageyard.project.places import place_of
from imageyard.project.tags import index_tag, row_tag
from imageyard.queries.place_states import states_at
from imageyard.queries.plan import Before, bump_of, left_out, refused, states_below, with_ancestors
from imageyard.registry.states import states as ask

if TYPE_CHECKING:
    from imageyard.catalogue.model import Catalogue, Image, Row
    from imageyard.plan.trust import Decision
    from imageyard.project.project import Project
    from imageyard.recipe.recipe import Recipes
    from imageyard.run.services import Services

__all__ = ["WorkflowPlan", "plain", "workflow_plan"]

_MARGIN = 15
"""Minutes of a job beyond what the build may take: setting up, pushing, keeping records."""


@dataclass(frozen=True)
class WorkflowPlan:
    """All that is to be done for an event; `place` is where, in words.

    `depot`: rows are built at Depot, whose CLI their jobs need. `left_out` says what is not planned because it is of
    another lane; empty where nothing is.
    """

    decision: Decision
    place: str
    actions: tuple[Action, ...]
    delivered: tuple[Delivery, ...]
    jobs: tuple[RowJob, ...]
    depot: bool = False
    left_out: str = ""

    @property
    def blocked(self) -> tuple[tuple[int, str, str], ...]:
        """What must not or cannot be planned, each with its exit code and why; what only hangs on it is not in here."""
        rows = [(one.error, f"{one.row.image} {one.row.arch}", one.reason) for one in self.actions]
        wholes = [(one.error, f"{one.image}: {one.step}", one.reason) for one in self.delivered]
        return tuple((exit_code(error), what, why) for error, what, why in (*rows, *wholes) if error is not None)


def plain(plan: WorkflowPlan, jobs: WorkflowJobs, attempt: int) -> dict[str, object]:
    """The plan as plain data, for people and for the report at the end: what is left alone is not in it.

    `jobs` are those of the workflow; `job` is the name of the one that a row or an image has. `attempt` is the one of
    the run in which the plan was made.
    """
    rows = {(job.image, job.arch): job for job in plan.jobs}
    return {
        "attempt": attempt,
        "decision": asdict(plan.decision),
        "place": plan.place,
        "rows": [
            {
                "image": one.row.image,
                "arch": one.row.arch,
                "tag": one.tag,
                "action": one.do,
                "reason": one.reason,
                "code": exit_code(one.error),
                "level": one.level,
                "needs": [key.image for key in one.needs],
                "job": jobs.of_row.get(one.row),
                **({"runner": row.runner, "timeout": row.timeout, "address": row.address} if row else {}),
            }
            for one in plan.actions
            for row in [rows.get(one.row)]
            if one.do != "skip"
        ],
        "images": [
            {
                "image": one.image,
                "tag": one.tag,
                "step": one.step,
                "action": one.do,
                "reason": one.reason,
                "code": exit_code(one.error),
                "needs": [key.arch for key in one.needs],
                "to": list(one.to),
                "job": jobs.of_image.get((one.image, one.step)),
            }
            for one in plan.delivered
            if one.do != "skip"
        ],
        "skipped": sum(one.do == "skip" for one in plan.actions),
        **({"left_out": plan.left_out} if plan.left_out else {}),
    }


def workflow_plan(
    project: Project,
    recipes: Recipes,
    services: Services,
    decision: Decision,
    pattern: str = "*",
    *,
    since: str | None = None,
) -> WorkflowPlan:
    """The work for a decision; `since`: a revision, only rows that differ from it are built.

    Of what does not differ no state is asked, unless something that differs starts from it: a registry that refuses or
    is silent then stops nothing.
    Raises ConfigurationError for what cannot be read. What a registry refuses or fails to say is in the plan.
    """
    if decision.builds_nothing:
        return WorkflowPlan(decision, "", (), (), ())
    saved = _is_saved(project.catalogue, decision)
    selected = {RowKey(row.name, row.arch) for row in project.rows(pattern)}
    rows = with_ancestors(project.catalogue, recipes, selected)
    images = {key.image: project.catalogue.images[key.image] for key in rows}
    tags = {key: row_tag(recipes, row, decision) for key, row in rows.items()}
    wholes = {name: index_tag(recipes, image, decision) for name, image in images.items()}
    place = " or ".join(place_of(project.catalogue, one).name for one in decision.reads)
    before = Before.at(project, since) if since else None
    touched = _touched(recipes, rows, before) if before else {}
    asked = {key: rows[key] for key in _asked(project.catalogue, recipes, rows, touched)}
    own = _own(asked, images, touched, project.catalogue.lane, tags, wholes)
    states = _at(project, services, decision, own) if decision.asks_for_state else {}
    states |= states_below(project, services, asked, tags) if decision.publishes else {}
    candidates = [
        Candidate(
            key,
            tags[key],
            tuple(RowKey(parent.name, parent.arch) for parent in recipes.parent_rows(row)),
            states.get(tags[key]),
            before.changed(key, recipes.of(row)) if before else None,
            _refused(project.catalogue, recipes, row, decision),
            key in selected,
            _forced(decision),
            touched_only=before is not None and not touched.get(key.image, True) and decision.asks_for_state,
            bump=bump_of(row),
        )
        for key, row in rows.items()
    ]
    actions = decide(candidates, place)
    mirrors = _mirrors(project.catalogue, services, decision, wholes, states) if decision.mirror else {}
    delivered = deliveries(
        [
            Whole(name, wholes[name], _rows_of(image), states.get(wholes[name]), mirrors.get(name, {}), saved)
            for name, image in images.items()
            if decision.publishes and any(key in selected for key in _rows_of(image))
        ],
        actions,
        place,
    )
    runners = services.provider.runners
    jobs = row_jobs(actions, {k: _surroundings(project.catalogue, decision, runners, row) for k, row in rows.items()})
    depot = bool(jobs) and _at_depot(project.catalogue, decision)
    return WorkflowPlan(decision, place, actions, delivered, jobs, depot, left_out(project.catalogue))


def _refused(catalogue: Catalogue, recipes: Recipes, row: Row, decision: Decision) -> str:
    """Why a row must not be built where the run publishes, in words; empty where it may be."""
    return refused(catalogue, recipes, row, weekly=not decision.uses_locked_bases) if decision.publishes else ""


def _is_saved(catalogue: Catalogue, decision: Decision) -> bool:
    """Whether this run copies what it publishes to the bucket; the lane's role may not write there."""
    return "backup" in catalogue.settings and decision.backup and catalogue.lane is None


def _own(
    asked: Mapping[RowKey, Row],
    images: Mapping[str, Image],
    touched: Mapping[str, bool],
    lane: str | None,
    tags: Mapping[RowKey, str],
    wholes: Mapping[str, str],
) -> tuple[str, ...]:
    """The tags of rows and of images that are of this lane, or of none, and whose state matters."""
    return (
        *(tags[key] for key, row in asked.items() if row.image.lane == lane),
        *(wholes[name] for name, image in images.items() if image.lane == lane and touched.get(name, True)),
    )


def _forced(decision: Decision) -> str:
    """Why rows are built whatever their state; empty where the state decides."""
    if decision.force:
        return f"forced: {decision.reason}"
    return f"all rows: {decision.reason}" if decision.builds_every_row else ""


def _rows_of(image: Image) -> tuple[RowKey, ...]:
    return tuple(RowKey(image.name, arch) for arch in image.arches)


def _touched(recipes: Recipes, rows: Mapping[RowKey, Row], before: Before) -> dict[str, bool]:
    """Whether any row of an image differs: the tag over its rows needs them all."""
    found: dict[str, bool] = {}
    for key, row in rows.items():
        found[key.image] = found.get(key.image, False) or bool(before.changed(key, recipes.of(row)).words)
    return found


def _at(project: Project, services: Services, decision: Decision, tags: Iterable[str]) -> dict[str, State]:
    """The state of each tag, in the first of the readable repositories that does not lack it."""
    found: dict[str, State] = {tag: Absent() for tag in tags}
    for at in decision.reads:
        open_ = [tag for tag, state in found.items() if isinstance(state, Absent)]
        found |= states_at(project, services, place_of(project.catalogue, at), open_) if open_ else {}
    return found


def _mirrors(
    catalogue: Catalogue,
    services: Services,
    decision: Decision,
    wholes: Mapping[str, str],
    states: Mapping[str, State],
) -> dict[str, dict[str, Copies]]:
    """What each mirror has of each image; only those that are published are asked for, the others are new there."""
    repositories = [parse_reference(one) for one in catalogue.mirrors]
    wanted: dict[tuple[str, str], tuple[Reference, Reference]] = {
        (name, one.name): (one.with_tag(tag), one.with_tag(name))
        for name, tag in wholes.items()
        for one in repositories
        if isinstance(states.get(tag), Present)
    }
    told = ask(services.registry(), [reference for pair in wanted.values() for reference in pair], platforms=False)
    found: dict[str, dict[str, Copies]] = {name: {} for name in wholes}
    for name in wholes:
        for one in repositories:
            pair = wanted.get((name, one.name))
            found[name][one.name] = Copies(told[pair[0]], told[pair[1]]) if pair else Copies(Absent(), Absent())
    return found


def _asked(
    catalogue: Catalogue, recipes: Recipes, rows: Mapping[RowKey, Row], touched: Mapping[str, bool]
) -> Iterable[RowKey]:
    """The rows whose state matters: of images that are touched, and all that these start from."""
    return with_ancestors(catalogue, recipes, {key for key in rows if touched.get(key.image, True)})


def _at_depot(catalogue: Catalogue, decision: Decision) -> bool:
    return depot_project(catalogue.builders, decision.push) is not None


def _surroundings(catalogue: Catalogue, decision: Decision, runners: Mapping[Arch, str], row: Row) -> Surroundings:
    """The runner, the minutes and the worker of a row's job. A run that publishes nothing builds in its engine.

    `runners` are those of the CI system, where the catalogue names none; that of amd64 drives what others build, and
    emulates what the system has no machines of.
    """
    depot = _at_depot(catalogue, decision)
    level = decision.push if decision.publishes and not depot else None
    remote = remote_settings(catalogue.builders, level) if level else None
    address = remote.addresses.get(row.arch, "") if remote else ""
    connecting = remote.connect_timeout if remote and address else 0  # of each attempt: a worker may have been lost
    minutes = (row.image.timeout + connecting) * row.image.attempts / 60
    own = None if address or depot else runners.get(row.arch)
    runner = row.image.runner.plain if row.image.runner else own or runners["amd64"]
    return runner, math.ceil(minutes) + _MARGIN, address
