"""What a run may do: from the event that started it to where it may write, what it may read, and which tags it gives.

A decision keeps honest runs in their place. The code of a branch can be changed together with what it builds, this file
included: what stops hostile code are the credentials, which are given to a repository's refs and not by decisions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from imageyard.errors import assert_never
from imageyard.layout import one_line
from imageyard.plan.decision import LOCAL, MAIN, Decision, Repository, Trust

__all__ = [
    "LOCAL",
    "Decision",
    "Event",
    "EventKind",
    "Repository",
    "Trust",
    "decide",
    "in_one_repository",
    "is_protected",
]

EventKind: TypeAlias = Literal[
    "push", "pull request", "merge queue", "schedule", "manual", "outside service", "on behalf", "other"
]
"""Why a run started, in the words of no CI system. `manual`: a person asked for it. `outside service`: a program of
somebody who may write asked for it. `on behalf`: the rights are those of the default branch, and the code may be
anybody's. `other`: nothing that publishes."""


@dataclass(frozen=True)
class Event:
    """What started a run, in plain values; each was compared with the others where two say the same thing.

    `name` is what the CI system calls it. `odd` says in words why the event cannot be believed, and is empty where it
    can. `ref` is a full one (`refs/heads/main`), `number` and `head` are those of a pull request: `head` is the
    repository that its commits are in, empty where that is gone. Where the ref is a tag, `commit_on` names a protected
    branch that contains its commit, and `commit_unknown` says why that could not be found out. `day` is YYYYMMDD, in
    UTC.
    """

    kind: EventKind
    name: str = ""
    odd: str = ""
    repository: str = ""
    repository_is_fork: bool = False
    ref: str = ""
    action: str = ""
    deleted: bool = False
    number: int = 0
    head: str = ""
    commit_on: str = ""
    commit_unknown: str = ""
    pattern: str = "*"
    force: bool = False
    day: str = ""


CIFLOW_TAG = "refs/tags/ciflow/docker/"
"""What the full name of a tag begins with that asks for a build of everything, whoever hosts the repository."""

_HEADS, _TAGS = "refs/heads/", "refs/tags/"


def decide(event: Event, protected: Sequence[str]) -> Decision:
    """What the run of an event may do; `protected` are patterns of branches, as `is_protected` reads them.

    Whatever is not known, or not believed, is decided as if it came from a fork. Where several events stand for one
    change (a push to a branch with a pull request), each is decided by itself and the state of the rows keeps them from
    being built twice; a workflow that starts on pull requests should not start on pushes to their branches too.
    """
    if event.odd:
        return _fork(event, _shown(event.odd, 300))
    if event.repository_is_fork:
        return _fork(event, f"{_shown(event.repository)} is itself a fork: what it builds is nobody else's")
    match event.kind:
        case "push":
            return _push(event, protected)
        case "pull request":
            return _pull_request(event)
        case "schedule":
            return _schedule(event, protected)
        case "manual":
            return _dispatch(event, protected)
        case "outside service":
            trust, why = _trust_of_ref(event, protected)
            return _by_trust(event, trust, f"a dispatch by an outside service, at {why}")
        case "merge queue":
            return replace(
                _by_trust(event, "branch", "a merge queue tries what is not merged yet"),
                cache_written=None,  # the ref names a commit: nobody would read that cache again
                caches_read=(MAIN,),
            )
        case "on behalf":
            words = "runs with the rights of the default branch on behalf of anybody's code"
            return _fork(event, f"{_shown(event.name)} {words}")
        case "other":
            return _fork(event, f"{_shown(event.name) or 'an event without a name'} is no event that publishes")
        case _:
            assert_never(event.kind)


def in_one_repository(decision: Decision) -> Decision:
    """The decision where the catalogue names one repository for all: below trusted, rows are built for their checks.

    What a branch wrote there, `main` would take for its own under the tag that it calculates next.
    """
    if decision.trust != "branch" or decision.push is None:
        return decision
    reason = f"{decision.reason}; nothing is pushed: the catalogue has one repository, which only trusted runs write"
    return replace(decision, reason=reason, builds="checks", push=None, reads=(), tags="local", force=False, pull=False)


def is_protected(branch: str, protected: Sequence[str]) -> bool:
    """Whether a branch is one of the patterns.

    They are read as those of GitHub's branch filters (docs.github.com, "Workflow syntax", filter pattern cheat sheet):
    `*` stands for any characters but `/`, `**` for any; nothing else is special.
    """
    return any(_expression(pattern).fullmatch(branch) for pattern in protected)


def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*+)", pattern)
    words = (re.escape(part) if not part.startswith("*") else "[^/]*" if part == "*" else ".*" for part in parts)
    return re.compile("".join(words), re.DOTALL)


