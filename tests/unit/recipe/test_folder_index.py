"""Which paths a pattern of COPY names, against each of its paths held against the pattern."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.recipe import glob
from imageyard.recipe.folder_index import FolderIndex

NAMES = st.sampled_from(["a", "b", "ab", "a.c", "*", "a*", "[a]", "\U0010ffff"])
TREES = st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), min_size=1, max_size=12)
PARTS = st.sampled_from(
    [
        "a",
        "b",
        "*",
        "?",
        "a*",
        "*b",
        r"a\*",
        "[ab]",
        "[^a]",
        "a[^c]c",
        "*[.-0]*",
        "[a-b]*",
        "*.c",
        "\U0010ffff*",
        r"*\\",
    ]
)
PATTERNS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


def walked(paths: list[str], base: str, pattern: str) -> set[str]:
    """The rule as BuildKit's copier has it: each path from the top down, and nothing in what matched."""
    found: set[str] = set()
    for path in paths:
        if base and not path.startswith(f"{base}/"):
            continue
        names = path[len(base) + 1 if base else 0 :].split("/")
        for size in range(1, len(names) + 1):
            if glob.match(pattern, "/".join(names[:size])):
                found.add("/".join([*([base] if base else []), *names[:size]]))
                break
    return found


def files(paths: list[str]) -> list[str]:
    """Paths of which none is a folder of another."""
    return sorted(path for path in set(paths) if not any(other.startswith(f"{path}/") for other in paths))


@given(TREES, PATTERNS, st.sampled_from(["", "a", "a/b", "nowhere"]))
def test_as_a_walk_over_every_path(tree: list[str], pattern: str, base: str) -> None:
    paths = files(tree)
    found = list(FolderIndex(paths).matching(base, pattern))
    assert set(found) == walked(paths, base, pattern)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("pattern", ["a\\", "*/[", "[^a]/[b-"])
def test_a_malformed_pattern_is_refused_where_nothing_could_match(pattern: str) -> None:
    with pytest.raises(ValueError, match="syntax error in pattern"):
        FolderIndex(["x"]).matching("nowhere", pattern)


def test_what_is_below_a_folder() -> None:
    index = FolderIndex(["a", "a-b", "b/c/d", "b/e", "b0"])
    assert index.all == {"", "b", "b/c"}
    assert list(index.below("b")) == ["b/c/d", "b/e"]
    assert list(index.below("")) == ["a", "a-b", "b/c/d", "b/e", "b0"]
    assert list(index.below("a")) == []
