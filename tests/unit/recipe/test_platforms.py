"""A parent is built for its child's platform, however that is spelled; another platform is refused."""

from __future__ import annotations

import pytest
from imageyard.catalogue import text
from imageyard.catalogue.expand import expand
from imageyard.catalogue.lock import Lock
from imageyard.errors import ConfigurationError
from imageyard.names import ARCHES, Arch, platform_of
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


def recipes_of(dockerfile: str, arches: str = "amd64, arm64", **files: bytes) -> Recipes:
    tree = DictTree({"base.Dockerfile": b"FROM scratch\nLABEL a=b\n", "Dockerfile": dockerfile.encode(), **files})
    written = CATALOGUE.replace("amd64, arm64", arches)
    catalogue = expand(text.parse(written.encode(), "images.yml")).catalogue
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
        ("linux/arm", "armv7", True),
        ("linux/arm/7", "armv7", True),
        ("linux/armhf", "armv7", True),
        ("linux/arm/v6", "armv7", False),
        ("linux/armel", "armv6", True),
        ("linux/i386", "i386", True),
        ("386", "i386", True),
        ("amd64", "i386", False),
        *(("$TARGETPLATFORM", arch, True) for arch in ARCHES),
        *((platform_of(arch), arch, True) for arch in ARCHES),
    ],
)
def test_the_platform_that_a_parent_is_wanted_for(platform: str, arch: Arch, same: bool) -> None:
    recipes = recipes_of(f"ARG BASE\nFROM --platform={platform} ${{BASE}}\n", ", ".join(ARCHES))
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


TARGETS = """\
ARG BASE
FROM ${BASE}
ARG TARGETARCH
ARG TARGETVARIANT
COPY ${TARGETARCH}${TARGETVARIANT}.txt /
"""


@pytest.mark.parametrize(
    ("arch", "file"),
    [
        ("amd64", "amd64"),
        ("arm64", "arm64"),
        ("i386", "386"),
        ("armv7", "armv7"),
        ("armv6", "armv6"),
        ("ppc64le", "ppc64le"),
        ("s390x", "s390x"),
        ("riscv64", "riscv64"),
        ("loong64", "loong64"),
    ],
)
def test_a_dockerfile_sees_the_architecture_as_buildkit_calls_it(arch: Arch, file: str) -> None:
    assert work_out(recipes_of(TARGETS, ", ".join(ARCHES), **{f"{file}.txt": b"x"}), arch) == [f"{file}.txt"]


ALL_TOOLS = {f"tool-{arch}": arch.encode() for arch in ("amd64", "arm64", "riscv64", "s390x")}


def test_a_machine_of_another_architecture_builds_for_itself_alone() -> None:
    """The rows of an image have the same builders, whatever the order in which they are written."""
    for arches in ("amd64, riscv64", "riscv64, amd64"):
        recipes = recipes_of(TOOLS, arches, **ALL_TOOLS)
        rows = [row for row in recipes.catalogue.rows if row.name == "linux"]
        assert {tuple(work_out(recipes, row.arch)) for row in rows} == {("tool-amd64", "tool-arm64", "tool-riscv64")}
        assert len({recipes.of(row).inputs for row in rows}) == 1
    assert work_out(recipes_of(TOOLS, "s390x", **ALL_TOOLS), "s390x") == ["tool-amd64", "tool-arm64", "tool-s390x"]


def test_an_image_for_another_architecture_changes_no_other_image() -> None:
    """Each image has builders of its own: a riscv64 sister from the same Dockerfile is no reason to build again."""

    def ids(names: str) -> dict[tuple[str, str], str]:
        found = f"axes: {{plain: {{linux, one, two}}}}\nimages: {{a: {{dockerfile: Dockerfile, names: {names}}}}}\n"
        dockerfile = TOOLS.replace("ARG BASE\n", "").replace("${BASE}", "scratch")
        tree = DictTree({"Dockerfile": dockerfile.encode(), **ALL_TOOLS})
        catalogue = expand(text.parse(found.encode(), "images.yml")).catalogue
        every = Recipes(catalogue, lambda context: tree, Lock({}), PinnedStandIns(""))
        return {(row.name, row.arch): every.of(row).id for row in catalogue.rows}

    alone = ids("{linux-one: {arches: [amd64, arm64]}}")
    both = ids("{linux-one: {arches: [amd64, arm64]}, linux-two: {arches: [amd64, riscv64]}}")
    assert both.items() > alone.items()
    assert both["linux-two", "amd64"] != alone["linux-one", "amd64"]
