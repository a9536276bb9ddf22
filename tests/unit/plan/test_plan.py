"""The plan: what is done for each row, why, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import Denied, Transient, exit_code
from imageyard.names import Absent, Digest, Present, State, Unknown
from imageyard.plan.plan import Action, Candidate, Changed, RowKey, decide, failing

PRESENT = Present(Digest("sha256:" + "1" * 64))
ABSENT = Absent()
REFUSED = Unknown(Denied("registry.test refused us (HTTP 401): UNAUTHORIZED"))
SILENT = Unknown(Transient("registry.test did not answer (HTTP 503)"))
NO_CHANGE = Changed("main", ())
CHANGE = Changed("main", ("common/install_python.sh changed",))
CHANGES = Changed("main", ("base debian:bookworm-slim moved (sha256:111… -> sha256:222…)", "epoch: 1 -> 2"))


def row(name: str) -> RowKey:
    return RowKey(name, "amd64")


def one(name: str, state: State | None = None, *parents: str, **more: object) -> Candidate:
    return Candidate(row(name), f"{name}-tag", tuple(map(row, parents)), state, **more)  # type: ignore[arg-type]


def planned(*candidates: Candidate) -> dict[str, tuple[str, str]]:
    return {action.row.image: (action.do, action.reason) for action in decide(candidates, "REGISTRY")}


@pytest.mark.parametrize(
    ("candidate", "do", "reason"),
    [
        (one("a", PRESENT), "skip", "in REGISTRY"),
        (one("a", PRESENT, changed=CHANGE), "skip", "in REGISTRY"),
        (one("a", PRESENT, refused="not locked"), "skip", "in REGISTRY"),
        (one("a", ABSENT), "build", "absent in REGISTRY"),
        (one("a", ABSENT, changed=NO_CHANGE), "build", "absent in REGISTRY"),
        (one("a", ABSENT, changed=CHANGE), "build", "common/install_python.sh changed since main"),
        (
            one("a", ABSENT, changed=CHANGES),
            "build",
            "base debian:bookworm-slim moved (sha256:111… -> sha256:222…) since main, and 1 more",
        ),
        (one("a", ABSENT, refused="debian:12 is not locked"), "blocked", "debian:12 is not locked"),
        (one("a", REFUSED, changed=CHANGE), "blocked", REFUSED.why),
        (one("a", SILENT), "blocked", SILENT.why),
        (one("a"), "build", "no place was asked"),
        (one("a", changed=CHANGE), "build", "common/install_python.sh changed since main"),
        (one("a", changed=NO_CHANGE), "skip", "unchanged since main"),
    ],
)
def test_one_row(candidate: Candidate, do: str, reason: str) -> None:
    assert planned(candidate) == {"a": (do, reason)}


@pytest.mark.parametrize(
    ("candidate", "do", "reason"),
    [
        (one("a", PRESENT, forced="forced: by hand"), "build", "forced: by hand"),
        (one("a", REFUSED, forced="all rows: weekly"), "build", "all rows: weekly"),
        (one("a", forced="all rows: weekly", refused="debian:12 is not locked"), "blocked", "debian:12 is not locked"),
        (
            one("a", ABSENT, changed=NO_CHANGE, touched_only=True),
            "skip",
            "absent in REGISTRY, and unchanged since main",
        ),
        (one("a", ABSENT, changed=CHANGE, touched_only=True), "build", "common/install_python.sh changed since main"),
        (
            one("a", REFUSED, changed=NO_CHANGE, touched_only=True),
            "skip",
            "unchanged since main, and not known in REGISTRY",
        ),
        (one("a", REFUSED, changed=CHANGE, touched_only=True), "blocked", REFUSED.why),
        (one("a", REFUSED, touched_only=True), "blocked", REFUSED.why),
        (one("a", changed=NO_CHANGE, touched_only=True), "skip", "unchanged since main"),
        (one("a", PRESENT, changed=NO_CHANGE, touched_only=True), "skip", "in REGISTRY"),
    ],
)
def test_one_row_of_an_event(candidate: Candidate, do: str, reason: str) -> None:
    assert planned(candidate) == {"a": (do, reason)}


def test_what_is_left_alone_is_built_where_a_touched_row_needs_it() -> None:
    below = one("below", ABSENT, changed=NO_CHANGE, touched_only=True)
    base = one("base", ABSENT, "below", changed=NO_CHANGE, touched_only=True)
    other = one("other", ABSENT, changed=NO_CHANGE, touched_only=True)
    child = one("child", ABSENT, "base", changed=CHANGE, touched_only=True)
    actions = {action.row.image: action for action in decide([below, base, other, child], "REGISTRY")}
    assert {name: action.do for name, action in actions.items()} == {
        "below": "build",
        "base": "build",
        "other": "skip",
        "child": "build",
    }
    assert actions["base"].reason == "absent, child needs it"
    assert [actions[name].left for name in ("below", "base", "other", "child")] == [False, False, True, False]
    assert actions["child"].level == 2


def test_what_is_left_alone_is_blocked_where_it_is_needed_and_must_not_be_built() -> None:
    base = one("base", ABSENT, changed=NO_CHANGE, touched_only=True, refused="debian:12 is not locked")
    child = one("child", ABSENT, "base", changed=CHANGE, touched_only=True)
    assert planned(base, child) == {
        "base": ("blocked", "debian:12 is not locked"),
        "child": ("blocked", "its parent base is blocked"),
    }


@pytest.mark.parametrize("state", [REFUSED, SILENT])
@pytest.mark.parametrize(
    ("child_state", "base", "child"),
    [(ABSENT, "blocked", "blocked"), (PRESENT, "skip", "skip"), (SILENT, "skip", "blocked")],
    ids=["is built", "is there", "not known"],
)
def test_what_is_unknown_and_left_alone_blocks_only_a_child_that_is_built(
    state: Unknown, child_state: State, base: str, child: str
) -> None:
    candidates = (
        one("base", state, changed=NO_CHANGE, touched_only=True),
        one("child", child_state, "base", changed=CHANGE, touched_only=True),
    )
    actions = {action.row.image: action for action in decide(candidates, "REGISTRY")}
    assert {name: action.do for name, action in actions.items()} == {"base": base, "child": child}
    assert actions["base"].error is (state.error if base == "blocked" else None)
    assert actions["base"].left is (base == "skip")


def test_forcing_concerns_what_is_selected() -> None:
    base = one("base", PRESENT, selected=False, forced="forced")
    child = one("child", PRESENT, "base", forced="forced")
    assert planned(base, child) == {"child": ("build", "forced")}


def test_an_absent_parent_comes_along_for_a_child_that_is_built() -> None:
    """The child alone was asked for, and its parent's parent is there."""
    candidates = (
        one("system", PRESENT, selected=False),
        one("base", ABSENT, "system", selected=False),
        one("child", ABSENT, "base"),
    )
    base, child = decide(candidates, "REGISTRY")
    assert (base.do, base.reason, base.level, base.needs) == ("build", "absent in REGISTRY, child needs it", 0, ())
    assert (child.do, child.level, child.needs) == ("build", 1, (row("base"),))


