"""The lines of facts: what is kept of an output, which lines name a package, and how two facts differ."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.fact_lines import FactChanges, VersionBegan, began, changes, keep, package, packages, sorted_lines


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        ("", ()),
        ("\n \n\t\n", ()),
        ("zlib1g\t1.3\nbash\t5.2\nbash\t5.2\n", ("bash\t5.2", "zlib1g\t1.3")),
        ("b  \r\na", ("a", "b")),
        ("\x1b[1mred\x1b[0m\x07 1\n", ("red 1",)),
        ("B\na\nC\n", ("B", "C", "a")),
    ],
)
def test_the_lines_that_are_kept(output: str, lines: tuple[str, ...]) -> None:
    assert sorted_lines(output) == lines


@given(st.text())
def test_lines_are_sorted_each_once_and_safe_to_be_shown(output: str) -> None:
    lines = sorted_lines(output)
    assert list(lines) == sorted(set(lines))
    assert all(line and "\n" not in line and "\x1b" not in line for line in lines)
    assert sorted_lines("\n".join(lines)) == lines


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("libc6:amd64\t2.36-9+deb12u13", ("libc6:amd64", "2.36-9+deb12u13")),
        ("numpy==2.1.0", ("numpy", "2.1.0")),
        ("tool @ file:///src/tool?a==b", ("tool", "file:///src/tool?a==b")),
        ('VERSION_ID="12"', ("VERSION_ID", '"12"')),
        ("ruff 0.17.5", ("ruff", "0.17.5")),
        ("Package    Version", ("Package", "Version")),
        ("---------- -------", None),
        ("removed-but-configured\t", None),
        ("removed-but-configured", None),
        ("\t1.0", None),
        ("gcc (Debian 12.2.0-14) 12.2.0", None),
        ("the answer = 42", None),
    ],
)
def test_which_lines_name_a_package(line: str, found: tuple[str, str] | None) -> None:
    assert package(line) == found


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ([], [], FactChanges()),
        (["a\t1"], ["a\t1"], FactChanges()),
        ([], ["a\t1"], FactChanges(came={"a": "1"})),
        (["a\t1"], [], FactChanges(went={"a": "1"})),
        (["a\t1", "b\t1"], ["a\t2", "b\t1"], FactChanges(moved={"a": ("1", "2")})),
        (["a==1"], ["a 2"], FactChanges(moved={"a": ("1", "2")})),
        (["kernel 1"], ["kernel 1", "kernel 2"], FactChanges(
            went={"kernel": "1"}, lines_came=("kernel 1", "kernel 2"))),
        (["one line of words"], ["other line of words"], FactChanges(
            lines_came=("other line of words",), lines_went=("one line of words",))),
    ],
)  # fmt: skip
def test_what_differs(old: list[str], new: list[str], found: FactChanges) -> None:
    assert changes(old, new) == found
    assert bool(found) is (old != new)


names = st.sampled_from("abcd")
facts = st.lists(
    st.builds("{}{}{}".format, names, st.sampled_from(["\t", "==", "=", " ", " and more "]), st.integers(1, 3)),
    unique=True,
)


@given(facts, facts)
def test_the_old_fact_and_what_differs_are_the_new_fact(old: list[str], new: list[str]) -> None:
    found = changes(old, new)
    (versions, lines), (versions_after, lines_after) = packages(old), packages(new)
    moved = {name: after for name, (_, after) in found.moved.items()}
    kept = {name: version for name, version in versions.items() if name not in found.went}
    assert {**kept, **moved, **found.came} == versions_after
    assert (set(lines) - set(found.lines_went)) | set(found.lines_came) == set(lines_after)
    assert not changes(old, old)


@given(facts, facts)
def test_the_way_back_is_the_mirror_image(old: list[str], new: list[str]) -> None:
    there, back = changes(old, new), changes(new, old)
    assert (there.came, there.went) == (back.went, back.came)
    assert there.moved == {name: (before, after) for name, (after, before) in back.moved.items()}
    assert (there.lines_came, there.lines_went) == (back.lines_went, back.lines_came)


@given(st.dictionaries(names, st.lists(st.text(max_size=30), max_size=5)), st.integers(0, 200))
def test_all_that_is_kept_fits_and_each_fact_is_whole(facts: dict[str, list[str]], limit: int) -> None:
    kept = keep(facts, limit)
    assert kept.facts.keys() | kept.too_large.keys() == facts.keys()
    assert not kept.facts.keys() & kept.too_large.keys()
    assert all(list(kept.facts[name]) == facts[name] for name in kept.facts)
    assert len(json.dumps({name: list(lines) for name, lines in kept.facts.items()})) <= max(limit, 2)


def test_facts_are_kept_in_the_order_of_the_catalogue_and_a_small_one_goes_after_a_large_one() -> None:
    kept = keep({"a": ["x" * 40], "b": ["y" * 100], "c": ["z"]}, limit=80)
    assert (list(kept.facts), list(kept.too_large)) == (["a", "c"], ["b"])


@pytest.mark.parametrize(
    ("images", "pattern", "found"),
    [
        ([], "libc6", []),
        ([{"p": ["libc6:amd64\t1"]}] * 2, "libc6", [("p", "libc6:amd64", "1", 0)]),
        ([{"p": ["libc6:amd64\t1"]}, {"p": ["libc6:amd64\t2"]}], "libc6",
         [("p", "libc6:amd64", "1", 0), ("p", "libc6:amd64", "2", 1)]),
        ([{"p": ["a 1"]}, {}, {"p": ["a 1"]}], "a", [("p", "a", "1", 0)]),
        ([{"p": ["a 1"]}, {"p": []}, {"p": ["a 1"]}], "a",
         [("p", "a", "1", 0), ("p", "a", None, 1), ("p", "a", "1", 2)]),
        ([{"p": []}, {"p": ["a 1"]}], "a", [("p", "a", "1", 1)]),
        ([{"p": ["libc6 1", "libc-bin 1", "bash 5"]}], "libc*", [("p", "libc-bin", "1", 0), ("p", "libc6", "1", 0)]),
        ([{"p": ["a 1"], "q": ["a 2"]}], "a", [("p", "a", "1", 0), ("q", "a", "2", 0)]),
        ([{"p": ["the answer is 42"]}], "*answer*", [("p", "the answer is 42", "", 0)]),
        ([{"p": ["libc6 1"]}], "libc", []),
    ],
)  # fmt: skip
def test_with_which_image_a_version_began(images: Any, pattern: str, found: list[Any]) -> None:
    assert began(images, pattern) == [VersionBegan(*one) for one in found]


@given(st.lists(facts, max_size=5))
def test_what_began_leads_to_each_image(images: list[list[str]]) -> None:
    found = began([{"p": lines} for lines in images], "*")
    for at, lines in enumerate(images):
        state = {one.name: one.version for one in found if one.at <= at}
        versions, others = packages(lines)
        assert {k: v for k, v in state.items() if v is not None} == {**dict.fromkeys(others, ""), **versions}
