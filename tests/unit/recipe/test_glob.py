"""The cases of Go's documentation and source of `filepath.Match`, and what BuildKit's wildcards lean on."""

from __future__ import annotations

import pytest
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
