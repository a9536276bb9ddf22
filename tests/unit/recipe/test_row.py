"""A row's recipe: what is in it, what is not, and the tag that follows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import pytest
from imageyard.catalogue import text
from imageyard.catalogue.expand import expand
from imageyard.catalogue.lock import Lock, parse
from imageyard.catalogue.model import Catalogue, Row
from imageyard.errors import ConfigurationError
from imageyard.recipe.model import from_canonical
from imageyard.recipe.recipe import File, Recipes, Source
from imageyard.recipe.words import changes
from imageyard.tree import DictTree, Link
from support.stand_ins import PinnedStandIns

DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"
LOCK = f"debian:bookworm-slim@{DIGEST}  # 2026-01-02\n"

CATALOGUE = """\
registry: registry.example/ci
defaults: {arches: [amd64, arm64]}
axes:
  python: {"py{3.11,3.13}": {PYTHON_VERSION: "{}"}}
  plain: {linux, base}
images:
  base:
    dockerfile: base.Dockerfile
    args: {BASE: "debian:bookworm-slim"}
    names:
      linux-base:
  python:
    dockerfile: Dockerfile
    args: {BASE: "image:linux-base"}
    names:
      linux-py{3.11,3.13}:
"""

FILES: dict[str, bytes | tuple[bytes, bool] | Link] = {
    "base.Dockerfile": b"ARG BASE\nFROM ${BASE}\nCOPY common/base.sh /\nRUN /base.sh\n",
    "Dockerfile": b"ARG BASE\nFROM ${BASE}\nARG PYTHON_VERSION\nCOPY common/python.sh /\nRUN /python.sh\n",
    "other.Dockerfile": b"ARG OTHER\nFROM ${OTHER}\nARG PYTHON_VERSION\n",
    "common/base.sh": (b"#!/bin/sh\n", True),
    "common/python.sh": (b"#!/bin/sh\necho python\n", True),
    "common/unused.sh": (b"#!/bin/sh\n", True),
}


def catalogue_of(source: str = CATALOGUE, set_args: Mapping[str, str] | None = None) -> Catalogue:
    return expand(text.parse(source.encode(), "images.yml"), overrides=set_args or {}).catalogue


def recipes_of(
    source: str = CATALOGUE,
    files: Mapping[str, bytes | tuple[bytes, bool] | Link] = FILES,
    lock: str = LOCK,
    standins: str = "",
    set_args: Mapping[str, str] | None = None,
    **more: object,
) -> Recipes:
    catalogue = catalogue_of(source, set_args)
    tree = DictTree(files)
    return Recipes(
        catalogue,
        lambda context: tree,
        parse(lock),
        PinnedStandIns(standins),
        set_args,
        **more,  # type: ignore[arg-type]
    )


def row_of(recipes: Recipes, name: str, arch: str = "amd64") -> Row:
    return next(row for row in recipes.catalogue.rows if (row.name, row.arch) == (name, arch))


def test_a_recipe_holds_what_decides_the_row() -> None:
    recipes = recipes_of()
    recipe = recipes.of(row_of(recipes, "linux-base", "arm64"))

    assert recipe.platform == "linux/arm64"
    assert recipe.dockerfile == "base.Dockerfile"
    assert recipe.args == {}, "which image a FROM names stands among the sources"
    assert recipe.build_args == {"BASE": "debian:bookworm-slim"}
    assert recipe.sources == (Source("debian:bookworm-slim", "locked", DIGEST),)
    assert recipe.files == (File("common/base.sh", "exec", hashlib.sha256(b"#!/bin/sh\n").hexdigest()),)
    assert recipe.own_files == ("base.Dockerfile",)
    assert not recipe.local
    assert recipe.unpinned == ()


def test_the_id_is_the_sha256_of_sorted_json_without_blanks() -> None:
    recipes = recipes_of()
    recipe = recipes.of(row_of(recipes, "linux-base"))
    record = json.loads(recipe.canonical())

    assert recipe.id == hashlib.sha256(recipe.canonical()).hexdigest()
    assert recipe.canonical() == json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    assert list(record) == sorted(record)
    assert record["v"] == 2


def test_a_tag_is_the_name_and_20_hex_of_the_id() -> None:
    recipes = recipes_of()
    row = row_of(recipes, "linux-py3.11")

    assert recipes.tag(row) == f"linux-py3.11-{recipes.of(row).id[:20]}"


def test_a_parent_stands_in_a_recipe_by_its_recipe() -> None:
    recipes = recipes_of()
    row, parent = row_of(recipes, "linux-py3.11", "arm64"), row_of(recipes, "linux-base", "arm64")
    recipe = recipes.of(row)

    assert recipe.sources == (Source("linux-base", "parent", recipes.of(parent).id),)
    assert recipe.args == {"PYTHON_VERSION": "3.11"}
    assert recipe.build_args == {"BASE": "linux-base", "PYTHON_VERSION": "3.11"}
    assert recipes.parent_rows(row) == (parent,)


@pytest.mark.parametrize(
    ("source", "files", "same"),
    [
        (CATALOGUE, FILES, {"linux-base", "linux-py3.11", "linux-py3.13"}),
        (
            CATALOGUE.replace(
                "  python:\n    docker", "  python:\n    per_arch: {arm64: {args: {PYTHON_VERSION: 3}}}\n    docker"
            ),
            FILES,
            {"linux-base"},
        ),
        (
            CATALOGUE.replace(
                "  base:\n    docker", "  base:\n    per_arch: {arm64: {args: {BASE: scratch}}}\n    docker"
            ),
            FILES,
            set(),
        ),
        (
            CATALOGUE,
            {
                **FILES,
                "Dockerfile": b"ARG BASE\nFROM ${BASE}\nARG PYTHON_VERSION TARGETARCH\nCOPY common/$TARGETARCH.sh /\n",
                "common/amd64.sh": b"",
                "common/arm64.sh": b"",
            },
            {"linux-base"},
        ),
    ],
    ids=["nothing but the platform", "an argument", "an argument of the parent", "a file"],
)
def test_the_inputs_of_rows_that_differ_in_their_platform_alone_are_the_same(
    source: str, files: Mapping[str, bytes | tuple[bytes, bool] | Link], same: set[str]
) -> None:
    recipes = recipes_of(source, files)
    for name in ("linux-base", "linux-py3.11", "linux-py3.13"):
        amd64, arm64 = (recipes.of(row_of(recipes, name, arch)) for arch in ("amd64", "arm64"))
        assert amd64.id != arm64.id
        assert (amd64.inputs == arm64.inputs) is (name in same), name


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("common/base.sh", {"linux-base", "linux-py3.11", "linux-py3.13"}),
        ("base.Dockerfile", {"linux-base", "linux-py3.11", "linux-py3.13"}),
        ("common/python.sh", {"linux-py3.11", "linux-py3.13"}),
        ("common/unused.sh", set()),
        ("images.yml", set()),
        ("images.lock", set()),
        ("imageyard/errors.py", set()),
    ],
)
def test_a_file_changes_the_tags_of_its_images_and_their_children(path: str, changed: set[str]) -> None:
    before, after = recipes_of(), recipes_of(files={**FILES, path: b"# touched\nFROM scratch\n"})
    if path.endswith("Dockerfile"):
        after = recipes_of(files={**FILES, path: FILES[path] + b"# touched\nLABEL touched=yes\n"})  # type: ignore[operator]

    assert {row.name for row in before.catalogue.rows if before.tag(row) != after.tag(row)} == changed


def test_an_index_tag_is_a_hash_of_its_row_tags() -> None:
    recipes = recipes_of()
    image = recipes.catalogue.images["linux-base"]
    rows = sorted(recipes.tag(row) for row in recipes.catalogue.rows if row.name == "linux-base")

    assert recipes.index_tag(image) == f"linux-base-{hashlib.sha256(chr(10).join(rows).encode()).hexdigest()[:20]}"


def test_an_image_of_one_architecture_has_its_row_tag_only() -> None:
    recipes = recipes_of(CATALOGUE.replace("[amd64, arm64]", "[amd64]"))

    assert recipes.index_tag(recipes.catalogue.images["linux-base"]) == recipes.tag(row_of(recipes, "linux-base"))


@pytest.mark.parametrize(
    ("lock", "standins", "source", "local", "unpinned"),
    [
        (LOCK, "", ("locked", DIGEST), False, ()),
        (LOCK, f"debian:bookworm-slim@{OTHER}\n", ("locked", DIGEST), False, ()),
        (f"docker.io/library/debian:bookworm-slim@{DIGEST}\n", "", ("locked", DIGEST), False, ()),
        ("", f"debian:bookworm-slim@{OTHER}\n", ("standin", OTHER), True, ()),
        ("", "", ("unlocked", "debian:bookworm-slim"), False, ("debian:bookworm-slim is not locked",)),
    ],
)
def test_a_base_is_bound_to_a_lock_a_standin_or_nothing(
    lock: str, standins: str, source: tuple[str, str], local: bool, unpinned: tuple[str, ...]
) -> None:
    recipes = recipes_of(lock=lock, standins=standins)
    recipe = recipes.of(row_of(recipes, "linux-base"))

    assert [(each.kind, each.value) for each in recipe.sources] == [source]
    assert recipe.local == local
    assert recipe.unpinned == unpinned
    child = row_of(recipes, "linux-py3.11")
    assert recipes.tag(child).endswith("-local") == local


def test_set_changes_the_rows_that_declare_it_and_marks_them_local() -> None:
    plain, changed = recipes_of(), recipes_of(set_args={"PYTHON_VERSION": "3.12"})
    base, child = row_of(plain, "linux-base"), row_of(plain, "linux-py3.11")

    assert changed.tag(base) == plain.tag(base)
    assert changed.of(child).args["PYTHON_VERSION"] == "3.12"
    assert changed.tag(child) != plain.tag(child)
    assert changed.tag(child).endswith("-local")


def test_set_of_a_parent_argument_takes_another_base() -> None:
    recipes = recipes_of(set_args={"BASE": "debian:bookworm-slim"})
    row = row_of(recipes, "linux-py3.11")

    assert recipes.of(row).sources == (Source("debian:bookworm-slim", "locked", DIGEST),)
    assert recipes.parent_rows(row) == ()


def test_set_of_a_parent_argument_takes_another_parent() -> None:
    plain = recipes_of(DEPENDENT)
    recipes = recipes_of(DEPENDENT, set_args={"OTHER": "image:linux-base"})
    row = row_of(plain, "linux-other")

    assert plain.parent_rows(row) == ()
    assert [parent.name for parent in recipes.parent_rows(row)] == ["linux-base"]
    assert recipes.tag(row).endswith("-local")


DEPENDENT = (
    CATALOGUE.replace("linux, base", "linux, base, other")
    + """\
  other:
    dockerfile: other.Dockerfile
    args: {OTHER: "debian:{SUITE}-slim", SUITE: bookworm}
    names:
      linux-other:
