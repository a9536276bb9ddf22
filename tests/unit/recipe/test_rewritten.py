"""A recipe holds instructions, not a text: what BuildKit parses to the same has the same recipe, and nothing else."""

from __future__ import annotations

from random import Random

import pytest
from support.sealed.corpus import CASES, RECORDED, Case, recipe_of
from support.sealed.edits import rewritten

HEAD = b"FROM scratch AS one\nARG WHO=me\nCOPY common/install.sh src/*.c /in/\nFROM one\nCOPY --from=one /in /out\n"


TWO = b"FROM scratch AS a\nLABEL a=1\nFROM scratch AS b\nLABEL b=1\n"
SWAPPED = b"FROM scratch AS b\nLABEL a=1\nFROM scratch AS a\nLABEL b=1\n"
MOUNTS = b"FROM scratch\nRUN --mount=from=a,target=/a --mount=from=b,target=/b x\n"
TRIGGER = b"FROM scratch AS c\nONBUILD COPY --from=a / /x/\nFROM c\nCOPY --from=b / /b/\n"


def id_of(dockerfile: bytes, **more: object) -> str:
    return recipe_of(Case("case", dockerfile, **more)).id  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (HEAD, HEAD.replace(b"\nCOPY", b"\n# why\n\n  COPY")),
        (HEAD, HEAD.replace(b"COPY", b"copy").replace(b"FROM", b"From").replace(b"ARG", b"arg")),
        (HEAD, HEAD.replace(b" src/*.c", b" \\\n# in between\nsrc/*.c")),
        (HEAD, HEAD.replace(b" src/*.c", b"    src/*.c")),
        (HEAD, HEAD.replace(b"common/install.sh src/*.c /in/", b'["common/install.sh", "src/*.c", "/in/"]')),
        (HEAD, HEAD.replace(b"AS one", b"AS first").replace(b"FROM one", b"FROM first").replace(b"=one", b"=FIRST")),
        (HEAD, HEAD.replace(b"--from=one", b"--from=0")),
        (HEAD, b"FROM scratch AS never\nCOPY requirements.txt /\n" + HEAD),
        (HEAD, HEAD.replace(b"FROM one", b"FROM scratch AS never\nRUN exit 1\nFROM one")),
        (HEAD, b"ARG NOBODY=1\n" + HEAD),
        (HEAD, HEAD.replace(b"FROM scratch AS one", b"FROM scratch AS zero\nFROM zero AS same\nFROM same AS one")),
        (b"FROM scratch\nCOPY --from=debian:12 / /\n", b"FROM debian:12 AS d\nFROM scratch\nCOPY --from=d / /\n"),
        (HEAD, b"# escape=\\\n" + HEAD),
        (HEAD, b"# check=error=true\n" + HEAD),
        (HEAD, HEAD.replace(b"\n", b"\r\n")),
        (HEAD, b"\xef\xbb\xbf" + HEAD),
        (b"FROM scratch\nHEALTHCHECK cmd true\n", b"FROM scratch\nHEALTHCHECK CMD true\n"),
        (b"FROM scratch\nCOPY --chmod=600 --link requirements.txt /\n",
         b"FROM scratch\nCOPY --link=true --chmod=600 requirements.txt /\n"),
    ],
)  # fmt: skip
def test_what_is_parsed_to_the_same_has_the_same_recipe(text: bytes, other: bytes) -> None:
    assert id_of(text) == id_of(other)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (HEAD, HEAD.replace(b"/in/", b"/into/")),
        (HEAD, HEAD.replace(b"WHO=me", b"WHO=you")),
        (HEAD, HEAD.replace(b"FROM one\n", b"FROM one\nLABEL a=b\n")),
        (HEAD, HEAD.replace(b"FROM one\nCOPY", b"FROM scratch\nCOPY")),
        (b"FROM scratch\nRUN a  b\n", b"FROM scratch\nRUN a b\n"),
        (b'FROM scratch\nRUN ["a", "b"]\n', b"FROM scratch\nRUN a b\n"),
        (b"FROM scratch\nCOPY <<EOF /x\na\nEOF\n", b"FROM scratch\nCOPY <<EOF /x\nb\nEOF\n"),
        (b"FROM scratch\nCOPY <<EOF /x\n$a\nEOF\n", b'FROM scratch\nCOPY <<"EOF" /x\n$a\nEOF\n'),
        (b"FROM scratch\nCOPY <<EOF /x\n\ta\nEOF\n", b"FROM scratch\nCOPY <<-EOF /x\n\ta\nEOF\n"),
        (b"FROM scratch\nENV A=`b\n", b"# escape=`\nFROM scratch\nENV A=`b\n"),
        (b"FROM scratch\nENV A=b\n", b"# syntax=docker/dockerfile:1\nFROM scratch\nENV A=b\n"),
        (b"FROM scratch\nENV A b=c\n", b"FROM scratch\nENV A=b=c d=e\n"),
        (b"FROM scratch\nONBUILD COPY a /\n", b"FROM scratch\nONBUILD COPY b /\n"),
        (b"ARG G=1\nFROM scratch\nARG G\n", b"ARG G=2\nFROM scratch\nARG G\n"),
        (b"ARG G=1\nARG H=$G\nFROM scratch\nARG H\n", b"ARG G=2\nARG H=$G\nFROM scratch\nARG H\n"),
        (b"FROM scratch AS a\nARG TARGETSTAGE\n", b"FROM scratch AS b\nARG TARGETSTAGE\n"),
        (TWO + b"FROM scratch\nCOPY --from=a / /a/\n", SWAPPED + b"FROM scratch\nCOPY --from=a / /a/\n"),
        (TWO + MOUNTS, SWAPPED + MOUNTS),
        (TWO + TRIGGER, SWAPPED + TRIGGER),
        (b"FROM debian:12 AS d\nFROM scratch\nCOPY --from=d / /\n",
         b"FROM debian:12 AS d\nLABEL a=b\nFROM scratch\nCOPY --from=d / /\n"),
        (b"FROM scratch AS d\nLABEL a=b\n", b"FROM scratch AS e\nLABEL a=c\nFROM scratch\nLABEL a=d\n"),
        (b"FROM --platform=linux/arm64 scratch\nLABEL a=1\n", b"FROM scratch\nLABEL a=1\n"),
    ],
)  # fmt: skip
def test_what_buildkit_tells_apart_stays_apart(text: bytes, other: bytes) -> None:
    assert id_of(text) != id_of(other)


