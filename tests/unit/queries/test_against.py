"""What changes a tag, and how it is told: in a repository with parents, scripts that are shared, and a history."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from imageyard.errors import ConfigurationError
from imageyard.project.project import find_project
from imageyard.project.recipe_format import format_at
from imageyard.project.recipes import recipes_of
from imageyard.queries import describe

DIGEST = "sha256:" + "0123456789abcdef" * 4

FILES = {
    ".ci/docker/images.yml": """\
defaults: {arches: [amd64]}
axes:
  os: {bookworm: {DEBIAN: 12}, trixie: {DEBIAN: 13}}
  compiler: {gcc12: {GCC: 12}, clang16: {CLANG: 16}}
  plain: {linux, base, tools}
images:
  base: {dockerfile: base/Dockerfile, args: {BASE: "debian:{os}"}, names: {"linux-{os}-base": {}}}
  gcc:
    dockerfile: gcc/Dockerfile
    args: {BASE: "image:linux-{os}-base"}
    names: {"linux-{os}-gcc12": {}}
  clang:
    dockerfile: clang/Dockerfile
    args: {BASE: "image:linux-bookworm-base"}
    names: {linux-bookworm-clang16: {}}
  tools: {dockerfile: tools/Dockerfile, arches: [amd64, arm64], names: {linux-tools: {}}}
