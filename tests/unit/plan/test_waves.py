"""Rows spread over the jobs of a workflow: however deep and however many, and no row before what it starts from."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import ConfigurationError
from imageyard.plan.delivery import Delivery
from imageyard.plan.matrix import RowJob
from imageyard.plan.plan import RowKey
from imageyard.plan.waves import spread


def row(image: str, level: int = 0, *needs: str, **other: Any) -> RowJob:
    fields: dict[str, Any] = {"arch": "amd64", "runner": "ubuntu-latest", "timeout": 10, "address": "", **other}
    return RowJob(image=image, tag=f"{image}-1", needs=needs, level=level, **fields)


CHAIN = [row("a"), *(row(name, level, before) for level, (before, name) in enumerate(pairwise("abcdef"), 1))]


def names(rows: list[RowJob], waves: int, most: int = 256) -> list[list[str]]:
    jobs = spread(rows, [], waves=waves, most=most)
    return [["".join(one.image for one in job.rows) for job in wave] for wave in jobs.waves]


@pytest.mark.parametrize(
    ("rows", "waves", "most", "found"),
    [
        ([], 2, 9, [[], []]),
        (CHAIN, 6, 9, [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
        (CHAIN, 7, 9, [["a"], ["b"], ["c"], ["d"], ["e"], ["f"], []]),
        (CHAIN, 3, 9, [["a"], ["b"], ["cdef"]]),
        (CHAIN, 1, 9, [["abcdef"]]),
        ([row("a"), row("b"), row("c", 1, "a"), row("d", 1, "b"), row("e", 2, "c", "d")], 2, 9, [["a", "b"], ["cde"]]),
        ([row("a"), row("b", 1, "a"), row("c", 1, "a"), row("d", 2, "b")], 2, 9, [["a"], ["bd", "c"]]),
        ([row("a"), row("b", 1, "a"), row("c", 1, "a"), row("d", 2, "b")], 2, 1, [["a"], ["bdc"]]),
        ([row(name) for name in "abcdefg"], 1, 3, [["abc", "def", "g"]]),
        ([row(name) for name in "abcdefg"], 1, 7, [list("abcdefg")]),
        ([row("a"), row("b", address="tcp://x:1"), row("c"), row("d", runner="big")], 1, 3, [["ac", "b", "d"]]),
        ([row("a"), row("a", arch="arm64"), row("b", 1, "a"), row("b", 1, "a", arch="arm64")], 1, 9, [["ab", "ab"]]),
    ],
)
def test_which_job_builds_what(rows: list[RowJob], waves: int, most: int, found: list[list[str]]) -> None:
    assert names(rows, waves, most) == found


def test_a_chain_that_no_machine_builds() -> None:
    rows = [row("a"), row("b", 1, "a", runner="big")]
    assert names(rows, 2) == [["a"], ["b"]]
    with pytest.raises(ConfigurationError, match="b starts from a, deeper than a workflow has waves"):
        spread(rows, [], waves=1, most=9)


def test_what_a_job_is_called_and_how_long_it_takes() -> None:
    jobs = spread([row("a"), row("b", arch="arm64"), row("c")], [], waves=1, most=1)
    (job,) = jobs.waves[0]
    assert (job.name, job.timeout) == ("a amd64 and 2 more", 30)
    assert jobs.of_row == dict.fromkeys((RowKey("a", "amd64"), RowKey("b", "arm64"), RowKey("c", "amd64")), job.name)
    assert spread([row("a")], [], waves=1, most=1).waves[0][0].name == "a amd64"


def test_images_are_spread_over_the_jobs_of_their_step() -> None:
    work = [Delivery(name, f"{name}-1", "mirror", "work", "absent") for name in "abcde"]
    others = [Delivery("f", "f-1", "mirror", "skip", "there"), Delivery("g", "g-1", "promote", "work", "absent")]
    saved = [Delivery(name, f"{name}-1", "backup", "work", "absent") for name in "abc"]
    jobs = spread([], [*work, *others, *saved], waves=1, most=2)
    assert {step: [job.images for job in found] for step, found in jobs.steps.items()} == {
        "promote": [("g",)],
        "mirror": [("a", "b", "c"), ("d", "e")],
        "backup": [("a", "b", "c")],
    }
    assert jobs.of_image["e", "mirror"] == "d and 1 more"


@st.composite
def plans(draw: st.DrawFn) -> list[RowJob]:
    """Rows that start from rows before them, as deep as that makes them; some for other machines where none is deep."""
    found: list[RowJob] = []
    for number in range(draw(st.integers(0, 40))):
        above = draw(st.lists(st.sampled_from(found), max_size=3)) if found else []
        level = max((one.level for one in above), default=-1) + 1
        found.append(row(f"i{number}", level, *dict.fromkeys(one.image for one in above)))
    return found


@given(plans(), st.integers(1, 6), st.integers(1, 5))
def test_every_row_once_and_after_what_it_starts_from(rows: list[RowJob], waves: int, most: int) -> None:
    jobs = spread(rows, [], waves=waves, most=most)
    assert len(jobs.waves) == waves
    assert all(len(wave) <= most for wave in jobs.waves)
    where = {
        one.image: (number, at, place)
        for number, wave in enumerate(jobs.waves)
        for at, job in enumerate(wave)
        for place, one in enumerate(job.rows)
    }
    assert Counter(one.image for wave in jobs.waves for job in wave for one in job.rows) == Counter(list(where))
    assert where.keys() == {one.image for one in rows}
    for one in rows:
        for need in one.needs:
            assert where[need][0] < where[one.image][0] or (
                where[need][:2] == where[one.image][:2] and where[need][2] < where[one.image][2]
            )
    called = [job.name for wave in jobs.waves for job in wave]
    assert len(set(called)) == len(called)
