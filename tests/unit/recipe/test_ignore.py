"""`.dockerignore`: what BuildKit 28.5 did with each case is in golden/dockerignore.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.errors import ConfigurationError
from imageyard.recipe import ignore
from imageyard.recipe.patterns import Pattern, Patterns, clean, compile_pattern
from imageyard.treebase import DictTree, Link, Placed

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "dockerignore.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: repr(case["ignore"]))
def test_as_buildkit(case: dict[str, object]) -> None:
    data = str(case["ignore"]).encode()
    if case.get("refused"):
        with pytest.raises(ConfigurationError):
            ignore.parse(data, ".dockerignore")
    else:
        excludes = ignore.parse(data, ".dockerignore").excludes
        assert [path for path in GOLDEN["files"] if excludes(path)] == case["excluded"]


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"ok\n\n# c\na[\n", 4, "bad pattern 'a['"),
        (b"!\n", 1, "'!' alone"),
        (b"a\\\n", 1, "ends in a backslash"),
        (b"ok\nfolder\\data\n", 2, "folders are separated by '/'"),
        (b"\\d\n", 1, "a backslash before 'd'"),
        (b"[\\w]\n", 1, "a backslash before 'w'"),
        (b"[[:alpha:]]\n", 1, "named character classes"),
        (b"[z-a]\n", 1, "the wrong way round"),
        (b"ok\n\xff\n", 2, "not UTF-8"),
        (b"a\0b\n", 1, "NUL"),
        (b"ok\n" + b"x" * 65536 + b"\n", 2, "a line of 65536 bytes"),
    ],
)
def test_refused_with_file_and_line(data: bytes, line: int, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ignore.parse(data, "sub/Dockerfile.dockerignore")
    assert caught.value.at == f"sub/Dockerfile.dockerignore:{line}"
    assert words in caught.value.headline


def test_longest_line_is_read() -> None:
    assert ignore.parse(b"x" * 65535 + b"\n", "f").excludes("x" * 65535)


@pytest.mark.parametrize(
    ("files", "dockerfile", "chosen", "excluded"),
    [
        ({}, "Dockerfile", None, []),
        ({".dockerignore": b"a"}, "Dockerfile", ".dockerignore", ["a"]),
        ({".dockerignore": b"a", "Dockerfile.dockerignore": b"b"}, "Dockerfile", "Dockerfile.dockerignore", ["b"]),
        ({".dockerignore": b"a", "Dockerfile.dockerignore": b""}, "Dockerfile", "Dockerfile.dockerignore", []),
        ({".dockerignore": b"a", "d/x.dockerignore": b"b"}, "d/x", "d/x.dockerignore", ["b"]),
        ({".dockerignore": b"a", "d/.dockerignore": b"b"}, "d/x", ".dockerignore", ["a"]),
        ({".dockerignore": Link("d/list"), "d/list": b"b"}, "Dockerfile", "d/list", ["b"]),
        ({"d/x.dockerignore": Link("../list"), "list": b"b"}, "d/x", "list", ["b"]),
        ({".dockerignore": Link("/list"), "list": b"b"}, "Dockerfile", "list", ["b"]),
        ({".dockerignore": Link("gone")}, "Dockerfile", None, []),
        ({".dockerignore": Link(".dockerignore")}, "Dockerfile", None, []),
    ],
)
def test_which_file_counts(
    files: dict[str, bytes | Link], dockerfile: str, chosen: str | None, excluded: list[str]
) -> None:
    tree = DictTree({"a": b"", "b": b"", **files})
    found = ignore.load(tree, Placed(tree, f"{dockerfile}.dockerignore"))
    assert found.file == chosen
    assert sorted(set(tree.entries()) - set(found.filter(tree.entries()))) == excluded


@pytest.mark.parametrize(
    ("path", "expected"),
    [("", "."), ("a//b", "a/b"), ("a/./b/", "a/b"), ("a/../b", "b"), ("../a", "../a"), ("/../a", "/a"), ("//a", "/a")],
)
def test_clean_as_go(path: str, expected: str) -> None:
    assert clean(path) == expected


def walk(patterns: list[str], path: str) -> bool:
    """The rules once more, written to be read: signs matched one by one, folders from the top down."""
    below = [False] * len(patterns)
    answer = False
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        here, answer = "/".join(parts[:depth]), False
        for number, pattern in enumerate(patterns):
            negated, body = pattern.startswith("!"), pattern.removeprefix("!")
            if not below[number] and negated == answer:
                below[number] = signs(body, here)
            if below[number]:
                answer = not negated
    return answer


def signs(pattern: str, text: str) -> bool:
    if pattern == "**":
        return True
    if pattern.startswith("**") and not set(pattern[2:]) & set("*?"):
        return text.endswith(pattern[2:]) or (pattern[2] == "/" and text == pattern[3:])
    return step(pattern, text)


def step(pattern: str, text: str) -> bool:
    if pattern.startswith("**"):
        rest = pattern[2:].removeprefix("/")
        cuts = [0] + [i + 1 for i, char in enumerate(text) if char == "/"]
        return not rest or any(step(rest, text[cut:]) for cut in cuts)
    if pattern.startswith("*"):
        reach = (text + "/").index("/")
        return any(step(pattern[1:], text[cut:]) for cut in range(reach + 1))
    if not pattern or not text:
        return pattern == text
    if pattern[0] == "?":
        return text[0] != "/" and step(pattern[1:], text[1:])
    return pattern[0] == text[0] and step(pattern[1:], text[1:])


NAMES = st.sampled_from(["a", "b", "ab", "a.b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PARTS = st.sampled_from(["a", "b", "ab", "a.b", "*", "**", "?", "a*", "*b", "**b", "a**", "?b"])
PATTERNS = st.lists(
    st.builds(
        lambda sign, parts: sign + "/".join(parts),
        st.sampled_from(["", "", "!"]),
        st.lists(PARTS, min_size=1, max_size=3),
    ),
    max_size=5,
)


@given(PATTERNS, st.lists(PATHS, min_size=1, max_size=6))
def test_agrees_with_the_rules_written_plainly(patterns: list[str], paths: list[str]) -> None:
    compiled = Patterns([found for text in patterns if (found := compile_pattern(text))])
    for path in paths:
        assert compiled.match(path) is walk(patterns, path), path


@given(PATTERNS, st.lists(PATHS, min_size=2, max_size=6))
def test_order_of_questions_does_not_matter(patterns: list[str], paths: list[str]) -> None:
    compiled = [found for text in patterns if (found := compile_pattern(text))]
    forwards, backwards = Patterns(compiled), Patterns(compiled)
    there = {path: forwards.match(path) for path in paths}
    assert {path: backwards.match(path) for path in reversed(paths)} == there


CLASSES = st.sampled_from(["a[^a]", "[a-b]*", "*[.-0]*", "**/[^b]", "a/**", "b/a", "a/*/?b", "**/a/b", r"a\.b"])


@given(st.lists(st.builds(str.__add__, st.sampled_from(["", "!"]), CLASSES), max_size=6), st.lists(PATHS, max_size=8))
def test_patterns_asked_together_say_what_each_says(texts: list[str], paths: list[str]) -> None:
    patterns = [found for text in texts if (found := compile_pattern(text))]
    together = Patterns(patterns)
    for path in paths:
        assert together.match(path) is one_by_one(patterns, path), path
    assert together.left([f"x/{path}" for path in paths], 2) == [
        f"x/{path}" for path in paths if not one_by_one(patterns, path)
    ]


def one_by_one(patterns: list[Pattern], path: str) -> bool:
    """`MatchesUsingParentResults` from the uppermost folder down."""
    said, matched = [False] * len(patterns), False
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        matched = False
        for number, pattern in enumerate(patterns):
            if not said[number] and pattern.negated == matched:
                said[number] = pattern.matches("/".join(parts[:depth]))
            matched = not pattern.negated if said[number] else matched
    return matched


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        verdict = ignore.parse(data, ".dockerignore").excludes("some/path")
    except ConfigurationError as error:
        verdict = not error.at
    assert verdict in (True, False)


@given(st.text(alphabet="ab/*?[]^-!\\. {}()|+$", max_size=12))
def test_any_pattern_is_read_or_refused(text: str) -> None:
    try:
        pattern = compile_pattern(text)
        verdict = pattern is not None and pattern.matches("a/b")
    except ValueError as error:
        verdict = not str(error)
    assert verdict in (True, False)