""",
    ".ci/docker/images.lock": f"debian:bookworm@{DIGEST}\ndebian:trixie@{DIGEST}\n",
    ".ci/docker/base/Dockerfile": "ARG BASE\nFROM ${BASE}\nARG DEBIAN\nCOPY common/base.sh base/only.sh /\n",
    ".ci/docker/gcc/Dockerfile": "ARG BASE\nFROM ${BASE}\nARG GCC\nCOPY common/gcc-*.sh common/cmake.sh /\n",
    ".ci/docker/clang/Dockerfile": "ARG BASE\nFROM ${BASE}\nARG CLANG\nCOPY common/clang.sh common/cmake.sh /\n",
    ".ci/docker/tools/Dockerfile": "FROM scratch\nCOPY tools/list /\n",
    ".ci/docker/base/only.sh": "base\n",
    ".ci/docker/tools/list": "ruff\n",
    ".ci/docker/common/base.sh": "base\n",
    ".ci/docker/common/gcc-12.sh": "gcc\n",
    ".ci/docker/common/clang.sh": "clang\n",
    ".ci/docker/common/cmake.sh": "cmake\n",
    "README.md": "read me\n",
}

BASES = {"linux-bookworm-base", "linux-trixie-base"}
GCC = {"linux-bookworm-gcc12", "linux-trixie-gcc12"}
CLANG = {"linux-bookworm-clang16"}
TOOLS = {"linux-tools"}
ALL = BASES | GCC | CLANG | TOOLS


def git(top: Path, *argv: str) -> str:
    named = ("-c", "user.name=Yard", "-c", "user.email=yard@example.org", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *named, *argv], cwd=top, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(top: Path) -> str:
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message=State")
    return git(top, "rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def no_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder without a stack in it: no stand-in of this machine is in a tag."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("IMAGEYARD_CATALOGUE", raising=False)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    for path, text in FILES.items():
        write(folder, path, text)
    commit(folder)
    return folder


def write(top: Path, path: str, text: str) -> None:
    file = top / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def edit(top: Path, path: str, old: str, new: str) -> None:
    text = (top / path).read_text()
    assert old in text
    write(top, path, text.replace(old, new))


def tags(top: Path) -> dict[str, str]:
    """`IMAGE ARCH` and the tag, of every row."""
    project = find_project(start=top)
    found: Any = describe.tags(project, recipes_of(project), "*", None, {}, as_json=True)
    return {f"{one['image']} {one['arch']}": one["tag"] for one in found}


def against(
    top: Path, rev: str = "HEAD", pattern: str = "*", values: Mapping[str, str] | None = None
) -> dict[str, Any]:
    project = find_project(start=top)
    recipes = recipes_of(project, values)
    found: Any = describe.against(project, recipes, pattern, rev, None, values or {}, as_json=True)
    return {one["image"]: one for one in found}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {row.split()[0] for row in before.keys() | after.keys() if before.get(row) != after.get(row)}


def append(path: str) -> Any:
    return lambda top: edit(top, path, "\n", "\n# changed\n")


D = ".ci/docker"

# what is done -> whose tags change, and what --against says of one of them
CHANGES: dict[str, tuple[Any, set[str], tuple[str, str]]] = {
    "a script of one image": (append(f"{D}/common/clang.sh"), CLANG, ("linux-bookworm-clang16", "common/clang.sh")),
    "a script of two images": (append(f"{D}/common/cmake.sh"), GCC | CLANG, ("linux-trixie-gcc12", "common/cmake.sh")),
    "a script that a pattern takes": (append(f"{D}/common/gcc-12.sh"), GCC, ("linux-trixie-gcc12", "gcc-12.sh")),
    "a script of the parents": (
        append(f"{D}/base/only.sh"), BASES | GCC | CLANG, ("linux-bookworm-base", "base/only.sh")
    ),
    "a script that a pattern now takes": (
        lambda top: write(top, f"{D}/common/gcc-13.sh", "13\n"), GCC, ("linux-trixie-gcc12", "gcc-13.sh")
    ),
    "the executable bit": (
        lambda top: (top / f"{D}/tools/list").chmod(0o755), TOOLS, ("linux-tools", "tools/list")
    ),
    "an instruction": (
        lambda top: edit(top, f"{D}/gcc/Dockerfile", "\nCOPY", "\nLABEL changed=yes\nCOPY"),
        GCC,
        ("linux-bookworm-gcc12", "Dockerfile gained `LABEL changed=yes`"),
    ),
    "a comment": (append(f"{D}/gcc/Dockerfile"), set(), ("", "")),
    "an arg": (
        lambda top: edit(top, f"{D}/images.yml", "{GCC: 12}", "{GCC: 12.2}"), GCC, ("linux-bookworm-gcc12", "GCC")
    ),
    "an arg of the parents": (
        lambda top: edit(top, f"{D}/images.yml", "{DEBIAN: 13}", "{DEBIAN: 14}"),
        {"linux-trixie-base", "linux-trixie-gcc12"},
        ("linux-trixie-base", "DEBIAN"),
    ),
    "a base": (
        lambda top: edit(top, f"{D}/images.lock", f"trixie@{DIGEST}", f"trixie@sha256:{'f' * 64}"),
        {"linux-trixie-base", "linux-trixie-gcc12"},
        ("linux-trixie-base", "debian:trixie"),
    ),
    "an epoch": (
        lambda top: edit(top, f"{D}/images.yml", "names: {linux-tools: {}}", "epoch: 2, names: {linux-tools: {}}"),
        TOOLS,
        ("linux-tools", "epoch"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_reaches_those_that_use_it_and_their_children(top: Path, what: str) -> None:
    change, users, (image, named) = CHANGES[what]
    before = tags(top)
    change(top)
    told = against(top)

    assert changed(before, tags(top)) == users
    assert {name for name, one in told.items() if one["changes"]} == users
    assert not image or any(named in line for line in told[image]["changes"]), told[image]["changes"]
    assert {name for name, one in told.items() if one["was"] != one["tag"]} == users


def test_children_are_told_which_parent_it_was(top: Path) -> None:
    append(f"{D}/base/only.sh")(top)

    (line,) = against(top)["linux-bookworm-clang16"]["changes"]

    assert "linux-bookworm-base" in line
    assert "parent" in line


@pytest.mark.parametrize("path", ["README.md", f"{D}/common/unused.sh", f"{D}/tools/list.orig", f"{D}/images.lock.bak"])
def test_what_no_image_uses_changes_no_tag(top: Path, path: str) -> None:
    before = tags(top)
    write(top, path, "anything\n")

    assert tags(top) == before
    assert not any(one["changes"] for one in against(top).values())


def test_a_comment_in_the_catalogue_changes_no_tag(top: Path) -> None:
    before = tags(top)
    edit(top, f"{D}/images.yml", "images:\n", "\n# the images\nimages:\n")

    assert tags(top) == before


def test_a_commit_and_its_revert_give_the_first_tags(top: Path) -> None:
    before = tags(top)
    append(f"{D}/common/cmake.sh")(top)
    commit(top)
    assert tags(top) != before
    git(top, "revert", "--no-edit", "HEAD")

    assert tags(top) == before


def test_it_is_told_in_words(top: Path) -> None:
    append(f"{D}/common/clang.sh")(top)
    project = find_project(start=top)
    told = str(
        describe.against(project, recipes_of(project), "linux-bookworm-*", "HEAD", None, {}, as_json=False)
    ).splitlines()

    was, now = against(top)["linux-bookworm-clang16"]["was"], against(top)["linux-bookworm-clang16"]["tag"]
    assert f"linux-bookworm-clang16 amd64: {was} -> {now}" in told
    after = told[told.index(f"linux-bookworm-clang16 amd64: {was} -> {now}") + 1]
    assert after.startswith("  ")
    assert "common/clang.sh" in after
    assert f"linux-bookworm-gcc12 amd64: unchanged, {tags(top)['linux-bookworm-gcc12 amd64']}" in told


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (("\nCOPY", "\n# why\n\nCOPY"), "only comments changed"),
        (("\nCOPY", "\ncopy"), "only the way it is written changed"),
        (
            ("ARG BASE\n", "ARG BASE\nFROM scratch AS unused\nCOPY common/base.sh /\n"),
            "only what the image does not need changed",
        ),
    ],
)
def test_what_changes_no_image_is_said_too(top: Path, change: tuple[str, str], note: str) -> None:
    edit(top, f"{D}/clang/Dockerfile", *change)
    one = against(top)["linux-bookworm-clang16"]

    assert (one["changes"], one["note"]) == ([], note)
    project = find_project(start=top)
    told = describe.against(project, recipes_of(project), "linux-bookworm-clang16", "HEAD", None, {}, as_json=False)
    assert told == f"linux-bookworm-clang16 amd64: unchanged, {one['tag']} ({note})"


def test_another_format_of_recipes_is_the_one_reason_that_is_told(top: Path) -> None:
    write(top, f"{D}/imageyard/recipe/model.py", "VERSION = 1\n")
    commit(top)
    append(f"{D}/common/clang.sh")(top)
    project, recipes = find_project(start=top), recipes_of(find_project(start=top))
    told = describe.against(project, recipes, "linux-bookworm-{gcc12,clang16}", "HEAD", None, {}, as_json=False)

    clang, gcc = (recipes.tag(project.row(f"linux-bookworm-{one}", "amd64")) for one in ("clang16", "gcc12"))
    assert str(told).splitlines() == [
        "the recipe's format: 1 -> 2, which gives every image another tag",
        f"linux-bookworm-gcc12 amd64: {gcc}, and nothing else changed",
        f"linux-bookworm-clang16 amd64: {clang}",
        "  common/clang.sh changed",
    ]
    assert against(top)["linux-bookworm-gcc12"]["was"] is None


@pytest.mark.parametrize(("text", "found"), [("VERSION = 2\n", 2), ("# VERSION = 2\n", None), (None, None)])
def test_the_format_that_a_revision_works_with(top: Path, text: str | None, found: int | None) -> None:
    if text is not None:
        write(top, f"{D}/imageyard/recipe/model.py", text)
        commit(top)

    assert format_at(find_project(start=top), "HEAD") == found


def test_a_slip_of_then_is_no_reason_to_say_nothing_of_it_now(top: Path) -> None:
    """An arg that no Dockerfile declares was let pass once."""
    edit(
        top,
        f"{D}/images.yml",
        'args: {BASE: "image:linux-bookworm-base"}',
        'args: {BASE: "image:linux-bookworm-base", CLANK: 1}',
    )
    commit(top)
    edit(top, f"{D}/images.yml", ", CLANK: 1", "")

    assert against(top)["linux-bookworm-clang16"]["changes"] == []


def test_an_image_that_is_new(top: Path) -> None:
    edit(top, f"{D}/images.yml", "names: {linux-tools: {}}", "names: {linux-tools: {}, tools: {}}")
    one = against(top)["tools"]

    assert one["was"] is None
    assert one["changes"] == ["not in the catalogue at HEAD"]


def test_an_architecture_that_is_new(top: Path) -> None:
    edit(top, f"{D}/images.yml", "arches: [amd64, arm64]", "arches: [arm64]")
    commit(top)
    edit(top, f"{D}/images.yml", "arches: [arm64]", "arches: [amd64, arm64]")
    project = find_project(start=top)
    found: Any = describe.against(project, recipes_of(project), "linux-tools", "HEAD", None, {}, as_json=True)

    assert {one["arch"]: one["changes"] for one in found} == {"amd64": ["not in the catalogue at HEAD"], "arm64": []}


def test_an_image_that_was_deleted_is_named(top: Path) -> None:
    before = tags(top)
    edit(top, f"{D}/images.yml", ", names: {linux-tools: {}}", ", names: {tools: {}}")
    told = against(top)

    assert told["linux-tools"]["tag"] is None
    assert told["linux-tools"]["was"].startswith("linux-tools-")
    assert told["linux-tools"]["changes"] == ["not in the catalogue any more"]
    assert "linux-tools" not in against(top, pattern="linux-*-gcc12"), "it is not of that pattern"
    project = find_project(start=top)
    only = describe.against(project, recipes_of(project), "linux-tools", "HEAD", "amd64", {}, as_json=False)
    assert str(only).splitlines() == [
        f"linux-tools amd64: {before['linux-tools amd64']} -> nothing",
        "  not in the catalogue any more",
    ]


def test_a_revision_without_a_catalogue(top: Path) -> None:
    (top / D / "images.yml").rename(top / "moved.yml")
    bare = commit(top)
    (top / "moved.yml").rename(top / D / "images.yml")

    with pytest.raises(ConfigurationError) as caught:
        against(top, bare)
    assert f"{bare} has no catalogue .ci/docker/images.yml" in str(caught.value)


def test_a_broken_catalogue_at_the_revision_is_named_with_it(top: Path) -> None:
    edit(top, f"{D}/images.yml", "defaults:", "defalts:")
    bad = commit(top)
    edit(top, f"{D}/images.yml", "defalts:", "defaults:")

    with pytest.raises(ConfigurationError) as caught:
        against(top, bad)
    assert f"{bad}:.ci/docker/images.yml:1:1" in str(caught.value)


@pytest.mark.parametrize("rev", ["nowhere", "--help", "HEAD~99", "-"])
def test_an_unknown_revision(top: Path, rev: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        against(top, rev)
    assert caught.value.headline == f"unknown revision {rev!r}"
    assert "git fetch" in str(caught.value.hint)


def test_a_shallow_clone_says_how_to_get_the_rest(top: Path, tmp_path: Path) -> None:
    first = git(top, "rev-parse", "HEAD")
    append(f"{D}/common/clang.sh")(top)
    commit(top)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{top}", str(clone))

    assert tags(clone) == tags(top)
    for rev in (first, "HEAD~1"):
        with pytest.raises(ConfigurationError) as caught:
            against(clone, rev)
        assert "git fetch --unshallow" in str(caught.value.hint)
    git(clone, "fetch", "--quiet", "--unshallow")
    assert against(clone, "HEAD~1")["linux-bookworm-clang16"]["changes"]


def test_a_bad_set_is_refused(top: Path) -> None:
    with pytest.raises(ConfigurationError, match="--set GC changes nothing"):
        against(top, values={"GC": "13"})


class TestTree:
    """`tag: tree`: the id of the context's git tree, as its consumers compute it."""

    @pytest.fixture
    def tree(self, top: Path) -> Path:
        edit(top, f"{D}/images.yml", "defaults:", "tag: tree\ndefaults:")
        commit(top)
        return top

    def test_a_clean_tree_gives_its_id(self, tree: Path) -> None:
        id = git(tree, "rev-parse", "HEAD:.ci/docker")
        found = tags(tree)

        assert found["linux-bookworm-gcc12 amd64"] == f"linux-bookworm-gcc12-{id}"
        assert found["linux-tools amd64"] == f"linux-tools-{id}-amd64"
        assert found["linux-tools arm64"] == f"linux-tools-{id}-arm64"
        project = find_project(start=tree)
        assert (
            describe.tags(project, recipes_of(project), "linux-tools", None, {}, as_json=False) == f"linux-tools-{id}"
        ), "the index"

    @pytest.mark.parametrize("change", ["change", "stage", "add", "delete"])
    def test_a_dirty_tree_gives_a_local_content_tag(self, tree: Path, change: str) -> None:
        match change:
            case "add":
                write(tree, f"{D}/common/new.sh", "new\n")
            case "delete":
                (tree / D / "base" / "Dockerfile").touch()
                write(tree, f"{D}/common/extra.sh", "extra\n")
                commit(tree)
                (tree / D / "common" / "extra.sh").unlink()
            case _:
                append(f"{D}/common/clang.sh")(tree)
        if change == "stage":
            git(tree, "add", "--all")
        found = tags(tree)

        assert all(tag.endswith("-local") for tag in found.values())
        assert len(found["linux-tools amd64"]) == len("linux-tools-") + 20 + len("-local")

    @pytest.mark.parametrize("path", ["README.md", f"{D}/ignored.log"])
    def test_what_is_outside_leaves_it_clean(self, tree: Path, path: str) -> None:
        write(tree, ".gitignore", "*.log\n")
        commit(tree)
        write(tree, path, "anything\n")

        assert not any(tag.endswith("-local") for tag in tags(tree).values())

    def test_a_context_without_the_catalogue_is_refused(self, tree: Path) -> None:
        """Its tree says nothing of the args: two commits that differ in them would give one tag."""
        edit(
            tree,
            f"{D}/images.yml",
            "tools: {dockerfile: tools/Dockerfile",
            "tools: {context: tools, dockerfile: Dockerfile",
        )
        edit(tree, f"{D}/tools/Dockerfile", "tools/list", "list")
        commit(tree)

        with pytest.raises(ConfigurationError, match="the catalogue is not in it"):
            tags(tree)

    def test_a_set_is_local(self, tree: Path) -> None:
        project = find_project(start=tree)
        recipes = recipes_of(project, {"GCC": "13"})
        found: Any = describe.tags(project, recipes, "*gcc12", None, {"GCC": "13"}, as_json=True)

        assert all(one["tag"].endswith("-local") for one in found)
        assert json.dumps(found)
