"""What a parent leaves to its child: ONBUILD triggers and ENV decide which files the child's build reads."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from imageyard.catalogue import text
from imageyard.catalogue.expand import expand
from imageyard.catalogue.lock import Lock
from imageyard.errors import ConfigurationError
from imageyard.recipe.recipe import Recipes
from imageyard.tree import DictTree
from support.stand_ins import PinnedStandIns

CATALOGUE = """\
axes: {plain: {linux, base, mid, takes}, word: {one: {V: 1, WHO: ann}, two: {V: 2, WHO: bob}}}
images:
  base: {dockerfile: base.Dockerfile, names: {"linux-base-{one,two}": }}
  mid: {dockerfile: mid.Dockerfile, args: {BASE: "image:linux-base-one"}, names: {linux-mid: }}
  takes: {dockerfile: takes.Dockerfile, args: {V: 1, WHO: eve}, names: {linux-takes: }}
  child:
    dockerfile: Dockerfile
    names:
      linux-one: {args: {BASE: "image:linux-base-one"}}
      linux-two: {args: {BASE: "image:linux-base-two"}}
      linux: {args: {BASE: "image:linux-mid"}}
"""
CHILD = "ARG BASE\nFROM ${BASE}\n"
FILES = {"a.txt": "a", "app-1.txt": "1", "app-2.txt": "2", "one/c": "c", "src.c": "int main;"}


def recipes_of(base: str, child: str = CHILD, mid: str = CHILD, **more: str) -> Recipes:
    takes = "FROM scratch\nARG V\nARG WHO\n"  # so that both are declared somewhere
    files = (
        FILES
        | {"takes.Dockerfile": takes}
        | {"base.Dockerfile": base, "mid.Dockerfile": mid, "Dockerfile": child}
        | more
    )
    tree = DictTree({name: content.encode() for name, content in files.items()})
    catalogue = expand(text.parse(CATALOGUE.encode(), "images.yml")).catalogue
    return Recipes(catalogue, lambda context: tree, Lock({}), PinnedStandIns(""))


def read(recipes: Recipes, name: str) -> set[str]:
    """The files that a child's build gets, but for its Dockerfile."""
    row = next(row for row in recipes.catalogue.rows if row.name == name)
    return {file.path for file in recipes.of(row).files} - {"Dockerfile"}


def args(recipes: Recipes, name: str) -> Mapping[str, str]:
    row = next(row for row in recipes.catalogue.rows if row.name == name)
    return recipes.of(row).args


SCRATCH = "FROM scratch\nCOPY a.txt /\n"


@pytest.mark.parametrize(
    ("base", "child", "files"),
    [
        ("ONBUILD COPY src.c /src/\n", CHILD, {"src.c"}),
        ("ONBUILD COPY app-*.txt /\n", CHILD, {"app-1.txt", "app-2.txt"}),
        ("ONBUILD COPY src.c /\n", f"{CHILD}COPY a.txt /\n", {"src.c", "a.txt"}),
        ("ONBUILD ARG WHO\nONBUILD COPY app-${V:-9}.txt${WHO:+} /\n", f"{CHILD}", {"refused"}),
        ("ENV V=2\n", f"{CHILD}COPY app-${{V:-1}}* /in/\n", {"app-2.txt"}),
        ("ENV V=2\nONBUILD COPY app-$V.txt /\n", CHILD, {"app-2.txt"}),
        ("ENV CONF=one\n", f"{CHILD}COPY ${{CONF}}/c /\n", {"one/c"}),
        ("ARG V=2\n", f"{CHILD}COPY app-${{V:-1}}.txt /\n", {"app-1.txt"}),  # an ARG is gone with its build
        ("ENV V=2\n", f"{CHILD}ENV V=1\nCOPY app-$V.txt /\n", {"app-1.txt"}),
        ("ENV V=2\n", f"{CHILD}ARG V\nCOPY app-$V.txt /\n", {"app-1.txt"}),  # V is given to this child
        ("RUN x\nONBUILD RUN --mount=type=bind,source=src.c,target=/s true\n", CHILD, {"src.c"}),
    ],
)
def test_a_child_reads_what_its_parent_says(base: str, child: str, files: set[str]) -> None:
    recipes = recipes_of(SCRATCH + base, child)
    if files == {"refused"}:
        with pytest.raises(ConfigurationError, match=r"app-9\.txt"):
            read(recipes, "linux-one")
        return
    assert read(recipes, "linux-one") == files


