"""An arg that the catalogue gives and that no Dockerfile takes is a slip that would build another image in silence."""

from __future__ import annotations

import pytest
from imageyard.catalogue import text
from imageyard.catalogue.expand import expand
from imageyard.catalogue.lock import Lock
from imageyard.errors import ConfigurationError
from imageyard.recipe.dockerfile.declared import triggered_args
from imageyard.recipe.readings import Readings
from imageyard.recipe.recipe import Recipe, Recipes
from imageyard.recipe.undeclared import untaken_warnings
from imageyard.treebase import DictTree
from support.stand_ins import PinnedStandIns

HEAD = """\
axes: {plain: {linux, base, other}, compiler: {gcc12: {GCC_VERSION: 12}, clang18: {CLANG_VERSION: 18}}}
defaults: {args: {TZ: UTC}}
images:
  base: {dockerfile: base.Dockerfile, names: {linux-base: }}
"""
FAMILY = """\
  family:
    dockerfile: Dockerfile
    args: {BASE: "image:linux-base"}
    names: {linux-gcc12: , linux-clang18: }
"""
FILES = {
    "base.Dockerfile": "FROM scratch\nARG TZ\n",
    "Dockerfile": "ARG BASE\nFROM ${BASE}\nARG GCC_VERSION\nARG CLANG_VERSION\n",
    "other.Dockerfile": "FROM scratch\nARG OTHER\n",
}


def recipes_of(catalogue: str, **files: str) -> Recipes:
    tree = DictTree({name: data.encode() for name, data in (FILES | files).items()})
    expanded = expand(text.parse(catalogue.encode(), "images.yml")).catalogue
    return Recipes(expanded, lambda context: tree, Lock({}), PinnedStandIns(""))


def work_out(recipes: Recipes, name: str = "linux-clang18") -> Recipe:
    return recipes.of(next(row for row in recipes.catalogue.rows if row.name == name))


def test_what_is_declared_somewhere_is_no_slip() -> None:
    """TZ is the base's, the compilers are words of one Dockerfile: each is declared by an image that gets it."""
    names = ("linux-base", "linux-gcc12", "linux-clang18")
    unused = {name: work_out(recipes_of(HEAD + FAMILY), name).unused_args for name in names}
    assert unused == {"linux-base": (), "linux-gcc12": ("TZ",), "linux-clang18": ("TZ",)}