def test_a_child_that_is_there_needs_no_parent() -> None:
    assert planned(one("base", ABSENT, selected=False), one("child", PRESENT, "base")) == {
        "child": ("skip", "in REGISTRY")
    }


def test_a_parent_that_was_asked_for_is_built_although_no_child_needs_it() -> None:
    found = planned(one("base", ABSENT), one("child", PRESENT, "base"))
    assert found == {"base": ("build", "absent in REGISTRY"), "child": ("skip", "in REGISTRY")}


@pytest.mark.parametrize("state", [REFUSED, SILENT])
def test_what_is_unknown_of_a_parent_blocks_its_children_and_theirs(state: Unknown) -> None:
    found = planned(one("base", state), one("child", ABSENT, "base"), one("grandchild", ABSENT, "child"))
    assert found == {
        "base": ("blocked", state.why),
        "child": ("blocked", "its parent base is blocked"),
        "grandchild": ("blocked", "its parent child is blocked"),
    }


def test_what_is_unknown_of_a_parent_that_nobody_needs_is_not_asked() -> None:
    assert planned(one("base", SILENT, selected=False), one("child", PRESENT, "base")) == {
        "child": ("skip", "in REGISTRY")
    }


@pytest.mark.parametrize(
    ("states", "row_that_fails", "code"),
    [
        ([PRESENT, ABSENT], None, 0),
        ([PRESENT, SILENT], "1", 9),
        ([REFUSED], "0", 8),
        ([SILENT, REFUSED, SILENT], "1", 8),
        ([ABSENT, SILENT, SILENT], "1", 9),
    ],
)
def test_the_row_that_a_plan_fails_for(states: Sequence[State], row_that_fails: str | None, code: int) -> None:
    found = failing(decide([one(str(n), state) for n, state in enumerate(states)], "REGISTRY"))
    assert (found and found.row.image, exit_code(found and found.error)) == (row_that_fails, code)