@pytest.mark.parametrize(
    ("text", "args", "moves"),
    [
        (b"FROM scratch\nARG WHO=me\n", {"WHO": "you"}, False),
        (b"FROM scratch\nARG WHO=me\n", {}, True),
        (b"ARG WHO=me\nFROM scratch\nARG WHO\n", {"WHO": "you"}, False),
        (b"ARG WHO=me\nFROM scratch\nARG WHO\n", {}, True),
    ],
)
def test_a_default_counts_where_nothing_else_is_given(text: bytes, args: dict[str, str], moves: bool) -> None:
    other = text.replace(b"WHO=me", b"WHO=them")
    assert (id_of(text, args=args) != id_of(other, args=args)) == moves


def test_another_frontend_may_read_a_comment() -> None:
    text = b"# syntax=example.org/their/own:1\nFROM scratch\n"
    assert id_of(text) != id_of(text + b"# include common.inc\n")
    known = text.replace(b"example.org/their/own:1", b"docker.io/docker/dockerfile:1.7-labs")
    assert id_of(known) == id_of(known + b"# include common.inc\n")


def test_the_dockerfile_s_place_and_name_are_not_in_the_recipe() -> None:
    recipe = recipe_of(Case("case", HEAD))
    assert (recipe.dockerfile, recipe.own_files) == ("Dockerfile", ("Dockerfile",))
    assert b"Dockerfile" not in recipe.canonical()


@pytest.mark.parametrize("case", [*CASES, *RECORDED], ids=str)
def test_other_texts_of_the_corpus_that_say_the_same(case: Case) -> None:
    recipe = recipe_of(case)
    in_image = any(file.path in recipe.own_files for file in recipe.files)  # then its bytes are
    for number in range(3):
        other = rewritten(case, Random(f"{case.name} {number}"))
        assert in_image or recipe_of(other).id == recipe.id, other.dockerfile.decode()