def _push(event: Event, protected: Sequence[str]) -> Decision:
    if event.deleted:
        return _nothing(event, "fork", f"{_shown(event.ref)} was deleted: there is nothing to build")
    trust, why = _trust_of_ref(event, protected)
    if event.ref.startswith(CIFLOW_TAG):
        return _forced(replace(_by_trust(event, trust, f"a build was asked for at {why}"), builds="all"))
    if event.ref.startswith(_TAGS):
        return _by_trust(event, trust, f"a push of {why}")
    return replace(_by_trust(event, trust, f"a push to {why}"), mirror=trust == "trusted")


def _pull_request(event: Event) -> Decision:
    title = f"pull request {event.number}"
    inside = event.head == event.repository != ""
    where = "is from this repository" if inside else f"is from {_shown(event.head) or 'a fork that is gone'}"
    if event.action == "closed":
        return _nothing(event, "branch" if inside else "fork", f"{title} is closed: there is nothing to build")
    if not inside:
        return _fork(event, f"{title} {where}")
    scope = f"pr-{event.number}"
    decision = _by_trust(event, "branch", f"{title} {where}")
    return replace(decision, caches_read=(scope, MAIN), cache_written=scope)


def _schedule(event: Event, protected: Sequence[str]) -> Decision:
    trust, why = _trust_of_ref(event, protected)
    decision = _by_trust(event, trust, f"a scheduled build of everything at {why}")
    if trust == "fork":
        return decision
    fresh = replace(decision, builds="all", no_cache=True, pull=True, caches_read=())
    return replace(fresh, tags="weekly", day=event.day, backup=False)  # gone in two weeks


def _dispatch(event: Event, protected: Sequence[str]) -> Decision:
    trust, why = _trust_of_ref(event, protected)
    decision = replace(_by_trust(event, trust, f"asked for by hand at {why}"), pattern=event.pattern)
    return _forced(decision) if event.force and trust != "fork" else decision


def _forced(decision: Decision) -> Decision:
    """The state is not asked and no cache is read; without a place to write to there is nothing to force."""
    return decision if decision.push is None else replace(decision, force=True, no_cache=True, caches_read=())


def _trust_of_ref(event: Event, protected: Sequence[str]) -> tuple[Trust, str]:
    """The trust of what the ref names, and the ref with the reason."""
    shown = _shown(event.ref)
    if event.ref.startswith(_HEADS):
        branch = event.ref.removeprefix(_HEADS)
        if is_protected(branch, protected):
            return "trusted", f"{_shown(branch)}, which is protected"
        return "branch", f"{_shown(branch)}, which is not protected"
    if event.ref.startswith(_TAGS):
        tag = _shown(event.ref.removeprefix(_TAGS))
        if event.commit_on and is_protected(event.commit_on, protected):
            return "trusted", f"{tag}, whose commit is on {_shown(event.commit_on)}, which is protected"
        if event.commit_unknown:
            why = _shown(event.commit_unknown, 300)
            return "branch", f"{tag}; whether its commit is on a protected branch is unknown: {why}"
        return "branch", f"{tag}, whose commit is on no protected branch"
    return "fork", f"{shown or 'no ref'}, which is neither a branch nor a tag"


def _by_trust(event: Event, trust: Trust, reason: str) -> Decision:
    """Rows that are missing, built, pushed and cached as this trust may."""
    if trust == "trusted":
        # no claim tells that a tag's commit is protected, so the role of backups takes no tags
        backup = event.ref.startswith(_HEADS)
        return Decision(trust, event.name, reason, "missing", trust, (trust,), False, (MAIN,), MAIN, backup=backup)
    if trust == "branch" and event.ref.startswith(_TAGS):
        # a tag is pushed once: nobody would read a cache of its own again
        return Decision(trust, event.name, reason, "missing", trust, ("trusted", "branch"), False, (MAIN,), None)
    if trust == "branch":
        scope = f"ref-{hashlib.sha256(event.ref.encode(errors='surrogatepass')).hexdigest()[:12]}"
        reads: tuple[Repository, ...] = ("trusted", "branch")
        return Decision(trust, event.name, reason, "missing", trust, reads, False, (scope, MAIN), scope)
    return _fork(event, reason)


def _fork(event: Event, reason: str) -> Decision:
    """What anybody may have started: builds for their checks, nothing written."""
    return Decision("fork", _shown(event.name), reason, "checks", caches_read=(MAIN,), tags="local")


def _nothing(event: Event, trust: Trust, reason: str) -> Decision:
    return Decision(trust, event.name, reason, "nothing")


def _shown(text: str, limit: int = 120) -> str:
    """What an event says, for a reader and for a log that obeys some lines, whatever is in it."""
    return one_line(text.encode("unicode_escape").decode(), limit)
