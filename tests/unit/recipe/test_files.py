"""Which files a COPY takes: what BuildKit 0.25 did with forms of `--parents` is in golden/copy-parents.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from imageyard.errors import ConfigurationError
from imageyard.recipe.dockerfile.evaluate import FileUse
from imageyard.recipe.dockerfile.fault import Fault
from imageyard.recipe.files import Shelf
from imageyard.treebase import DictTree, Link
from support.sealed.corpus import Case, Content, recipe_of
from support.sealed.parents import CASES, CONTEXT, REFUSED

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "copy-parents.json").read_text("utf-8"))


def taken(dockerfile: str, context: Mapping[str, Content]) -> list[str]:
    """The files of the recipe, the Dockerfile aside."""
    recipe = recipe_of(Case("case", f"FROM scratch\n{dockerfile}\n".encode(), context))
    return [file.path for file in recipe.files if file.path != "Dockerfile"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_parents_as_recorded(case: Case) -> None:
    record = GOLDEN[case.name]
    files = [file.path for file in recipe_of(case).files]
    assert files == record["files"]
    assert {text for text in record["image"].values() if text in CONTEXT and text not in _links()} <= set(files)


def _links() -> set[str]:
    """Where the links of the context point to: in an image that looks like a file's bytes."""
    return {content.text for content in CONTEXT.values() if isinstance(content, Link)}


@pytest.mark.parametrize("form", REFUSED)
def test_parents_that_are_refused(form: str) -> None:
    with pytest.raises(ConfigurationError):
        taken(f"COPY --parents {form} /to/", CONTEXT)


PACKAGES: Mapping[str, Content] = {"packages/one/json": b"1", "packages/two/json": b"2", "packages/notes": b"n"}


def test_a_file_that_stands_among_the_folders_of_a_pivot_is_not_sent() -> None:
    assert taken("COPY --parents packages/*/./json /to/", PACKAGES) == ["packages/one/json", "packages/two/json"]


def test_a_file_that_another_line_sends_there_is_refused() -> None:
    """BuildKit would copy it too, and not see that it changed."""
    with pytest.raises(ConfigurationError, match="matches packages/notes, which is no folder"):
        taken("COPY packages /all/\nCOPY --parents packages/*/./json /to/", PACKAGES)


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("--exclude=b .", ["a", "b/c", "in/l", "l"]),
        ("--exclude=b /", ["a", "b/c", "in/l", "l"]),
        ("--exclude=b --exclude=l .", ["a", "in/l"]),
        ("--exclude=x in", ["in/l"]),
        ("--exclude=x in/", ["in/l"]),
    ],
)
def test_what_links_right_in_the_context_lead_to_is_read_where_some_of_it_is_excluded(
    source: str, files: list[str]
) -> None:
    context = {"a": b"", "b/c": b"", "l": Link("b"), "in/l": Link("../b"), "Dockerfile.dockerignore": b"Docker*"}
    assert taken(f"COPY {source} /to/", context) == files


def test_such_a_link_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="l is not in the build context"):
        taken("COPY --exclude=b . /to/", {"a": b"", "l": Link("gone")})


FEW = {"folder/some.txt": b"", "folder/other.txt": b"", "elsewhere/name.txt": b""}
MANY = {f"many/d{number}/f{number}": b"" for number in range(3000)}


@pytest.mark.parametrize("beside", [{}, MANY], ids=["few files", "many files"])
@pytest.mark.parametrize(
    ("path", "meant"),
    [("folder/smoe.txt", "folder/some.txt"), ("elsewher/name.txt", "elsewhere/name.txt"), ("foldr", "folder")],
)
def test_a_path_that_is_not_there_gets_the_nearest(path: str, meant: str, beside: dict[str, bytes]) -> None:
    shelf = Shelf(DictTree({**FEW, **beside}))
    with pytest.raises(Fault) as caught:
        shelf.take(FileUse(1, path, wildcards=True))
    assert caught.value.hint == f"did you mean {meant!r}?"


@pytest.mark.parametrize("pattern", ["a/[", "no*/[b-", "*\\"])
def test_a_malformed_pattern_is_refused_whatever_is_there(pattern: str) -> None:
    with pytest.raises(Fault, match="syntax error in pattern"):
        Shelf(DictTree({"a/b": b""})).take(FileUse(1, pattern, wildcards=True))
