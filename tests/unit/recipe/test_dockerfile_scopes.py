"""Substitution, what counts as declared, what is unpinned, and which names are pulled."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.recipe.dockerfile.evaluate import ImageUse, Reading, evaluate
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.dockerfile.lexer import substitute
from imageyard.recipe.dockerfile.lines import frontend
from imageyard.recipe.dockerfile.live import live_names
from imageyard.recipe.dockerfile.stages import read


def reading(dockerfile: str, target: str | None = None, contexts: tuple[str, ...] = (), **args: str) -> Reading:
    file = read(dockerfile.encode(), "Dockerfile")
    return evaluate(file, args=args, platform="linux/arm64", target=target, contexts=contexts)


@pytest.mark.parametrize(
    ("word", "result"),
    [
        ("$X", "value"),
        ("${X}", "value"),
        ("$X.txt", "value.txt"),
        ("$Xs", ""),
        ("${X}s", "values"),
        ("\\$X", "$X"),
        ("'$X'", "$X"),
        ('"$X"', "value"),
        ('"\\$X \\a \\\\"', "$X \\a \\"),
        ("${X:-d}", "value"),
        ("${E:-d}", "d"),
        ("${E-d}", ""),
        ("${U:-d}", "d"),
        ("${U-d}", "d"),
        ("${X:+a}", "a"),
        ("${E:+a}", ""),
        ("${E+a}", "a"),
        ("${U+a}", ""),
        ("${U:-${X}}", "value"),
        ("${U:-'${X}'}", "${X}"),
        ("${X?no}", "value"),
        ("${E?no}", ""),
        ("${P#*/}", "b/c.tar.gz"),
        ("${P##*/}", "c.tar.gz"),
        ("${P%.*}", "a/b/c.tar"),
        ("${P%%.*}", "a/b/c"),
        ("${P/\\//-}", "a-b/c.tar.gz"),
        ("${P//\\//-}", "a-b-c.tar.gz"),
        ("${P//?/x}", "xxxxxxxxxxxx"),
        ("${P/.*/}", "a/b/c"),
        ("${P#x}", "a/b/c.tar.gz"),
        ("$", "$"),
        ("a$", "a$"),
        ("$1x", "x"),
        ("$é", "acute"),
    ],
)
def test_substitution(word: str, result: str) -> None:
    values = {"X": "value", "E": "", "P": "a/b/c.tar.gz", "é": "acute"}

    assert substitute(word, values.get) == result


@pytest.mark.parametrize(
    ("word", "headline"),
    [
        ("${U?}", "U: is not set"),
        ("${E:?}", "E: is empty"),
        ("${U:?say it}", "U: say it"),
        ("${", "no matching"),
        ("${X:-", "no matching"),
        ("${X/a}", "no matching"),
        ("${}", "bad substitution"),
        ("${X:#a}", "unsupported modifier (:#)"),
        ("${X,}", "unsupported modifier (,)"),
        ("'a", "single quote"),
        ('"a', "double quote"),
        ("${X#\\a}", "invalid pattern"),
    ],
)
def test_substitutions_that_are_refused(word: str, headline: str) -> None:
    with pytest.raises(Fault, match=re.escape(headline)):
        substitute(word, {"X": "value", "E": ""}.get)


NAMES = st.sampled_from(["A", "B", "C_1", "unset"])
VALUES = st.fixed_dictionaries({name: st.text("ab./*?[]\\$", max_size=6) for name in ("A", "B", "C_1")})
TEXTS = st.text("xyz-./ ", max_size=4)
FORMS = st.one_of(
    st.tuples(st.just("text"), TEXTS, st.just("")),
    st.tuples(st.just(""), NAMES, st.just("")),
    *(st.tuples(st.just(kind), NAMES, TEXTS) for kind in (":-", "-", ":+", "+")),
    *(st.tuples(st.just(kind), NAMES, st.text("ab./*?", max_size=4)) for kind in ("#", "##", "%", "%%")),
)


def naive(form: tuple[str, str, str], values: dict[str, str]) -> str:
    """What a form means, the long way round: every start or end is tried against the pattern."""
    kind, name, word = form
    value = values.get(name)
    match kind:
        case "text":
            return name
        case "":
            return value or ""
        case ":-" | "-":
            return word if value is None or (kind == ":-" and not value) else value
        case ":+" | "+":
            return "" if value is None or (kind == ":+" and not value) else word
        case _:
            value = value or ""
            pattern = re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in word))
            sizes = [
                size
                for size in range(len(value) + 1)
                if pattern.fullmatch(value[:size] if kind[0] == "#" else value[len(value) - size :])
            ]
            cut = 0 if not sizes else max(sizes) if len(kind) == 2 else min(sizes)
            return value[cut:] if kind[0] == "#" else value[: len(value) - cut]


@given(st.lists(FORMS, max_size=5), VALUES)
def test_substitution_agrees_with_a_naive_one(forms: list[tuple[str, str, str]], values: dict[str, str]) -> None:
    word = "".join(text if kind == "text" else f"${{{text}{kind}{more}}}" for kind, text, more in forms)

    assert substitute(word, values.get) == "".join(naive(form, values) for form in forms)


@given(st.text(max_size=60), VALUES)
def test_any_word_is_substituted_or_refused_with_words(word: str, values: dict[str, str]) -> None:
    try:
        result = substitute(word, values.get)
    except Fault as fault:
        result = fault.headline
    assert isinstance(result, str)


@pytest.mark.parametrize(
    ("dockerfile", "target", "declared"),
    [
        ("FROM scratch\nARG X\n", None, {"X"}),
        ("FROM scratch\nARG X=1 Y\nARG Z='a'\n", None, {"X", "Y", "Z"}),
        ("ARG X\nFROM scratch\n", None, set()),
        ("ARG X=scratch\nFROM $X\n", None, {"X"}),
        ("ARG X=scratch\nARG Y=$X\nFROM $Y\n", None, {"X", "Y"}),
        ("ARG X=1\nARG Y=$X\nFROM scratch\nARG Y\n", None, {"X", "Y"}),
        ("ARG X=1\nARG Y=$X\nFROM scratch\nARG Y=2\n", None, {"Y"}),
        ("FROM scratch AS a\nARG X\nFROM scratch\nARG Y\n", None, {"Y"}),
        ("FROM scratch AS a\nARG X\nFROM scratch\nARG Y\n", "a", {"X"}),
        ("FROM scratch AS a\nARG X\nFROM a\nARG Y\n", None, {"X", "Y"}),
        ("FROM scratch AS a\nARG X\nFROM scratch\nCOPY --from=a /x /x\n", None, {"X"}),
        ("FROM scratch AS a\nARG X\nFROM scratch\nRUN --mount=from=a,target=/x true\n", None, {"X"}),
        ("FROM scratch AS a\nONBUILD ARG X\nFROM a\n", None, {"X"}),
        ("ARG P=linux/amd64\nFROM --platform=$P scratch\n", None, {"P"}),
    ],
)
def test_which_arguments_count(dockerfile: str, target: str | None, declared: set[str]) -> None:
    assert reading(dockerfile, target).declared == declared


@pytest.mark.parametrize(
    ("dockerfile", "args", "images"),
    [
        ("FROM debian:12\n", {}, [ImageUse(1, "debian:12")]),
        ("FROM scratch\n", {}, []),
        ("ARG B=debian:12\nFROM $B AS a\nFROM a\n", {"B": "alpine"}, [ImageUse(2, "alpine")]),
        ("FROM debian AS a\nFROM scratch\n", {}, []),
        ("FROM scratch\nCOPY --from=busybox:1 /x /x\n", {}, [ImageUse(2, "busybox:1")]),
        ("FROM scratch\nRUN --mount=from=busybox:1,target=/x true\n", {}, [ImageUse(2, "busybox:1")]),
        ("FROM scratch\nRUN --mount=from=0,target=/x true\n", {}, [ImageUse(2, "0")]),
        ("FROM --platform=linux/amd64 debian\n", {}, [ImageUse(1, "debian", "linux/amd64")]),
        ("FROM --platform=$BUILDPLATFORM debian\n", {}, [ImageUse(1, "debian", "linux/arm64")]),
        ("FROM debian-${TARGETARCH}\n", {}, [ImageUse(1, "debian-arm64")]),
    ],
)
def test_which_images_are_pulled(dockerfile: str, args: dict[str, str], images: list[ImageUse]) -> None:
    assert list(reading(dockerfile, **args).images) == images


@pytest.mark.parametrize(
    ("source", "unpinned"),
    [
        ("ADD https://x.org/a.tgz /", "ADD https://x.org/a.tgz has no --checksum (Dockerfile:2)"),
        (f"ADD --checksum=sha256:{'a' * 64} https://x.org/a.tgz /", None),
        ("ADD https://x.org/a.git#v1 /", "ADD https://x.org/a.git#v1 has no full commit (Dockerfile:2)"),
        (f"ADD https://x.org/a.git#{'a' * 40} /", None),
        (f"ADD https://x.org/a.git#{'a' * 40}:sub /", None),
        ("ADD https://x.org/a.git#abcdef1 /", "ADD https://x.org/a.git#abcdef1 has no full commit (Dockerfile:2)"),
        (f"ADD --checksum={'a' * 40} https://x.org/a.git#v1 /", None),
        (f"ADD https://x.org/a.git?ref=v1&checksum={'a' * 40} /", None),
        ("ADD git@x.org:a/b.git /", "ADD git@x.org:a/b.git has no full commit (Dockerfile:2)"),
        (f"ADD git@x.org:a/b.git#{'a' * 40} /", None),
        ("ADD ssh://git@x.org/a /", "ADD ssh://x.org/a has no full commit (Dockerfile:2)"),
    ],
)
def test_what_an_add_fetches_is_pinned_or_named(source: str, unpinned: str | None) -> None:
    found = reading(f"FROM scratch\n{source}\n")

    assert found.unpinned == (() if unpinned is None else (unpinned,))
    assert found.files == ()


def test_a_named_context_replaces_the_stage_of_its_name() -> None:
    found = reading("FROM debian AS tools\nCOPY nope /\nFROM tools\nCOPY --from=tools /x /x\n", contexts=("tools",))

    assert [image.name for image in found.images] == ["tools"]
    assert {use.context for use in found.files} == {"tools"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("# syntax=docker/dockerfile:1\nFROM scratch\n", "docker/dockerfile:1"),
        ("# check=skip=all\n# SYNTAX = docker/dockerfile:1 extra\n", "docker/dockerfile:1"),
        ("#!/bin/x\n# syntax=docker/dockerfile:1\n", "docker/dockerfile:1"),
        ("// syntax=docker/dockerfile:1\n", "docker/dockerfile:1"),
        ('{"syntax": "docker/dockerfile:1"}', "docker/dockerfile:1"),
        (" # syntax=docker/dockerfile:1\n", None),
        ("\n# syntax=docker/dockerfile:1\n", None),
        ("# a comment\n# syntax=docker/dockerfile:1\n", None),
        ("FROM scratch\n", None),
    ],
)
def test_the_frontend(text: str, name: str | None) -> None:
    assert frontend(text) == name


@pytest.mark.parametrize(
    ("dockerfile", "live"),
    [
        ("FROM scratch\nARG X\nRUN echo $X\n", set()),
        ("FROM scratch\nARG X\nCOPY $X /\n", {"X"}),
        ("FROM scratch\nARG X\nENV Y=a$X\nCOPY ${Y:-b} /\n", {"X", "Y"}),
        ("ARG X\nFROM scratch\n", {"X"}),
        ("FROM scratch\nARG X\nENV Y=${X:?}\n", {"X"}),
        ("FROM scratch\nARG X\nENV $X=1\n", None),
        ("FROM scratch\nONBUILD ARG X\n", None),
        ("FROM scratch\nONBUILD COPY $X /\n", {"X"}),
    ],
)
def test_which_arguments_can_change_a_reading(dockerfile: str, live: set[str] | None) -> None:
    assert live_names(read(dockerfile.encode(), "Dockerfile")) == live