"""
)


def test_what_depends_on_a_set_argument_follows() -> None:
    plain, changed = recipes_of(DEPENDENT), recipes_of(DEPENDENT, set_args={"SUITE": "trixie"})
    row = row_of(plain, "linux-other")

    assert changed.of(row).build_args["OTHER"] == "debian:trixie-slim"
    assert changed.of(row).sources == (Source("debian:trixie-slim", "unlocked", "debian:trixie-slim"),)
    assert changed.tag(row).endswith("-local")
    assert changed.tag(row_of(plain, "linux-base")) == plain.tag(row_of(plain, "linux-base"))


def test_set_of_an_argument_that_only_the_dockerfile_has() -> None:
    plain, changed = recipes_of(DEPENDENT), recipes_of(DEPENDENT, set_args={"PYTHON_VERSION": "3.12"})
    row = row_of(plain, "linux-other")

    assert "PYTHON_VERSION" not in plain.of(row).args
    assert changed.of(row).args["PYTHON_VERSION"] == "3.12"
    assert changed.tag(row).endswith("-local")


@pytest.mark.parametrize("standins", ["", LOCK], ids=["published", "local"])
def test_docker_arguments_make_a_local_tag_of_their_own(standins: str) -> None:
    recipes = recipes_of(lock="" if standins else LOCK, standins=standins)
    row = row_of(recipes, "linux-base")
    asked: list[tuple[str, ...]] = [(), ("--label", "a=1"), ("--label", "a=2"), ("--label a=1",), ("--label=\udcff",)]
    tags = [recipes.tag(row, passed) for passed in asked]

    assert len(set(tags)) == len(tags)
    assert all(tag.endswith("-local") for tag in tags[1:])
    assert tags == [recipes.tag(row, passed) for passed in asked]


def test_args_that_no_reached_stage_declares_are_left_out_and_named() -> None:
    recipes = recipes_of(CATALOGUE.replace('args: {BASE: "debian', 'args: {TRITON: yes, BASE: "debian'))
    with_it = recipes.of(row_of(recipes, "linux-base"))
    plain = recipes_of()

    assert with_it.unused_args == ("TRITON",)
    assert with_it.id == plain.of(row_of(plain, "linux-base")).id


class TestTreeTags:
    SOURCE = CATALOGUE + "tag: tree\n"
    TREE = "c" * 40

    def test_a_clean_tree_gives_its_id(self) -> None:
        recipes = recipes_of(self.SOURCE, tree_id=lambda context: self.TREE)

        assert recipes.tag(row_of(recipes, "linux-base")) == f"linux-base-{self.TREE}-amd64"
        assert recipes.index_tag(recipes.catalogue.images["linux-base"]) == f"linux-base-{self.TREE}"

    def test_an_image_of_one_architecture_has_no_suffix(self) -> None:
        recipes = recipes_of(self.SOURCE.replace("[amd64, arm64]", "[amd64]"), tree_id=lambda context: self.TREE)

        assert recipes.tag(row_of(recipes, "linux-base")) == f"linux-base-{self.TREE}"

    def test_a_dirty_tree_gives_the_content_tag_and_local(self) -> None:
        recipes = recipes_of(self.SOURCE, tree_id=lambda context: None)
        row = row_of(recipes, "linux-base")

        assert recipes.tag(row) == f"linux-base-{recipes.of(row).id[:20]}-local"
        assert recipes.index_tag(recipes.catalogue.images["linux-base"]).endswith("-local")

    def test_a_standin_gives_the_content_tag_and_local(self) -> None:
        recipes = recipes_of(
            self.SOURCE, lock="", standins=f"debian:bookworm-slim@{OTHER}\n", tree_id=lambda context: self.TREE
        )
        row = row_of(recipes, "linux-base")

        assert recipes.tag(row) == f"linux-base-{recipes.of(row).id[:20]}-local"


def test_a_missing_file_names_the_line_and_the_nearest_path() -> None:
    files = {**FILES, "base.Dockerfile": b"ARG BASE\nFROM ${BASE}\nCOPY common/basse.sh /\n"}
    recipes = recipes_of(files=files)

    with pytest.raises(ConfigurationError) as caught:
        recipes.of(row_of(recipes, "linux-base"))

    assert caught.value.at == "base.Dockerfile:3"
    assert "common/basse.sh is not in the build context" in caught.value.headline
    assert "did you mean 'common/base.sh'?" in caught.value.hint
    assert "linux-base" in caught.value.doing


def test_a_missing_dockerfile_points_at_the_catalogue() -> None:
    recipes = recipes_of(files={"base.dockerfile": b"FROM scratch\n"})

    with pytest.raises(ConfigurationError) as caught:
        recipes.of(row_of(recipes, "linux-base"))

    assert "base.Dockerfile" in caught.value.headline
    assert (caught.value.at or "").startswith("images.yml:")


def test_an_empty_lock_is_a_lock() -> None:
    assert recipes_of(lock="").of(recipes_of().catalogue.rows[0]).sources[0].kind == "unlocked"
    assert Lock().pinned == {}


def test_what_is_reproducible_is_of_the_recipe_and_what_is_not_keeps_its_tag() -> None:
    plain = recipes_of()
    row = next(row for row in plain.catalogue.rows if row.name == "linux-py3.13")
    old = plain.of(row)
    recipes = recipes_of(
        CATALOGUE.replace("    dockerfile: Dockerfile\n", "    dockerfile: Dockerfile\n    reproducible: yes\n")
    )
    new = recipes.of(row)
    assert b"reproducible" not in old.canonical()
    assert new.args == {**old.args, "SOURCE_DATE_EPOCH": "946684800"}
    assert changes(old, new) == ["reproducible: no -> yes", "SOURCE_DATE_EPOCH: not set -> 946684800"]
    assert from_canonical(new.canonical()).id == new.id
    assert recipes.of(recipes.parent_rows(row)[0]) == plain.of(plain.parent_rows(row)[0])


def test_the_time_that_is_declared_is_the_one_that_times_are_rewritten_to() -> None:
    said = CATALOGUE.replace(
        'args: {BASE: "debian:bookworm-slim"}', 'args: {BASE: "debian:bookworm-slim", SOURCE_DATE_EPOCH: 1700000000}'
    )
    both = recipes_of(said.replace("base.Dockerfile\n", "base.Dockerfile\n    reproducible: yes\n"))
    given_only = recipes_of(said)
    row = next(row for row in both.catalogue.rows if row.name == "linux-base")
    assert both.of(row).args["SOURCE_DATE_EPOCH"] == given_only.of(row).args["SOURCE_DATE_EPOCH"] == "1700000000"
    assert both.of(row).id != given_only.of(row).id, "times are rewritten in one of them only"
