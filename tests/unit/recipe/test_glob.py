"""The cases of Go's documentation and source of `filepath.Match`, and what BuildKit's wildcards lean on."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from imageyard.recipe import glob

MATCHES = [
    ("abc", "abc", True),
    ("*", "abc", True),
    ("*", "", True),
    ("*", "a/b", False),
    ("*c", "abc", True),
    ("a*", "ab/c", False),
    ("a*/b", "abc/b", True),
    ("a*/b", "a/c/b", False),
    ("a*b*c*/f", "axbxcx/f", True),
    ("a*b*c*/f", "axbxcx/x/f", False),
    ("a*b?c*x", "abxbbxdbxebxczzx", True),
    ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("**", "abc", True),
    ("**/b", "a/b", True),
    ("**/b", "a/a/b", False),
    ("ab[b-d]", "abc", True),
    ("ab[e-g]", "abc", False),
    ("ab[^e-g]", "abc", True),
    ("ab[!c]", "ab!", True),  # Go negates with ^ only
    ("a[^b]c", "a/c", True),  # a class has no rule for the separator
    (r"a\*b", "a*b", True),
    (r"a\*b", "ab", False),
    (r"a\?b", "a?b", True),
    (r"a\?b", "axb", False),
    (r"[\]a]", "]", True),
    (r"[\-x]", "-", True),
    ("a?b", "a☺b", True),
    ("a???b", "a☺b", False),
    ("a[^a]b", "a☺b", True),
    ("[a-ζ]*", "α", True),
    ("*??", "☺", False),
    ("*[^☺]", "☺", False),
    ("a?b", "a/b", False),
    ("a*b", "a/b", False),
    ("A", "a", False),
    (".*", ".bashrc", True),
    ("*", ".bashrc", True),
    ("", "", True),
    ("", "a", False),
    ("*[*]x", "a*x", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_match(pattern: str, path: str, expected: bool) -> None:
    assert glob.match(pattern, path) is expected


@pytest.mark.parametrize(
    "pattern", ["[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "a[", "*x[", "a\\", "b*["]
)
@pytest.mark.parametrize("path", ["", "a", "a/b/c", "zz"])
def test_malformed_whatever_the_path(pattern: str, path: str) -> None:
    with pytest.raises(ValueError, match="syntax error in pattern"):
        glob.match(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("a/b", False), ("a*", True), ("a?", True), ("[a]", True), (r"a\*", False), (r"a\\*", True), ("a\\", False)],
)
def test_has_wildcard(pattern: str, expected: bool) -> None:
    assert glob.has_wildcard(pattern) is expected


SIGNS = st.sampled_from(
    ["a", "b", "-", "/", "*", "?", "[ab]", "[^a]", "[+-9]", "[^+-9]", "[b-a]", "[^b-a]", "[/]", "[a", "]", r"\*", "\\"]
)
GLOBS = st.lists(SIGNS, max_size=8).map("".join)
PATHS = st.text(alphabet="ab-/*]\n", max_size=8)


@given(GLOBS, st.lists(PATHS, max_size=8))
@example("*[^b]*b", ["a/bab", "a/b"])  # the first place where a piece matches counts, be it a dead end
@example("*a*" * 20 + "b", ["a" * 60])  # and no other is looked for
def test_a_compiled_pattern_says_what_match_says(pattern: str, paths: list[str]) -> None:
    try:
        compiled = glob.compile_glob(pattern)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            glob.match(pattern, "")
        return
    for path in paths:
        expected = glob.match(pattern, path)
        assert (compiled.matches.fullmatch(path) is not None) is expected, path
        depth = path.count("/") + 1
        if expected:
            assert compiled.fewest <= depth <= compiled.most
        if compiled.each and compiled.parts is not None and "/" not in path:
            names = ["a", path, "b/", path]
            found = compiled.each.findall("\0".join(["", *names, ""]))
            assert found == [name for name in names if glob.match(pattern, name)]
        if compiled.parts is not None:
            parts = path.split("/")
            each = len(parts) == len(compiled.parts) and all(map(glob.match, compiled.parts, parts))
            assert each is expected, path


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("a/*.c", ("a", "*.c")),
        (r"a\/b*", ("a", "b*")),
        ("[ab]/[^/]", ("[ab]", "[^/]")),
        ("a[^b]/c", None),
        ("[+-9]", None),
        (r"[\/]", None),
    ],
)
def test_a_class_that_matches_a_slash_holds_the_parts_together(pattern: str, parts: tuple[str, ...] | None) -> None:
    assert glob.compile_glob(pattern).parts == parts


def test_a_pattern_without_wildcards_is_a_path() -> None:
    assert glob.literal(r"a\*b/\[c") == "a*b/[c"
