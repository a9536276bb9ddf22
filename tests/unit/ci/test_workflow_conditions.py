"""When the jobs of our workflows run, by the expressions that stand in them, and what GitHub's events have in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from imageyard.catalogue import text
from imageyard.catalogue.nodes import Map, Text
from support.workflow.expressions import Status, evaluate, interpolate, truthy
from support.workflow.syntax import load

WORKFLOWS = Path(__file__).parents[3] / ".github" / "workflows"


@pytest.mark.parametrize(
    ("event", "decide", "report", "cancelled", "told"),
    [
        ("schedule", "success", "failure", False, True),
        ("schedule", "failure", "skipped", False, True),
        ("schedule", "success", "success", False, False),
        ("schedule", "success", "skipped", False, False),
        ("schedule", "cancelled", "skipped", False, True),  # it timed out
        ("schedule", "success", "cancelled", False, True),
        ("schedule", "success", "cancelled", True, False),  # somebody cancelled the run, or a newer one replaced it
        ("schedule", "failure", "skipped", True, False),
        ("push", "success", "failure", False, False),
        ("push", "cancelled", "skipped", False, False),
        ("pull_request", "success", "cancelled", True, False),
    ],
)
def test_who_is_told_of_a_run(event: str, decide: str, report: str, cancelled: bool, told: bool) -> None:
    """A job that timed out is cancelled, and its run is not (github.com/ROCm/TheRock/issues/8372, as seen there)."""
    job = load(WORKFLOWS / "docker-builds.yml").jobs["tell"]
    results = {"decide": decide, "report": report}
    assert set(job.needs) == results.keys()
    contexts: dict[str, Any] = {
        "github": {"event_name": event},
        "needs": {name: {"result": result} for name, result in results.items()},
    }
    failure = "failure" in results.values()
    success = set(results.values()) == {"success"}
    status = Status(success=success and not cancelled, failure=failure, cancelled=cancelled)
    assert truthy(evaluate(job.condition, contexts, status)) is told


def group(file: str, event: str, ref: str, number: int | None, run: int) -> str:
    """The concurrency group of a run."""
    root = text.parse((WORKFLOWS / file).read_bytes(), file)
    concurrency = root.items["concurrency"]
    assert isinstance(concurrency, Map)
    words = concurrency.items["group"]
    assert isinstance(words, Text)
    payload = {"pull_request": {"number": number}} if number else {}
    contexts = {"github": {"event_name": event, "ref": ref, "event": payload, "run_id": run}}
    return interpolate(words.text or "", contexts)


def test_the_caches_of_each_closed_request_are_cleaned() -> None:
    """One that was merged has the ref of the branch that it went into (docs.github.com, `pull_request` events)."""
    file, main = "docker-cache-cleanup.yml", "refs/heads/main"
    groups = [group(file, "pull_request", main, number, number) for number in (17, 18, 19)]
    assert len({*groups, group(file, "schedule", main, None, 20)}) == 4
    assert group(file, "pull_request", "refs/pull/17/merge", 17, 21) == groups[0]


@pytest.mark.parametrize("file", ["docker-builds.yml", "tests.yml"])
def test_the_checks_that_pull_requests_need_are_there_for_a_merge_queue(file: str) -> None:
    """A check that a queue waits for, and that no workflow gives, keeps it waiting for ever."""
    assert {"pull_request", "merge_group"} <= load(WORKFLOWS / file).on.keys()
    ref = "refs/heads/gh-readonly-queue/main/pr-17-abc"
    groups = {group(file, "merge_group", ref, None, run) for run in (1, 2)}
    assert len(groups) == 2, "no group of a queue drops another"


def test_a_job_that_reads_a_private_registry_may_read_packages() -> None:
    """And hands the token to the login that needs it; a job in an environment has that environment's token."""
    found = {}
    for file in ("docker-builds.yml", "wait-for-image.yml"):
        for job in load(WORKFLOWS / file).jobs.values():
            logins = [step for step in job.steps if step.run.startswith("inv login")]
            if logins and not job.environment:
                found[job.id] = (job.permissions.get("packages"), *(sorted(step.env) for step in logins))
    assert found == dict.fromkeys(("decide", "report", "wait"), ("read", ["GITHUB_TOKEN"]))


def test_every_job_that_keeps_images_has_a_token_for_ghcr() -> None:
    """GHCR lists versions to nobody without one (docs.github.com, "REST API endpoints for packages").

    The page only reads, for which the job's own token is enough; its environment has no secret.
    """
    found = {}
    for file in ("docker-retention.yml", "docker-backup.yml", "docker-recover.yml"):
        for job in load(WORKFLOWS / file).jobs.values():
            (login,) = [step for step in job.steps if step.run.startswith("inv login")]
            found[job.id] = (job.permissions.get("packages", "none"), sorted(login.env))
    with_secret = ("none", ["GHCR_PAT", "ROLE"])
    reading = ("read", ["GITHUB_TOKEN", "ROLE"])
    assert found == {**dict.fromkeys(("retain", "backup", "recover"), with_secret), "page": reading}
