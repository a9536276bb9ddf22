"""What an image takes from its repository outside its context: paths from the top, files from elsewhere, args."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from imageyard.catalogue import text
from imageyard.catalogue.arg_files import from_files
from imageyard.catalogue.expand import expand
from imageyard.catalogue.lock import Lock
from imageyard.catalogue.model import Row
from imageyard.errors import ConfigurationError
from imageyard.recipe.model import Recipe
from imageyard.recipe.recipe import Recipes
from imageyard.recipe.words import changes
from imageyard.tree import DictTree
from support.stand_ins import PinnedStandIns

Files = Mapping[str, bytes]

FILE = ".ci/docker/images.yml"
FILES: Files = {
    ".ci/docker/Dockerfile": b"FROM scratch\nCOPY . /all/\n",
    ".ci/docker/own.txt": b"own",
    ".ci/docker/images.lock": b"",
    "ci.Dockerfile": b"FROM scratch\nARG V\nCOPY *.txt /x/\n",
    "context/a.txt": b"a",
    "context/b.txt": b"b",
    "context/d/c.txt": b"c",
    "requirements.txt": b"lint",
    "third_party/lib/x.h": b"x",
    "third_party/lib/y.h": b"y",
    "pins/v.txt": b"1.2\n",
}


def recipes_of(fields: str, files: Files = FILES, top: str = "") -> Recipes:
    """The recipes of one image, `linux-x`, of a repository with these files."""
    source = f"{top}\naxes: {{plain: {{linux, x}}}}\nimages: {{f: {{{fields}, names: {{linux-x: }}}}}}\n"
    whole = DictTree({**files, FILE: source.encode()})
    args = from_files(files, ".ci/docker")
    catalogue = expand(text.parse(source.encode(), FILE), FILE, ".ci/docker", files=args).catalogue
    return Recipes(catalogue, whole.sub, Lock({}), PinnedStandIns(""))


def row_of(recipes: Recipes) -> Row:
    return recipes.catalogue.rows[0]


def recipe_of(fields: str, files: Files = FILES) -> Recipe:
    recipes = recipes_of(fields, files)
    return recipes.of(row_of(recipes))


def refused(fields: str, files: Files = FILES, top: str = "") -> ConfigurationError:
    with pytest.raises(ConfigurationError) as found:
        tag_of(fields, files, top)
    return found.value


def tag_of(fields: str, files: Files, top: str) -> str:
    recipes = recipes_of(fields, files, top)
    return recipes.tag(row_of(recipes))


@pytest.mark.parametrize(
    ("fields", "own", "files"),
    [
        ("dockerfile: Dockerfile", ["Dockerfile"], ["Dockerfile", "own.txt"]),
        ("dockerfile: /.ci/docker/Dockerfile", ["Dockerfile"], ["Dockerfile", "own.txt"]),
        ("context: /context, dockerfile: /ci.Dockerfile", ["/ci.Dockerfile"], ["a.txt", "b.txt"]),
        ("context: /context/d, dockerfile: /ci.Dockerfile", ["/ci.Dockerfile"], ["c.txt"]),
        ("context: /, dockerfile: ci.Dockerfile", ["ci.Dockerfile"], ["requirements.txt"]),
        ("context: /, dockerfile: /ci.Dockerfile", ["ci.Dockerfile"], ["requirements.txt"]),
        (
            "context: /context, dockerfile: /ci.Dockerfile, files: {r.txt: /requirements.txt}",
            ["/ci.Dockerfile"],
            ["a.txt", "b.txt", "r.txt"],
        ),
        (
            "dockerfile: Dockerfile, files: {vendor/lib: /third_party/lib}",
            ["Dockerfile"],
            ["Dockerfile", "own.txt", "vendor/lib/x.h", "vendor/lib/y.h"],
        ),
        (
            "context: /context, files: {Dockerfile: /ci.Dockerfile}, dockerfile: Dockerfile",
            ["Dockerfile"],
            ["a.txt", "b.txt"],
        ),
    ],
)
def test_where_files_are_found(fields: str, own: list[str], files: list[str]) -> None:
    recipe = recipe_of(fields)
    assert list(recipe.own_files) == own
    assert [file.path for file in recipe.files] == files


def test_a_named_context_may_count_from_the_top() -> None:
    dockerfile = b"FROM scratch\nCOPY --from=lib x.h /\n"
    files = {**FILES, "ci.Dockerfile": dockerfile, "third_party/lib/.dockerignore": b"y.h"}
    recipe = recipe_of("context: /context, dockerfile: /ci.Dockerfile, contexts: {lib: /third_party/lib}", files)
    assert [file.path for file in recipe.files] == ["lib//x.h"]


def test_where_a_file_comes_from_is_no_part_of_the_recipe() -> None:
    elsewhere = recipe_of("context: /context, dockerfile: /ci.Dockerfile, files: {r.txt: /requirements.txt}")
    copied = recipe_of("context: /context, dockerfile: ci.Dockerfile", {
        **FILES, "context/r.txt": FILES["requirements.txt"], "context/ci.Dockerfile": FILES["ci.Dockerfile"]
    })  # fmt: skip
    assert elsewhere.id == copied.id


@pytest.mark.parametrize(
    ("ignores", "files"),
    [
        ({}, ["a.txt", "b.txt"]),
        ({"context/.dockerignore": b"a.txt"}, ["b.txt"]),
        ({"ci.Dockerfile.dockerignore": b"b.txt"}, ["a.txt"]),
        ({"ci.Dockerfile.dockerignore": b"b.txt", "context/.dockerignore": b"a.txt"}, ["a.txt"]),
        ({"ci.Dockerfile.dockerignore": b"", "context/.dockerignore": b"a.txt"}, ["a.txt", "b.txt"]),
        ({"context/ci.Dockerfile.dockerignore": b"b.txt"}, ["a.txt", "b.txt"]),
        ({".dockerignore": b"a.txt"}, ["a.txt", "b.txt"]),
    ],
)
def test_the_ignore_file_of_a_dockerfile_is_beside_it(ignores: Files, files: list[str]) -> None:
    recipe = recipe_of("context: /context, dockerfile: /ci.Dockerfile", {**FILES, **ignores})
    assert [file.path for file in recipe.files] == files


def test_files_from_elsewhere_are_ignored_like_any_other() -> None:
    files = {**FILES, "context/.dockerignore": b"*\n!r.txt"}
    recipe = recipe_of("context: /context, dockerfile: /ci.Dockerfile, files: {r.txt: /requirements.txt}", files)
    assert [file.path for file in recipe.files] == ["r.txt"]


@pytest.mark.parametrize(
    ("fields", "headline"),
    [
        ("dockerfile: /gone", "there is no Dockerfile gone"),
        ("context: /context, dockerfile: /gone", "there is no Dockerfile gone"),
        ("context: /context, dockerfile: ci.Dockerfile", "ci.Dockerfile is not in the build context"),
        ("dockerfile: Dockerfile, files: {x: /gone}", "nothing at /gone for x"),
        ("dockerfile: Dockerfile, files: {x: gone}", "does not begin with a slash"),
        ("dockerfile: Dockerfile, files: {x: /}", "is a folder, not a file"),
        ("dockerfile: Dockerfile, files: {x: /../x}", "leaves the folder"),
        ("dockerfile: Dockerfile, context: /../x", "leaves the folder"),
        ("dockerfile: Dockerfile, files: {own.txt: /requirements.txt}", "own.txt and own.txt"),
        ("dockerfile: Dockerfile, files: {own.txt/x: /requirements.txt}", "own.txt/x and own.txt"),
        ("dockerfile: Dockerfile, files: {a: /requirements.txt, a/b: /pins/v.txt}", "a and a/b"),
        ("dockerfile: Dockerfile, files: {y: /.ci/docker/images.yml}", "nothing at /.ci/docker/images.yml"),
    ],
)
def test_what_is_refused(fields: str, headline: str) -> None:
    error = refused(fields)
    assert headline in error.headline
    assert error.at is None or str(error.at).startswith(FILE)


def test_an_error_in_a_dockerfile_names_its_place_in_the_repository() -> None:
    files = {**FILES, "ci.Dockerfile": b"FROM scratch\nCOPY gone /\n"}
    assert str(refused("context: /context, dockerfile: /ci.Dockerfile", files).at) == "ci.Dockerfile:2"


ARGS = "context: /context, dockerfile: /ci.Dockerfile, args: {V: %s}"


@pytest.mark.parametrize(
    ("value", "content", "read"),
    [
        ('"file:/pins/v.txt"', b"1.2\n", "1.2"),
        ('"file:/pins/v.txt"', b"1.2", "1.2"),
        ('"file:/pins/v.txt"', b"1.2\r\n", "1.2"),
        ('"file:/pins/v.txt"', b" a  b ", " a  b "),
        ('"file:/pins/v.txt"', b"{image}\n", "{image}"),
        ('"file:/pins/{V_FILE}.txt", V_FILE: v', b"3\n", "3"),
        ('"{OTHER}-x", OTHER: "file:/pins/v.txt"', b"3\n", "3-x"),
        ('"file:///wheels"', b"", "file:///wheels"),
    ],
)
def test_an_arg_is_the_line_of_a_file(value: str, content: bytes, read: str) -> None:
    recipe = recipe_of(
        ARGS % value, {**FILES, "pins/v.txt": content, "ci.Dockerfile": b"FROM scratch\nARG V OTHER V_FILE\n"}
    )
    assert recipe.build_args["V"] == read


def test_a_path_without_a_slash_counts_from_the_catalogues_folder() -> None:
    recipe = recipe_of(ARGS % '"file:pins/v"', {**FILES, ".ci/docker/pins/v": b"7\n"})
    assert (recipe.args["V"], recipe.arg_files) == ("7", {"V": ".ci/docker/pins/v"})


@pytest.mark.parametrize(
    ("value", "content", "headline"),
    [
        ("file:/pins/gone", b"", "there is no file pins/gone"),
        ("file:/pins/v.txt", b"", "pins/v.txt has no line"),
        ("file:/pins/v.txt", b"\n", "pins/v.txt has no line"),
        ("file:/pins/v.txt", b"1\n2\n", "pins/v.txt has 2 lines"),
        ("file:/pins/v.txt", b"1\n\n", "pins/v.txt has 2 lines"),
        ("file:/pins/v.txt", b"\xff\n", "pins/v.txt is not UTF-8"),
        ("file:/pins/v.txt", b"a\x07b", "cannot hold the character U+0007"),
        ("file:/../v", b"", "leaves the folder"),
        ("file:", b"", "is a folder, not a file"),
        ("file:/", b"", "is a folder, not a file"),
    ],
)
def test_an_arg_of_a_file_that_holds_no_line(value: str, content: bytes, headline: str) -> None:
    error = refused(ARGS % f'"{value}"', {**FILES, "pins/v.txt": content})
    assert headline in error.headline
    assert str(error.at).startswith(f"{FILE}:3:")


def test_a_moved_pin_is_named_where_it_stands() -> None:
    fields = ARGS % '"file:/pins/v.txt"'
    before, after = recipe_of(fields), recipe_of(fields, {**FILES, "pins/v.txt": b"1.3\n"})
    assert changes(before, after) == ["V: 1.2 -> 1.3 (from pins/v.txt)"]


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ("dockerfile: /ci.Dockerfile", "dockerfile"),
        ("dockerfile: Dockerfile, files: {x: /requirements.txt}", "files, x"),
        ("dockerfile: Dockerfile, contexts: {lib: /third_party/lib}", "contexts, lib"),
        ('dockerfile: Dockerfile, args: {V: "file:/pins/v.txt"}', "args, V"),
    ],
)
def test_a_tag_of_a_tree_holds_nothing_outside_it(fields: str, what: str) -> None:
    files = {**FILES, ".ci/docker/Dockerfile": b"FROM scratch\nARG V\n"}
    assert f"{what} is outside its context" in refused(fields, files, top="tag: tree").headline


def test_every_image_is_asked_for_its_own_files_though_they_share_a_dockerfile() -> None:
    fields = "context: /context, dockerfile: /ci.Dockerfile"
    names = '{linux-x: {args: {V: "file:/pins/v.txt"}}, linux-y: {args: {V: "file:/pins/ignored.txt"}}}'
    source = f"axes: {{plain: {{linux, x, y}}}}\nimages: {{f: {{{fields}, names: {names}}}}}\n"
    args = from_files({**FILES, "pins/ignored.txt": b"1\n"}, ".ci/docker")
    catalogue = expand(text.parse(source.encode(), FILE), FILE, ".ci/docker", files=args).catalogue
    recipes = Recipes(catalogue, DictTree({**FILES, FILE: source.encode()}).sub, Lock({}), PinnedStandIns(""))
    seen, ignored = recipes.catalogue.rows
    assert recipes.of(seen).args == {"V": "1.2"}
    with pytest.raises(
        ConfigurationError, match=r"pins/ignored\.txt, which the arg V is read from, is no file that git"
    ):
        recipes.of(ignored)
