"""The tag follows from what a build uses and from nothing else: each file and each argument, for every Dockerfile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import ConfigurationError
from imageyard.treebase import DictTree, Link
from support.sealed.corpus import CASES, RECORDED, Case, Content, recipe_of, tag_of
from support.sealed.written import dockerfiles

EVERY = [*CASES, *RECORDED]


def changed(content: Content) -> Content:
    if isinstance(content, Link):
        return Link(f"{content.text}/x")
    return (b"other " + content[0], content[1]) if isinstance(content, tuple) else b"other " + content


def flipped(content: Content) -> Content:
    return content[0] if isinstance(content, tuple) else (content, True) if isinstance(content, bytes) else content


def named(case: Case) -> dict[str, str]:
    """The files of the recipe as paths of the whole context, and the name of the context each belongs to."""
    found = {}
    for file in recipe_of(case).files:
        context, _, inner = file.path.rpartition("//")
        found[f"{case.contexts[context]}/{inner}" if context else file.path] = context
    return found


def tag_with(case: Case, files: dict[str, Content]) -> str | None:
    """The tag of the case over other files, or None where it can no longer be built."""
    try:
        return tag_of(case, DictTree(files))
    except ConfigurationError:
        return None


def hold_every_named_file(case: Case) -> None:
    """Other bytes, another name, another mode or none of it at all: never the same tag."""
    tag = tag_of(case)
    for path in named(case):
        content = case.files[path]
        without = {other: found for other, found in case.files.items() if other != path}
        assert tag_with(case, {**without, path: changed(content)}) != tag, f"{path} changed"
        assert tag_with(case, without) != tag, f"{path} deleted"
        assert tag_with(case, {**without, f"{path}.renamed": content}) != tag, f"{path} renamed"
        if not isinstance(content, Link):
            assert tag_with(case, {**without, path: flipped(content)}) != tag, f"{path} changed its mode"


def hold_no_other_file(case: Case) -> None:
    """All others may change or go away. An ignore file is not other: it says which files there are."""
    tag, used = tag_of(case), {*named(case), "Dockerfile"}
    kept = {path: found for path, found in case.files.items() if path in used or path.endswith(".dockerignore")}
    others = {path: found for path, found in case.files.items() if path not in kept}
    assert tag_with(case, {**kept, **{path: changed(found) for path, found in others.items()}}) == tag
    assert tag_with(case, {**kept, **{path: flipped(found) for path, found in others.items()}}) == tag
    assert tag_with(case, kept) == tag


def hold_arguments(case: Case) -> None:
    """Of the given arguments those that reach the image are in the tag, and no others.

    One that chooses an image moves the tag by that image.
    """
    tag, recipe = tag_of(case), recipe_of(case)
    assert tag_of(case, args={**case.args, "NOBODY_DECLARES_ME": "1"}) == tag
    for name, value in case.args.items():
        try:
            other = tag_of(case, args={**case.args, name: f"{value}-other"})
        except ConfigurationError:
            other = None
        if name in recipe.args or name not in recipe.build_args:
            assert (other != tag) == (name in recipe.args), name


def test_the_corpus_is_there() -> None:
    assert len(CASES) >= 80
    assert len(RECORDED) >= 200


@pytest.mark.parametrize("case", EVERY, ids=str)
def test_any_change_of_a_named_file_changes_the_tag(case: Case) -> None:
    hold_every_named_file(case)


@pytest.mark.parametrize("case", EVERY, ids=str)
def test_no_change_of_another_file_changes_the_tag(case: Case) -> None:
    hold_no_other_file(case)


@pytest.mark.parametrize("case", [case for case in EVERY if case.args], ids=str)
def test_declared_arguments_are_in_the_tag_and_no_others(case: Case) -> None:
    hold_arguments(case)


@given(case=dockerfiles())
def test_the_same_for_dockerfiles_that_nobody_wrote(case: Case) -> None:
    hold_every_named_file(case)
    hold_no_other_file(case)
    hold_arguments(case)


@given(case=dockerfiles(), data=st.data())
def test_several_changes_at_once(case: Case, data: st.DataObject) -> None:
    used = {**named(case), "Dockerfile": ""}
    free = sorted(path for path in case.files if not path.endswith(".dockerignore"))  # it says which files there are
    paths = data.draw(st.sets(st.sampled_from(free), min_size=1))
    files = {path: changed(content) if path in paths else content for path, content in case.files.items()}

    assert (tag_with(case, files) == tag_of(case)) == used.keys().isdisjoint(paths)
