"""A parent is built for its child's platform, however that is spelled; another platform is refused."""

from __future__ import annotations

import pytest
from imageyard.catalogue import text
from imageyard.catalogue.expand import expand
from imageyard.catalogue.lock import Lock
from imageyard.errors import ConfigurationError
from imageyard.names import Arch
from imageyard.recipe.recipe import Recipes
from imageyard.treebase import DictTree
from support.stand_ins import PinnedStandIns

CATALOGUE = """\
defaults: {arches: [amd64, arm64]}
axes: {plain: {linux, base}}
images:
  base: {dockerfile: base.Dockerfile, names: {linux-base: }}
  child: {dockerfile: Dockerfile, args: {BASE: "image:linux-base"}, names: {linux: }}
"""


def recipes_of(dockerfile: str, **files: bytes) -> Recipes:
    tree = DictTree({"base.Dockerfile": b"FROM scratch\nLABEL a=b\n", "Dockerfile": dockerfile.encode(), **files})
    catalogue = expand(text.parse(CATALOGUE.encode(), "images.yml")).catalogue
    return Recipes(catalogue, lambda context: tree, Lock({}), PinnedStandIns(""))


def work_out(recipes: Recipes, arch: Arch) -> list[str]:
    row = next(row for row in recipes.catalogue.rows if (row.name, row.arch) == ("linux", arch))
    return [file.path for file in recipes.of(row).files]


@pytest.mark.parametrize(
    ("platform", "arch", "same"),
    [
        ("amd64", "amd64", True),
        ("linux/amd64", "amd64", True),
        ("linux/x86_64", "amd64", True),
        ("Linux/x86-64", "amd64", True),
        ("linux/amd64/v1", "amd64", True),
        ("linux/amd64/v3", "amd64", False),
        ("arm64", "amd64", False),
        ("aarch64", "arm64", True),
        ("linux/arm64/v8", "arm64", True),
        ("linux/arm64/8", "arm64", True),
        ("linux/arm/v7", "arm64", False),
        ("windows/amd64", "amd64", False),
        ("$TARGETPLATFORM", "arm64", True),
    ],
)
def test_the_platform_that_a_parent_is_wanted_for(platform: str, arch: Arch, same: bool) -> None:
    recipes = recipes_of(f"ARG BASE\nFROM --platform={platform} ${{BASE}}\n")
    if same:
        assert work_out(recipes, arch) == []
        return
    with pytest.raises(ConfigurationError, match="is a parent image, and --platform="):
        work_out(recipes, arch)


TOOLS = """\
ARG BASE
FROM --platform=$BUILDPLATFORM scratch AS tools
ARG BUILDARCH
COPY tool-${BUILDARCH} /tool
FROM ${BASE}
COPY --from=tools /tool /tool
"""
BOTH = {"tool-amd64": b"a", "tool-arm64": b"b"}


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_a_recipe_holds_the_files_of_every_machine_that_may_build(arch: Arch) -> None:
    """Who builds is not known when the tag is calculated, and must not change it."""
    assert work_out(recipes_of(TOOLS, **BOTH), arch) == ["tool-amd64", "tool-arm64"]


@pytest.mark.parametrize("there", ["tool-amd64", "tool-arm64"])
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_one_machine_is_enough_and_none_is_an_error(arch: Arch, there: str) -> None:
    assert work_out(recipes_of(TOOLS, **{there: b"x"}), arch) == [there]
    with pytest.raises(ConfigurationError, match="tool-amd64 is not in the build context"):
        work_out(recipes_of(TOOLS), arch)


def test_a_file_of_another_machine_moves_the_tag_of_both_rows_alike() -> None:
    for arch in ("amd64", "arm64"):
        before, after = (recipes_of(TOOLS, **{**BOTH, "tool-arm64": data}) for data in (b"b", b"other"))
        tags = [
            recipes.tag(next(row for row in recipes.catalogue.rows if (row.name, row.arch) == ("linux", arch)))
            for recipes in (before, after)
        ]
        assert tags[0] != tags[1]


def test_what_depends_on_the_target_alone_has_the_same_inputs_for_each_row() -> None:
    """So that one build may make them all."""
    for dockerfile in ("ARG BASE\nFROM ${BASE}\nARG TARGETARCH\nLABEL a=$TARGETARCH\n", TOOLS):
        recipes = recipes_of(dockerfile, **BOTH)
        rows = [row for row in recipes.catalogue.rows if row.name == "linux"]
        assert len({recipes.of(row).inputs for row in rows}) == 1
        assert len({recipes.of(row).id for row in rows}) == 2
