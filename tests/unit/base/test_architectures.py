"""Architectures: a word each, and everything that follows from the word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import ConfigurationError
from imageyard.names import (
    ARCHES,
    BUILDER_ARCHES,
    Arch,
    as_arch,
    image_name_fault,
    known_arch,
    normal_platform,
    parse_tag,
    platform_of,
    tree_tag,
)
from imageyard.plan.caches import MAIN, cache_tag, parse_cache_tag

TABLE: dict[Arch, tuple[str, str]] = {  # platform, `uname -m`
    "amd64": ("linux/amd64", "x86_64"),
    "arm64": ("linux/arm64", "aarch64"),
    "i386": ("linux/386", "i686"),
    "armv7": ("linux/arm/v7", "armv7l"),
    "armv6": ("linux/arm/v6", "armv6l"),
    "ppc64le": ("linux/ppc64le", "ppc64le"),
    "s390x": ("linux/s390x", "s390x"),
    "riscv64": ("linux/riscv64", "riscv64"),
    "loong64": ("linux/loong64", "loongarch64"),
}
OURS = pytest.mark.parametrize("arch", ARCHES)
IMAGES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,40}", fullmatch=True) | st.lists(
    st.sampled_from([*ARCHES, "386", "arm", "v7", "main", "a", "0" * 20, "0" * 40]), min_size=1, max_size=5
).map("-".join)
TREES = st.text("0123456789abcdef", min_size=40, max_size=40)


def test_the_table_is_of_all() -> None:
    assert tuple(TABLE) == ARCHES
    assert set(BUILDER_ARCHES) < set(ARCHES)


@OURS
def test_a_word_stands_for_a_platform_and_is_found_by_each_of_its_names(arch: Arch) -> None:
    platform, machine = TABLE[arch]
    assert platform_of(arch) == normal_platform(platform) == platform
    named = (arch, arch.upper(), platform, platform.removeprefix("linux/"), machine)
    assert {name: as_arch(name) for name in named} == dict.fromkeys(named, arch)


@pytest.mark.parametrize(
    ("text", "arch"),
    [
        ("linux/arm64/v8", "arm64"),
        ("arm", "armv7"),
        ("armhf", "armv7"),
        ("linux/i386", "i386"),
        ("ppc64el", "ppc64le"),
        ("x64", "amd64"),
        ("x86_64", "amd64"),
    ],
)
def test_other_spellings(text: str, arch: Arch) -> None:
    assert known_arch(text) == arch


@pytest.mark.parametrize("text", ["", "linux", "windows/amd64", "amd64/v3", "arm/v5", "armv8", "mips64", "v7"])
def test_what_is_no_architecture_of_ours(text: str) -> None:
    with pytest.raises(ConfigurationError, match="unknown architecture") as caught:
        as_arch(text)
    assert caught.value.hint == (f"use one of: {', '.join(ARCHES)}",)


@OURS
def test_no_name_ends_like_a_row(arch: Arch) -> None:
    assert f"the name ends in '-{arch}'" in (image_name_fault(f"gcc-{arch}") or "")
    assert image_name_fault(f"{arch}-gcc") is None
    assert image_name_fault(f"gcc{arch}") is None


@given(IMAGES.filter(lambda name: not image_name_fault(name)), st.sampled_from((None, *ARCHES)), TREES)
def test_tags_parse_back_to_the_word(image: str, arch: Arch | None, tree: str) -> None:
    parsed = parse_tag(tree_tag(image, tree, arch))
    assert parsed is not None
    assert (parsed.image, parsed.hex, parsed.kind, parsed.arch) == (image, tree, "tree", arch)


@given(IMAGES.filter(lambda name: not image_name_fault(name)), st.sampled_from(ARCHES))
def test_tags_of_caches_parse_back_to_the_word(image: str, arch: Arch) -> None:
    parsed = parse_cache_tag(cache_tag(image, arch, MAIN))
    assert parsed is not None
    assert (parsed.image, parsed.arch, parsed.scope) == (image, arch, MAIN)


@given(st.lists(st.sampled_from(ARCHES), min_size=2, max_size=2, unique=True))
def test_no_two_words_stand_for_one_platform(pair: list[Arch]) -> None:
    assert platform_of(pair[0]) != platform_of(pair[1])
    assert not pair[0].endswith(f"-{pair[1]}")