def test_triggers_reach_the_first_child_and_the_environment_all_of_them() -> None:
    recipes = recipes_of(f"{SCRATCH}ENV V=2\nONBUILD COPY src.c /\n", f"{CHILD}COPY app-$V.txt /\n")
    assert read(recipes, "linux") == {"app-2.txt"}
    assert read(recipes, "linux-one") == {"app-2.txt", "src.c"}
    passed_on = recipes_of(SCRATCH, mid=f"{CHILD}ENV V=1\nONBUILD COPY app-$V.txt /\n")
    assert read(passed_on, "linux") == {"app-1.txt"}


def test_only_the_stage_that_is_built_leaves_something() -> None:
    two = f"FROM scratch AS a\nENV V=2\nONBUILD COPY src.c /\n{SCRATCH}"
    assert read(recipes_of(two, f"{CHILD}COPY app-${{V:-1}}.txt /\n"), "linux-one") == {"app-1.txt"}
    chained = "FROM scratch AS a\nENV V=2\nONBUILD COPY a.txt /\nFROM a\nONBUILD COPY src.c /\n"
    assert read(recipes_of(chained, f"{CHILD}COPY app-$V.txt /\n"), "linux-one") == {"app-2.txt", "src.c"}


def test_an_arg_that_a_trigger_declares_is_given() -> None:
    recipes = recipes_of(f"{SCRATCH}ONBUILD ARG WHO\nONBUILD ENV IS=$WHO\n")
    assert args(recipes, "linux-one")["WHO"] == "ann"
    assert args(recipes, "linux-two")["WHO"] == "bob"
    assert "WHO" not in args(recipes_of(SCRATCH), "linux-one")


def test_rows_that_differ_in_an_arg_alone_leave_different_environments() -> None:
    base = f"{SCRATCH}ARG V\nENV W=$V\n"
    recipes = recipes_of(base, f"{CHILD}COPY app-$W.txt /\n")
    assert (read(recipes, "linux-one"), read(recipes, "linux-two")) == ({"app-1.txt"}, {"app-2.txt"})


def test_a_change_of_what_a_trigger_copies_moves_the_tag_of_the_child_alone() -> None:
    base = f"{SCRATCH}ONBUILD COPY src.c /src/\n"
    tags = []
    for source in ("int main;", "int other;"):
        recipes = recipes_of(base, **{"src.c": source})
        tags.append({row.name: recipes.tag(row) for row in recipes.catalogue.rows})
    moved = {name for name in tags[0] if tags[0][name] != tags[1][name]}
    assert moved == {"linux-one", "linux-two", "linux-mid", "linux"}


def test_a_trigger_that_cannot_be_read_is_told_at_the_from_that_brings_it_in() -> None:
    recipes = recipes_of(f"{SCRATCH}ONBUILD COPY no-such-file /\n")
    with pytest.raises(ConfigurationError, match=r"Dockerfile:2: .*no-such-file"):
        read(recipes, "linux-one")


@pytest.mark.parametrize("name", ["build_", "a..b", "x-"])
def test_a_stage_whose_name_is_no_image_s_is_refused_as_buildkit_does(name: str) -> None:
    """BuildKit 0.25: `invalid context name build_: invalid reference format`."""
    recipes = recipes_of(f"FROM scratch AS {name}\nCOPY a.txt /\n")
    with pytest.raises(ConfigurationError, match=rf"base\.Dockerfile:1: invalid name for a stage: '{name}'"):
        read(recipes, "linux-base-one")


def test_git_s_own_folder_is_no_part_of_a_context() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(recipes_of("FROM scratch\nCOPY .git/HEAD /\n"), "linux-base-one")
    assert caught.value.hint == ("`.git` is no part of the context: pass what the build needs of it as a build arg",)
