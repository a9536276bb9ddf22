"""The table of docs/trust.md, row by row, against the decisions that are made."""

from __future__ import annotations

from pathlib import Path

import pytest
from imageyard.ci.providers.github.event import kind_of
from imageyard.plan.trust import LOCAL, Decision, Event, decide

DOCUMENT = Path(__file__).parents[3] / "docs" / "trust.md"
HERE = "example/images"
MAIN, TOPIC = "refs/heads/main", "refs/heads/topic"
CIFLOW, VERSION = "refs/tags/ciflow/docker/17", "refs/tags/v1"

EVENTS: dict[str, Event | None] = {
    "none: a person's machine, another CI": None,
    "push to a protected branch": Event("push", ref=MAIN),
    "push to another branch": Event("push", ref=TOPIC),
    "tag `ciflow/docker/*` on a protected branch": Event("push", ref=CIFLOW, commit_on="main"),
    "tag `ciflow/docker/*` elsewhere": Event("push", ref=CIFLOW),
    "another tag on a protected branch": Event("push", ref=VERSION, commit_on="main"),
    "another tag elsewhere": Event("push", ref=VERSION),
    "a branch or tag deleted": Event("push", ref=MAIN, deleted=True),
    "schedule, the default branch being protected": Event("schedule", ref=MAIN, day="20260131"),
    "schedule, the default branch not being protected": Event("schedule", ref=TOPIC, day="20260131"),
    "pull request of this repository, draft or not": Event("pull request", repository=HERE, head=HERE, number=17),
    "pull request of this repository, draft or not: the same, closed or merged": Event(
        "pull request", repository=HERE, head=HERE, number=17, action="closed"
    ),
    "pull request from a fork": Event("pull request", repository=HERE, head="elsewhere/images", number=17),
    "pull request from a fork: the same, closed or merged": Event(
        "pull request", repository=HERE, head="elsewhere/images", number=17, action="closed"
    ),
    "dispatch by hand on a protected branch": Event("manual", ref=MAIN),
    "dispatch by hand on a protected branch: the same with `force`": Event("manual", ref=MAIN, force=True),
    "dispatch by hand elsewhere": Event("manual", ref=TOPIC),
    "`repository_dispatch` (default branch protected)": Event("outside service", ref=MAIN),
    "merge queue": Event("merge queue", ref="refs/heads/gh-readonly-queue/main/pr-17-929f"),
    "`pull_request_target`, `workflow_run`, any other event": Event("on behalf", ref=MAIN),
    "anything in a repository that is a fork": Event("push", ref=MAIN, repository_is_fork=True),
    "a payload that is missing, odd, or contradicted by a variable": Event("push", ref=MAIN, odd="it is not JSON"),
}


def documented() -> dict[str, list[str]]:
    """The table's rows by their first cell; `the same` is told by the row that it refers to."""
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")][1:]
    found: dict[str, list[str]] = {}
    named = ""
    for first, *cells in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines):
        named = named if first.startswith("the same") else first
        found[f"{named}: {first}" if first.startswith("the same") else first] = cells
    return found


def shown(decision: Decision) -> list[str]:
    """A decision as the table has it."""
    builds = {
        "asked": "what is asked",
        "missing": "missing rows",
        "all": "all rows",
        "checks": "local checks",
        "nothing": "nothing",
    }[decision.builds]
    builds += ", forced" if decision.force else ", without caches" if decision.no_cache else ""
    builds += ", bases pulled" if decision.pull else ""
    scopes = [_scope(scope) for scope in (*decision.caches_read, decision.cache_written or "none")]
    nothing = "nothing unless asked" if decision.trust == "local" else "nothing"
    return [
        decision.trust,
        builds,
        decision.push or nothing,
        "yes" if decision.mirror else "no",
        "yes" if decision.backup else "no",
        f"{', '.join(scopes[:-1]) or 'none'} / {scopes[-1]}",
        decision.tags,
    ]


def _scope(scope: str) -> str:
    return {"pr": "its own", "ref": "its ref"}.get(scope.partition("-")[0], scope)


@pytest.mark.parametrize("row", EVENTS)
def test_the_table(row: str) -> None:
    event = EVENTS[row]
    assert documented()[row] == shown(LOCAL if event is None else decide(event, ["main"]))


def test_the_table_has_no_other_rows() -> None:
    assert list(documented()) == list(EVENTS)


@pytest.mark.parametrize("name", ["workflow_run", "issue_comment", "release", "create", "delete", "workflow_call"])
def test_any_other_event_is_one_row(name: str) -> None:
    row = "`pull_request_target`, `workflow_run`, any other event"
    assert documented()[row] == shown(decide(Event(kind_of(name), name, ref=MAIN), ["main"]))
