"""What is to be done for each row: recipes and states in, actions out, parents before children."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from imageyard.errors import Denied, PolicyRefused, Transient, assert_never
from imageyard.names import Absent, Arch, Present, Revoked, State, Unknown

__all__ = ["Action", "Candidate", "Changed", "Do", "RowKey", "Stop", "alike", "decide", "failing"]

Do: TypeAlias = Literal["build", "skip", "blocked"]

Stop: TypeAlias = Denied | Transient | PolicyRefused
"""Why a row cannot be planned."""

_FIRST = (Denied, Transient, PolicyRefused)
"""What a plan ends with, where several rows are blocked: first what hides the rest."""


class RowKey(NamedTuple):
    """A row by name."""

    image: str
    arch: Arch


class Changed(NamedTuple):
    """What became different since a revision, in words; nothing for a row that is as it was there."""

    since: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Candidate:
    """A row before the decision.

    `state` is None where no place was asked, `changed` None where no revision was compared. `refused` says why it must
    not be built for this place, in words. One that is not `selected` is in the plan only where a row that is built
    needs it. `forced` says why a selected row is built whatever its state, in words. With `touched_only` a row that
    did not change is left alone before its state is judged: it is somebody else's to build. `bump` says, in words, what
    gives the row another tag where its image is revoked.
    """

    row: RowKey
    tag: str
    parents: tuple[RowKey, ...] = ()
    state: State | None = None
    changed: Changed | None = None
    refused: str = ""
    selected: bool = True
    forced: str = ""
    touched_only: bool = False
    bump: str = ""


@dataclass(frozen=True)
class Action:
    """What is to be done for a row, and why; `error` is what blocks it, None too where that is a parent.

    `needs` are the parents that this plan builds. Rows of one level can be built at the same time, after all levels
    below theirs. `left`: it is absent, or its state is not known, and it is left alone because it did not change.
    """

    row: RowKey
    tag: str
    do: Do
    reason: str
    needs: tuple[RowKey, ...] = ()
    level: int = 0
    error: Stop | None = field(default=None, compare=False)
    left: bool = False


class _Verdict(NamedTuple):
    """`left`: absent or not known, and left alone unless a row that is built needs it."""

    do: Do
    reason: str
    error: Stop | None = None
    left: bool = False


def decide(candidates: Sequence[Candidate], place: str) -> tuple[Action, ...]:
    """The actions of the selected rows and of the ancestors that these need, in the order of `candidates`.

    `candidates` are parents first, with all their ancestors; `place` is what the reasons call the place.
    """
    verdicts = {one.row: _verdict(one, place) for one in candidates}
    wanted = _wanted(candidates, verdicts)
    actions: dict[RowKey, Action] = {}
    for one in candidates:
        if one.row in wanted:
            child = wanted[one.row]
            actions[one.row] = _action(one, verdicts[one.row], actions, "" if one.selected else f", {child} needs it")
    return tuple(actions.values())


def failing(actions: Sequence[Action]) -> Action | None:
    """The row whose error the plan ends with: refusals first; None where all is well."""
    for kind in _FIRST:
        if found := next((one for one in actions if isinstance(one.error, kind)), None):
            return found
    return None


def alike(actions: Sequence[Action], error: Stop) -> int:
    """How many rows are blocked by an error of the same kind."""
    kind = next(kind for kind in _FIRST if isinstance(error, kind))
    return sum(isinstance(one.error, kind) for one in actions)


def _wanted(candidates: Sequence[Candidate], verdicts: dict[RowKey, _Verdict]) -> dict[RowKey, str]:
    """The rows of the plan, each with the name of a child that is built from it; what was left alone may be wanted."""
    known = {one.row: one for one in candidates}
    wanted = {one.row: "" for one in candidates if one.selected}
    for one in reversed(candidates):
        if one.row in wanted and verdicts[one.row].do == "build":
            for parent in one.parents:
                if verdicts[parent].left:
                    verdicts[parent] = _needed(known[parent], one.row.image)
                    wanted.setdefault(parent, "")
                elif verdicts[parent].do != "skip":
                    wanted.setdefault(parent, one.row.image)
    return wanted


def _needed(one: Candidate, child: str) -> _Verdict:
    """What follows for a row that was left alone, and that a child is built from."""
    if isinstance(one.state, Unknown):
        return _Verdict("blocked", one.state.why, one.state.error)
    if isinstance(one.state, Revoked):
        return _revoked(one, one.state)
    return _refusal(one.refused) if one.refused else _Verdict("build", f"absent, {child} needs it")


def _verdict(one: Candidate, place: str) -> _Verdict:
    """What follows from the row alone."""
    if one.forced and one.selected and not isinstance(one.state, Revoked):
        return _refusal(one.refused) if one.refused else _Verdict("build", one.forced)
    unchanged = f"unchanged since {one.changed.since}" if one.changed and not one.changed.words else ""
    leave = one.touched_only and bool(unchanged)
    match one.state:
        case Present():
            return _Verdict("skip", f"in {place}")
        case Revoked(why=why) if leave:
            return _Verdict("skip", f"{unchanged}, and {why}", left=True)
        case Revoked():
            return _revoked(one, one.state)
        case Unknown() if leave:
            return _Verdict("skip", f"{unchanged}, and not known in {place}", left=True)
        case Unknown():
            return _Verdict("blocked", one.state.why, one.state.error)
        case Absent() if leave:
            return _Verdict("skip", f"absent in {place}, and {unchanged}", left=True)
        case Absent():
            reason = _since(one.changed) or f"absent in {place}"
        case None if unchanged:
            return _Verdict("skip", unchanged, left=leave)
        case None:
            reason = _since(one.changed) or "no place was asked"
        case _:
            assert_never(one.state)
    return _refusal(one.refused) if one.refused else _Verdict("build", reason)


def _revoked(one: Candidate, state: Revoked) -> _Verdict:
    return _refusal(f"{state.why}; {one.bump}" if one.bump else state.why)


def _refusal(why: str) -> _Verdict:
    return _Verdict("blocked", why, PolicyRefused(why))


def _since(changed: Changed | None) -> str:
    if changed is None or not changed.words:
        return ""
    more = f", and {len(changed.words) - 1} more" if len(changed.words) > 1 else ""
    return f"{changed.words[0]} since {changed.since}{more}"


def _action(one: Candidate, verdict: _Verdict, before: Mapping[RowKey, Action], why_here: str) -> Action:
    do, reason, error, left = verdict
    needs: tuple[RowKey, ...] = ()
    if do == "build":
        parents = [before[parent] for parent in one.parents if parent in before]
        if stop := next((parent for parent in parents if parent.do == "blocked"), None):
            do, reason = "blocked", f"its parent {stop.row.image} is blocked"
        else:
            needs = tuple(parent.row for parent in parents if parent.do == "build")
    level = 1 + max((before[key].level for key in needs), default=-1)
    return Action(one.row, one.tag, do, reason + why_here, needs, level, error, left)
