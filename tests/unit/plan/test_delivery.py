"""What is done for images as a whole: each by its own state, after their rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from imageyard.errors import Denied, Transient, exit_code
from imageyard.names import Absent, Digest, Present, Revoked, State, Unknown
from imageyard.plan.delivery import Copies, Whole, deliveries
from imageyard.plan.plan import Action, Do, RowKey

MINE, OTHER = (Present(Digest("sha256:" + digit * 64)) for digit in "12")
ABSENT = Absent()
REFUSED = Unknown(Denied("ghcr.io refused us (HTTP 401)"))
SILENT = Unknown(Transient("registry.test did not answer (HTTP 503)"))
AMD, ARM = RowKey("tool", "amd64"), RowKey("tool", "arm64")


def row(key: RowKey, do: Do, *, left: bool = False) -> Action:
    return Action(key, f"tool-{key.arch}", do, "why", left=left)


def said(whole: Whole, *rows: Action) -> dict[str, tuple[str, str]]:
    return {one.step: (one.do, one.reason) for one in deliveries([whole], rows, "ECR")}


def both(state: State | None, **mirrors: Copies) -> Whole:
    return Whole("tool", "tool-index", (AMD, ARM), state, mirrors)


@pytest.mark.parametrize(
    ("amd", "arm", "state", "expected"),
    [
        ("skip", "skip", MINE, ("skip", "in ECR")),
        ("skip", "skip", ABSENT, ("work", "its rows are in ECR, the tag over them is not")),
        ("skip", "skip", REFUSED, ("blocked", REFUSED.why)),
        ("skip", "build", ABSENT, ("work", "after arm64")),
        ("build", "build", None, ("work", "after amd64, arm64")),
        ("build", "blocked", ABSENT, ("blocked", "its row for arm64 is blocked")),
    ],
)
def test_promotion(amd: Do, arm: Do, state: State | None, expected: tuple[str, str]) -> None:
    assert said(both(state), row(AMD, amd), row(ARM, arm)) == {"promote": expected}


def test_rows_that_are_left_alone_are_not_promoted() -> None:
    assert said(both(ABSENT), row(AMD, "skip", left=True), row(ARM, "skip", left=True)) == {}


def test_a_row_that_is_built_for_a_child_does_not_promote_the_one_that_is_left_alone() -> None:
    mirrored = both(ABSENT, ghcr=Copies(ABSENT, ABSENT))
    assert said(mirrored, row(AMD, "build"), row(ARM, "skip", left=True)) == {}


def test_a_part_of_an_image_is_not_promoted() -> None:
    """A parent that comes along for one architecture of a child."""
    assert said(both(ABSENT), row(AMD, "build")) == {}


def test_one_row_needs_no_promotion() -> None:
    assert said(Whole("tool", "tool-amd64", (AMD,), ABSENT), row(AMD, "build")) == {}


@pytest.mark.parametrize(
    ("content", "floating", "do", "reason"),
    [
        (MINE, MINE, "skip", "at every mirror"),
        (ABSENT, ABSENT, "work", "in ECR, absent at ghcr"),
        (OTHER, MINE, "work", "in ECR, other bytes at ghcr"),
        (MINE, ABSENT, "work", "in ECR, the floating tag is absent at ghcr"),
        (MINE, OTHER, "work", "in ECR, the floating tag is another at ghcr"),
        (REFUSED, ABSENT, "work", f"in ECR, not known ({REFUSED.why}) at ghcr"),
    ],
)
def test_mirroring_of_what_is_published(content: State, floating: State, do: str, reason: str) -> None:
    """An image that is in ECR and not at the mirror is work, without its rows being built."""
    whole = Whole("tool", "tool-amd64", (AMD,), MINE, {"ghcr": Copies(content, floating)})
    assert said(whole, row(AMD, "skip")) == {"mirror": (do, reason)}


@pytest.mark.parametrize(
    ("do", "state", "expected"),
    [
        ("build", ABSENT, {"promote": ("work", "after amd64"), "mirror": ("work", "after amd64")}),
        (
            "skip",
            ABSENT,
            {
                "promote": ("work", "its rows are in ECR, the tag over them is not"),
                "mirror": ("work", "it is promoted"),
            },
        ),
        ("skip", SILENT, {"promote": ("blocked", SILENT.why), "mirror": ("blocked", "its promotion is blocked")}),
        (
            "blocked",
            ABSENT,
            dict.fromkeys(("promote", "mirror"), ("blocked", "its row for amd64 is blocked")),
        ),
    ],
)
def test_mirroring_after_promotion(do: Do, state: State, expected: dict[str, tuple[str, str]]) -> None:
    whole = both(state, ghcr=Copies(ABSENT, ABSENT))
    assert said(whole, row(AMD, do), row(ARM, "skip")) == expected


def test_only_the_mirrors_that_lack_it_are_named() -> None:
    whole = both(MINE, one=Copies(MINE, MINE), two=Copies(ABSENT, ABSENT))
    _, mirroring = deliveries([whole], [row(AMD, "skip"), row(ARM, "skip")], "ECR")
    assert mirroring.to == ("two",)


def test_a_blocked_image_has_the_code_of_its_own_refusal_only() -> None:
    (denied,) = deliveries([both(REFUSED)], [row(AMD, "skip"), row(ARM, "skip")], "ECR")
    (behind,) = deliveries([both(REFUSED)], [row(AMD, "blocked"), row(ARM, "skip")], "ECR")
    assert (exit_code(denied.error), exit_code(behind.error)) == (8, 0)


@pytest.mark.parametrize(
    ("amd", "state", "expected"),
    [
        ("build", ABSENT, ("work", "after amd64")),
        ("skip", ABSENT, ("work", "it is promoted")),
        ("skip", MINE, ("skip", "in ECR before this run")),
        ("skip", REFUSED, ("blocked", "its promotion is blocked")),
        ("blocked", ABSENT, ("blocked", "its row for amd64 is blocked")),
    ],
)
def test_what_a_run_adds_is_backed_up(amd: Do, state: State, expected: tuple[str, str]) -> None:
    """The bucket is not asked: whoever plans may not read it."""
    whole = replace(both(state), saved=True)
    assert said(whole, row(AMD, amd), row(ARM, "skip"))["backup"] == expected
    assert "backup" not in said(both(state), row(AMD, amd), row(ARM, "skip"))


def test_a_revoked_image_is_neither_promoted_nor_mirrored() -> None:
    whole = replace(both(Revoked(MINE.digest, "broken"), ghcr=Copies(ABSENT, ABSENT)), saved=True)
    found = deliveries([whole], [row(AMD, "skip"), row(ARM, "skip")], "ECR")
    assert {one.step: one.do for one in found} == dict.fromkeys(("promote", "mirror", "backup"), "blocked")
    assert [exit_code(one.error) for one in found] == [10, 0, 0]
    assert found[0].reason == "it is revoked: broken"


def test_a_mirror_that_has_a_revoked_image_is_work() -> None:
    """The job that copies asks again, and refuses or moves the floating tag on."""
    gone = Revoked(OTHER.digest, "broken")
    assert said(both(MINE, ghcr=Copies(gone, MINE)), row(AMD, "skip"), row(ARM, "skip"))["mirror"] == (
        "work",
        "in ECR, revoked at ghcr",
    )
    assert said(both(MINE, ghcr=Copies(MINE, gone)), row(AMD, "skip"), row(ARM, "skip"))["mirror"] == (
        "work",
        "in ECR, the floating tag is revoked at ghcr",
    )