def test_who_takes_an_arg_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once for each image that gets it and does not take it: a default has as many as there are images."""
    asked: list[tuple[str, str]] = []
    real = Readings._takes
    monkeypatch.setattr(
        Readings, "_takes", lambda self, row, arg: (asked.append((row.name, arg)), real(self, row, arg))[1]
    )
    recipes = recipes_of(HEAD + FAMILY)
    for row in recipes.catalogue.rows:
        recipes.of(row)

    assert asked == [("linux-base", "TZ")]


@pytest.mark.parametrize(
    ("catalogue", "named", "line", "hint"),
    [
        (HEAD.replace("CLANG_VERSION", "CLANG_VERSON") + FAMILY, "CLANG_VERSON", 1, "did you mean 'CLANG_VERSION'?"),
        (HEAD.replace("TZ: UTC", "TZ: UTC, CLANG_VERSIONS: 1") + FAMILY, "CLANG_VERSIONS", 2, "CLANG_VERSION"),
        (HEAD + FAMILY.replace("args: {", "args: {GC_VERSION: 1, "), "GC_VERSION", 7, "did you mean 'GCC_VERSION'?"),
        (HEAD + FAMILY.replace("clang18: }", "clang18: {args: {XYZ: 1}}}"), "XYZ", 8, "write ARG XYZ in Dockerfile"),
        (HEAD + FAMILY.replace("BASE:", "BSE:"), "BSE", 7, "did you mean 'BASE'?"),
        (HEAD + FAMILY.replace("args: {", "per_arch: {amd64: {args: {Q: 1}}}\n    args: {"), "Q", 7, "write ARG Q"),
    ],
    ids=["word", "defaults", "family", "name", "parent", "per_arch"],
)
def test_an_arg_that_no_dockerfile_declares_is_refused(catalogue: str, named: str, line: int, hint: str) -> None:
    files = {"Dockerfile": FILES["Dockerfile"].replace("FROM ${BASE}", "FROM scratch")} if named == "BSE" else {}
    with pytest.raises(ConfigurationError) as caught:
        work_out(recipes_of(catalogue, **files))
    assert f"the arg {named} changes nothing" in caught.value.headline
    assert (caught.value.at or "").startswith(f"images.yml:{line}:")
    assert hint in caught.value.hint[0]


OTHER = "  other: {dockerfile: other.Dockerfile, args: {OTHER: 1}, names: {linux-other: }}\n"
OWN = FILES["Dockerfile"]


@pytest.mark.parametrize(
    ("given", "files"),
    [
        ("args: {HTTP_PROXY: p, BUILDKIT_X: 1, ", {}),
        ("args: {V: 1, ", {"base.Dockerfile": "FROM scratch\nARG TZ\nONBUILD ARG V\n"}),
        ("args: {V: 1, ", {"Dockerfile": f"ARG V\n{OWN}"}),
        ("args: {V: 1, ", {"Dockerfile": OWN.replace("FROM", "FROM scratch\nARG V\nFROM")}),
        ("checks: {c: {run: 'c {V}'}}\n    args: {V: 1, ", {}),
        ("checks: {c: {run: c, when: [V]}}\n    args: {V: 1, ", {}),
        ("checks: {c: {run: c, present: [V]}}\n    args: {V: 1, ", {}),
        ("args: {V: 1, W: '{V}', ", {"Dockerfile": f"{OWN}ARG W\n"}),
        ("args: {V: 1, ", {"Dockerfile": OWN.replace("FROM ${BASE}", "FROM debian")}),
        ("args: {OTHER: 1, ", {}),
    ],
    ids=[
        "special",
        "trigger",
        "global",
        "other stage",
        "check",
        "when",
        "present",
        "another arg",
        "base unknown",
        "another image",
    ],
)
def test_an_arg_that_does_something_anywhere_is_taken(given: str, files: dict[str, str]) -> None:
    recipe = work_out(recipes_of(HEAD + OTHER + FAMILY.replace("args: {", given), **files))
    assert "TZ" in recipe.unused_args, "what is taken elsewhere is passed over here"


@pytest.mark.parametrize(
    ("catalogue", "told"),
    [
        (HEAD.replace("TZ: UTC", "TZ: UTC, OTHER: 1"), []),
        (HEAD.replace("GCC_VERSION: 12", "GCC_VERSION: 12, OTHER: 1"), []),
        (HEAD, ["images.yml:8:19: the arg OTHER changes nothing of linux-gcc12: no ARG OTHER in Dockerfile"]),
    ],
    ids=["a default", "a word", "a family"],
)
def test_an_arg_of_a_family_that_only_another_image_takes_is_told_once(catalogue: str, told: list[str]) -> None:
    family = FAMILY if catalogue != HEAD else FAMILY.replace("args: {", "args: {OTHER: 1, ")
    recipes = recipes_of(catalogue + OTHER + family)
    rows = [row for row in recipes.catalogue.rows if row.image.family == "family"]

    assert len(rows) == 2
    assert untaken_warnings(recipes.catalogue, [(row, recipes.of(row).unused_args) for row in rows]) == told


@pytest.mark.parametrize(
    ("trigger", "names"),
    [("ARG A", {"A"}), (" arg A=1 B", {"A", "B"}), ("RUN ARG A", set()), ("COPY a /", set())],
)
def test_what_triggers_declare(trigger: str, names: set[str]) -> None:
    assert triggered_args((trigger,)) == names
