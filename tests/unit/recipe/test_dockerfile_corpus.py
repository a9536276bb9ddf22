"""Dockerfiles that are refused: one file each, with the line, the words and the hint that a person gets beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.catalogue import text
from imageyard.catalogue.expand import expand
from imageyard.catalogue.lock import Lock
from imageyard.errors import ConfigurationError, exit_code
from imageyard.recipe.recipe import Recipe, Recipes
from imageyard.tree import DictTree, Link
from support.stand_ins import PinnedStandIns

CORPUS = Path(__file__).parents[2] / "corpus" / "dockerfiles"
CASES = sorted(path.stem for path in CORPUS.glob("*.Dockerfile"))

CATALOGUE = b"""\
axes: {plain: {linux}}
images: {f: {dockerfile: Dockerfile, arches: [amd64], names: {linux: ~}}}
"""

CONTEXT: dict[str, bytes | Link] = {
    "a.txt": b"a",
    "common/install.sh": b"#!/bin/sh\n",
    "link-out": Link("../secrets.txt"),
    "circle": Link("circle"),
    "dangling": Link("nowhere"),
}

CATALOGUE_OF_ONE = expand(text.parse(CATALOGUE, "images.yml")).catalogue


def recipe_of(dockerfile: bytes) -> Recipe:
    tree = DictTree({**CONTEXT, "Dockerfile": dockerfile})
    recipes = Recipes(CATALOGUE_OF_ONE, lambda context: tree, Lock(), PinnedStandIns())
    return recipes.of(CATALOGUE_OF_ONE.rows[0])


def refusal(dockerfile: bytes) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        recipe_of(dockerfile)
    return caught.value


def test_the_corpus_is_there() -> None:
    assert len(CASES) >= 60
    assert {path.stem for path in CORPUS.glob("*.expect")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_bad_dockerfile_is_refused_with_line_and_words(name: str) -> None:
    line, headline, *hint = (CORPUS / f"{name}.expect").read_text().splitlines()

    error = refusal((CORPUS / f"{name}.Dockerfile").read_bytes())

    assert exit_code(error) == 2
    assert error.at == f"Dockerfile:{line.removeprefix('line ')}"
    assert headline in error.headline
    assert all(any(expected in given for given in error.hint) for expected in hint)
    assert error.doing == "working out the recipe of linux for amd64"


@pytest.mark.parametrize(
    ("data", "at", "headline"),
    [
        (b"FROM scratch\n# \xff\n", "Dockerfile:2", "the file is not UTF-8"),
        (b"\xff\xfeF\x00R\x00O\x00M\x00", "Dockerfile:1", "the file holds NUL bytes"),
        (b"\xef\xbb\xbf\x7fELF\x02\x00\x00", "Dockerfile:1", "the file holds NUL bytes"),
        (b"FROM scratch\nRUN a\x00b\n", "Dockerfile:2", "the file holds NUL bytes"),
        (b"\x89PNG\r\n\x1a\n", "Dockerfile:1", "the file is not UTF-8"),
        (b"FROM scratch\n" + b"# x\n" * 2_500_000, "Dockerfile:1", "a Dockerfile of 10000013 bytes"),
        (b"FROM scratch\nRUN " + b"x" * 70_000 + b"\n", "Dockerfile:2", "a line is longer than 65535 bytes"),
        (b"", "Dockerfile:1", "the file has no instructions"),
        (b"\r\n\r\n", "Dockerfile:2", "the file has no instructions"),
        (b"FROM scratch\r\nCOPPY a.txt /\r\n", "Dockerfile:2", "unknown instruction: COPPY"),
        (b"\xef\xbb\xbfCOPPY a.txt /\n", "Dockerfile:1", "unknown instruction: COPPY"),
        (b"FROM scratch\n\xef\xbb\xbfCOPY a.txt /\n", "Dockerfile:2", "unknown instruction"),
        (b"FROM scratch\n" * 20_000 + b"COPY --from=" + b"9" * 5000 + b" a b\n", "Dockerfile:20001", "no such stage"),
        (b"FROM scratch\nCOPY " + b"[" * 5000 + b" /\n", "Dockerfile:2", "syntax error in pattern"),
        (b"FROM scratch\nCOPY [" + b"[" * 20_000 + b"]\n", "Dockerfile:2", "requires at least two arguments"),
        (b"FROM scratch\nWORKDIR " + b"${X:-" * 5000 + b"\n", "Dockerfile:2", "nested"),
        (b"FROM " + b"a" * 5000 + b"\n", "Dockerfile:1", "is no image reference"),
    ],
)
def test_large_and_odd_files_are_refused(data: bytes, at: str, headline: str) -> None:
    error = refusal(data)

    assert error.at == at
    assert headline in error.headline
    assert len(str(error)) < 2000


@pytest.mark.parametrize(
    "data",
    [
        b"FROM scratch\r\nCOPY a.txt \\\r\n  common/install.sh /\r\n",
        b"\xef\xbb\xbfFROM scratch\nCOPY a.txt common/install.sh /\n",
        b"\xef\xbb\xbf# escape=`\r\nFROM scratch\r\nCOPY a.txt `\r\n  common/install.sh /\r\n",
        b"FROM scratch\nCOPY a.txt \\\n# why\n\n  common/install.sh \\\n /",
    ],
)
def test_line_ends_and_byte_order_marks_that_buildkit_takes(data: bytes) -> None:
    assert [file.path for file in recipe_of(data).files] == ["a.txt", "common/install.sh"]


PIECES = st.sampled_from(
    [
        "FROM", "COPY", "ADD", "RUN", "ARG", "ENV", "ONBUILD", "WORKDIR", "scratch", "AS", "a", "b", "a.txt", "/", " ",
        "\n", "\\\n", "\r\n", "\t", "--from=", "--mount=", "type=bind,source=", "from=", "=", "$X", "${X", "}", ":-",
        '"', "'", "\\", "`", "# escape=`\n", "#", "<<EOF", "EOF\n", "[", "]", ",", "{", "*", "?", "..", "é", "\ufeff",
        "\u00a0", "\x85", "\x1c", "0", "https://x/y", "git@h:p", "--exclude=", "--parents", "\U0001f40b",
    ]
)  # fmt: skip


def outcome(dockerfile: bytes) -> Recipe | ConfigurationError:
    try:
        return recipe_of(dockerfile)
    except ConfigurationError as error:
        return error


@given(st.one_of(st.lists(PIECES, max_size=40).map("".join), st.text(max_size=200)), st.booleans())
def test_any_text_is_a_recipe_or_an_error_for_a_person(dockerfile: str, begun: bool) -> None:
    data = (("FROM scratch\n" if begun else "") + dockerfile).encode()

    found = outcome(data)

    if isinstance(found, Recipe):
        assert found.id == recipe_of(data).id
    else:
        assert found.headline
        assert (found.at or "").startswith("Dockerfile:")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_recipe_or_an_error_for_a_person(data: bytes) -> None:
    found = outcome(b"FROM scratch\n" + data)

    assert found.instructions if isinstance(found, Recipe) else (found.at or "").startswith("Dockerfile:")
