"""What every kind of decision means: one table, a row for each of them, and what holds of all."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from imageyard.plan.decision import LOCAL, Builds, Decision, Repository, Tags, Trust, repository_of
from imageyard.plan.trust import Event, EventKind, decide, in_one_repository

MAIN, TOPIC = "refs/heads/main", "refs/heads/topic"
CIFLOW = "refs/tags/ciflow/docker/17"


def of(kind: EventKind, ref: str = MAIN, **more: Any) -> Decision:
    return decide(Event(kind, ref=ref, day="20260131", **more), ["main"])


DECISIONS = {
    "a person": LOCAL,
    "fork": of("push", repository_is_fork=True),
    "push to main": of("push"),
    "push to a branch": of("push", TOPIC),
    "branch, one repository": in_one_repository(of("push", TOPIC)),
    "merge queue": of("merge queue", TOPIC),
    "weekly": of("schedule"),
    "weekly of a branch": of("schedule", TOPIC),
    "weekly, one repository": in_one_repository(of("schedule", TOPIC)),
    "forced": of("manual", force=True),
    "every row": of("push", CIFLOW, commit_on="main"),
    "deleted": of("push", TOPIC, deleted=True),
    "closed": of("pull request", repository="a/b", head="a/b", number=1, action="closed"),
}

COLUMNS = [
    "is_local",
    "may_log_in",
    "logs_in_as",
    "may_read_engine",
    "may_mirror",
    "publishes",
    "is_published_by_nobody",
    "may_replace_trusted",
    "creates_repositories_of",
    "cache_mount_namespace",
    "uses_locked_bases",
    "builds_nothing",
    "builds_for_checks_only",
    "builds_every_row",
    "asks_for_state",
]
# columns in the order of COLUMNS: + is true, - is false, . is None, T and B are `trusted` and `branch`, F is `fork`
TABLE = """
a person                + + T + + - - + T . + - - - -
fork                    - - T - - - + - . F + - + - -
push to main            - + T - + + - - T T + - - - +
push to a branch        - + B - - + - - B B + - - - +
branch, one repository  - + B - - - + - . B + - + - -
merge queue             - + B - - + - - B B + - - - +
weekly                  - + T - - + - - T T - - - + -
weekly of a branch      - + B - - + - - B B - - - + -
weekly, one repository  - + B - - - + - . B + - + - -
forced                  - + T - - + - - T T + - - - -
every row               - + T - - + - - T T + - - + -
deleted                 - - T - - - + - . F + + - - -
closed                  - + B - - - + - . B + + - - -
"""
WORDS: dict[str, object] = {"+": True, "-": False, ".": None, "T": "trusted", "B": "branch", "F": "fork"}
LINES = {line[:24].strip(): line[24:].split() for line in TABLE.strip().splitlines()}

REPOSITORIES: tuple[Repository, ...] = ("trusted", "branch")

EVERY = [
    Decision(trust, "push", "why", builds, push, reads, mirror, (), cache, tags, force, day="20260131")
    for trust, builds, push, reads, mirror, cache, tags, force in product(
        ("local", "fork", "branch", "trusted"),
        ("asked", "missing", "all", "checks", "nothing"),
        (None, "branch", "trusted"),
        ((), ("trusted",), ("trusted", "branch")),
        (True, False),
        (None, "main", "pr-17"),
        ("content", "weekly", "local"),
        (True, False),
    )
]


def test_the_table_has_every_decision() -> None:
    assert list(LINES) == list(DECISIONS)


@pytest.mark.parametrize("name", DECISIONS)
def test_the_table(name: str) -> None:
    answers = {column: getattr(DECISIONS[name], column) for column in COLUMNS}
    assert answers == dict(zip(COLUMNS, (WORDS[mark] for mark in LINES[name]), strict=True))


@pytest.mark.parametrize(
    ("name", "to", "may", "touches", "cache"),
    [
        ("a person", "", "TB", "TB", ""),
        ("fork", "", "", "B", ""),
        ("push to main", "T", "TB", "T", "T"),
        ("push to a branch", "B", "B", "TB", "B"),
        ("branch, one repository", "", "", "B", "B"),
        ("merge queue", "B", "B", "TB", ""),
        ("weekly", "T", "TB", "T", "T"),
        ("deleted", "", "", "B", ""),
    ],
)
def test_the_repositories(name: str, to: str, may: str, touches: str, cache: str) -> None:
    """Where a run publishes by itself, where it may if told, what it reads or writes, and which caches it writes."""
    decision = DECISIONS[name]

    def marks(ask: Any) -> str:
        return "".join(one[0].upper() for one in REPOSITORIES if ask(one))

    found = (decision.publishes_to, decision.may_publish_to, decision.touches.__contains__, decision.writes_cache_of)
    assert tuple(marks(ask) for ask in found) == (to, may, touches, cache)


@pytest.mark.parametrize("trust", ["local", "fork", "branch", "trusted"])
def test_what_holds_of_every_decision(trust: Trust) -> None:
    for decision in EVERY:
        if decision.trust != trust:
            continue
        assert decision.publishes == any(decision.publishes_to(one) for one in REPOSITORIES)
        assert all(decision.may_publish_to(one) for one in REPOSITORIES if decision.publishes_to(one))
        assert decision.is_local or decision.publishes_to("trusted") or not decision.may_publish_to("trusted")
        assert not decision.is_local or decision.may_read_engine
        assert decision.is_local or not decision.may_read_engine
        assert decision.touches >= set(decision.reads)
        assert not decision.asks_for_state or not decision.force
        written = [one for one in REPOSITORIES if decision.writes_cache_of(one)]
        assert written in ([], [trust])
        assert not written or repository_of(decision.cache_written or "") == trust


@pytest.mark.parametrize("builds", ["asked", "missing", "all", "checks", "nothing"])
def test_a_decision_builds_in_one_way(builds: Builds) -> None:
    decision = replace(LOCAL, builds=builds, reads=("trusted",))
    ways = (
        decision.builds_nothing,
        decision.builds_for_checks_only,
        decision.builds_every_row,
        decision.asks_for_state,
    )
    assert sum(ways) == 1


@pytest.mark.parametrize(
    ("tags", "content", "arch", "expected"),
    [
        ("content", "linux-abc-arm64", "-arm64", "linux-abc-arm64"),
        ("weekly", "linux-abc-arm64", "-arm64", "linux-weekly-20260131-arm64"),
        ("weekly", "linux-abc", "", "linux-weekly-20260131"),
        ("local", "linux-abc", "", "linux-abc-local"),
        ("content", "linux-abc-local", "", "linux-abc-local"),
        ("weekly", "linux-abc-local", "", "linux-abc-local"),
        ("local", "linux-abc-local", "", "linux-abc-local"),
    ],
)
def test_the_tag_that_a_run_gives(tags: Tags, content: str, arch: str, expected: str) -> None:
    decision = replace(LOCAL, tags=tags, day="20260131")
    assert decision.tag(content, "linux", arch) == expected
    published = content if tags == "local" else expected  # a local tag is nobody else's
    assert decision.published_tag(content, "linux", arch) == published
    assert decision.reading_by_content().published_tag(content, "linux", arch) == content