def test_a_refusal_of_ours_fails_the_plan_too() -> None:
    found = failing(decide([one("a", ABSENT, refused="debian:12 is not locked")], "REGISTRY"))
    assert found is not None
    assert exit_code(found.error) == 10


STATES = st.sampled_from([None, PRESENT, ABSENT, REFUSED, SILENT])
CHANGED = st.sampled_from([None, NO_CHANGE, CHANGE])


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    """Rows in the catalogue's order: each may start from any before it; ancestors of rows are there."""
    found: list[Candidate] = []
    for n in range(draw(st.integers(1, 12))):
        parents = draw(st.lists(st.sampled_from(found), max_size=3, unique_by=lambda c: c.row)) if found else []
        found.append(
            Candidate(
                row(f"i{n}"),
                f"i{n}-tag",
                tuple(parent.row for parent in parents),
                draw(STATES),
                draw(CHANGED),
                draw(st.sampled_from(["", "", "not locked"])),
                draw(st.booleans()),
                touched_only=draw(st.booleans()),
            )
        )
    return found


@given(candidates())
def test_every_selected_row_is_in_the_plan_exactly_once(given_rows: list[Candidate]) -> None:
    rows = [action.row for action in decide(given_rows, "REGISTRY")]
    assert len(rows) == len(set(rows))
    assert {c.row for c in given_rows if c.selected} <= set(rows) <= {c.row for c in given_rows}
    assert rows == [c.row for c in given_rows if c.row in rows]


@given(candidates())
def test_levels_respect_parents(given_rows: list[Candidate]) -> None:
    actions = {action.row: action for action in decide(given_rows, "REGISTRY")}
    for action in actions.values():
        assert all(actions[need].do == "build" for need in action.needs)
        assert action.level == max((actions[need].level + 1 for need in action.needs), default=0)


@given(candidates())
def test_a_row_is_built_only_on_parents_that_are_there_or_built_before(given_rows: list[Candidate]) -> None:
    known = {candidate.row: candidate for candidate in given_rows}
    actions = {action.row: action for action in decide(given_rows, "REGISTRY")}
    for action in actions.values():
        for parent in known[action.row].parents if action.do == "build" else ():
            assert parent in action.needs or _is_there(known[parent], actions)


def _is_there(parent: Candidate, actions: dict[RowKey, Action]) -> bool:
    alone = decide([Candidate(parent.row, parent.tag, (), parent.state, parent.changed)], "REGISTRY")[0]
    return alone.do == "skip" and actions.get(parent.row, alone).do == "skip"


@given(candidates())
def test_what_is_blocked_blocks_what_is_built_from_it(given_rows: list[Candidate]) -> None:
    known = {candidate.row: candidate for candidate in given_rows}
    actions = {action.row: action for action in decide(given_rows, "REGISTRY")}
    for action in actions.values():
        stopped = [p for p in known[action.row].parents if p in actions and actions[p].do == "blocked"]
        assert not (stopped and action.do == "build")


@given(candidates())
def test_nothing_is_built_on_an_unknown_state(given_rows: list[Candidate]) -> None:
    states = {candidate.row: candidate.state for candidate in given_rows}
    for action in decide(given_rows, "REGISTRY"):
        if action.left:
            assert action.do == "skip"
            assert not isinstance(states[action.row], Present)
        elif isinstance(states[action.row], Unknown):
            assert action.do == "blocked"
            assert action.error is states[action.row].error
        elif action.do == "skip":
            assert not isinstance(states[action.row], Absent)
