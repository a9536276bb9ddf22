"""Bases outside of the catalogue: what a lock says of their ENV and ONBUILD is read, and what nobody asked is said."""

from __future__ import annotations

import json

import pytest
from imageyard.catalogue import text
from imageyard.catalogue.expand import expand
from imageyard.catalogue.lock import Lock, parse
from imageyard.errors import ConfigurationError
from imageyard.recipe.recipe import Recipes
from imageyard.recipe.words import explain
from imageyard.tree import DictTree
from support.stand_ins import PinnedStandIns

DIGEST, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
CATALOGUE = """\
defaults: {arches: [amd64, arm64]}
axes: {plain: {linux, child}, word: {one: {V: 1, WHO: ann}, two: {V: 2, WHO: bob}}}
images:
  base:
    dockerfile: Dockerfile
    names: {linux: , "linux-{one,two}": }
    contexts: {conf: folder, named: "docker-image://base:1"}
  child: {dockerfile: child.Dockerfile, args: {BASE: "image:linux"}, names: {linux-child: }}
"""
CHILD = "ARG BASE\nFROM ${BASE}\nCOPY a.txt /\n"
FILES = {"a.txt": "a", "app-1.txt": "1", "app-2.txt": "2", "one/c": "c", "src.c": "int main;", "folder/app-2.txt": "2"}
BOTH = "linux/amd64,linux/arm64"


def config(*env: str, on_build: tuple[str, ...] = (), digest: str = DIGEST, platforms: str = BOTH) -> str:
    """The line of a lock that says what an image leaves."""
    return f"{digest} {platforms} {json.dumps({'Env': env, 'OnBuild': on_build})}\n"


def recipes_of(
    dockerfile: str,
    configs: str | None = None,
    *,
    child: str = CHILD,
    pin: str = f"base:1@{DIGEST}\n",
    stand_ins: str = "",
    assumed: Lock | None = None,
) -> Recipes:
    """The recipes of an image from `base:1`, which is locked; `configs` are further lines of the lock."""
    files = FILES | {"Dockerfile": dockerfile, "child.Dockerfile": child}
    tree = DictTree({name: content.encode() for name, content in files.items()})
    catalogue = expand(text.parse(CATALOGUE.encode(), "images.yml")).catalogue
    lock = parse(pin + (configs or ""))
    return Recipes(catalogue, lambda context: tree, lock, PinnedStandIns(stand_ins), assumed=assumed)


def read(recipes: Recipes, name: str = "linux", arch: str = "amd64") -> set[str]:
    """The files that a build gets, but for its Dockerfile."""
    row = next(row for row in recipes.catalogue.rows if (row.name, row.arch) == (name, arch))
    return {file.path for file in recipes.of(row).files} - {"Dockerfile", "child.Dockerfile"}


def unasked(recipes: Recipes, name: str = "linux", arch: str = "amd64") -> tuple[str, ...]:
    row = next(row for row in recipes.catalogue.rows if (row.name, row.arch) == (name, arch))
    return recipes.of(row).unasked


@pytest.mark.parametrize(
    ("configs", "dockerfile", "files"),
    [
        (config(on_build=("COPY src.c /src/",)), "FROM base:1\n", {"src.c"}),
        (config(on_build=("COPY app-*.txt /",)), "FROM base:1\nCOPY a.txt /\n", {"app-1.txt", "app-2.txt", "a.txt"}),
        (config(on_build=("ARG N=2", "COPY app-$N.txt /")), "FROM base:1\n", {"app-2.txt"}),
        (config("V=2", on_build=("COPY app-$V.txt /",)), "FROM base:1\n", {"app-2.txt"}),
        (config("V=2"), "FROM base:1\nCOPY app-${V:-1}* /in/\n", {"app-2.txt"}),
        (config("V=1", "V=2"), "FROM base:1\nCOPY app-$V.txt /\n", {"app-2.txt"}),  # the later counts
        (config("V=1=2"), "FROM base:1\nCOPY app-${V%=*}.txt /\n", {"app-1.txt"}),
        (config("CONF=one"), "FROM base:1\nENV D=$CONF\nCOPY ${D}/c /\n", {"one/c"}),
        (config("V=2"), "FROM base:1\nENV V=1\nCOPY app-$V.txt /\n", {"app-1.txt"}),
        (config(), "FROM base:1\nCOPY app-${V:-1}.txt /\n", {"app-1.txt"}),
        (config("V=2"), "FROM base:1 AS a\nFROM a\nCOPY app-$V.txt /\n", {"app-2.txt"}),
        (config("V=2"), "FROM named\nCOPY app-$V.txt /\n", {"app-2.txt"}),
        (config(on_build=("COPY src.c /",)), "FROM named\n", {"src.c"}),
        (config("V=2"), f"FROM elsewhere@{DIGEST}\nCOPY app-$V.txt /\n", {"app-2.txt"}),
        (config("V=2", digest=OTHER), f"FROM base:1@{OTHER}\nCOPY app-$V.txt /\n", {"app-2.txt"}),
        (config("V=2", on_build=("COPY src.c /",)), "FROM base:1 AS unused\nFROM scratch\nCOPY a.txt /\n", {"a.txt"}),
        (config(on_build=("COPY src.c /",)), "FROM scratch\nCOPY --from=base:1 /x /x\n", set()),
        (None, "FROM conf\nCOPY app-${V:-1}.txt /\n", {"conf//app-2.txt", "app-1.txt"}),  # a folder leaves nothing
        (None, "FROM scratch\nCOPY app-${V:-1}.txt /\n", {"app-1.txt"}),
    ],
)
def test_what_a_lock_says_of_a_base_is_read_with_its_child(
    configs: str | None, dockerfile: str, files: set[str]
) -> None:
    recipes = recipes_of(dockerfile, configs)
    assert read(recipes) == files
    assert unasked(recipes) == ()


def test_each_platform_has_its_own() -> None:
    lines = config("V=1", platforms="linux/amd64") + config("V=2", platforms="linux/arm64")
    recipes = recipes_of("FROM base:1\nCOPY app-$V.txt /\n", lines)
    assert (read(recipes), read(recipes, arch="arm64")) == ({"app-1.txt"}, {"app-2.txt"})
    foreign = recipes_of("FROM --platform=linux/arm64 base:1\nCOPY app-$V.txt /\n", lines)
    assert read(foreign) == {"app-2.txt"}
    half = recipes_of("FROM base:1\nCOPY a.txt /\n", config("V=1", platforms="linux/amd64"))
    assert (unasked(half), unasked(half, arch="arm64")) == ((), ("base:1",))


def test_an_arg_that_a_trigger_declares_is_given_to_each_row() -> None:
    recipes = recipes_of("FROM base:1\n", config(on_build=("ARG WHO", "ENV IS=$WHO", "ARG V=1", "COPY app-$V.txt /")))
    rows = {row.name: recipes.of(row) for row in recipes.catalogue.rows if row.arch == "amd64"}
    assert [rows[name].args["WHO"] for name in ("linux-one", "linux-two")] == ["ann", "bob"]
    assert (read(recipes, "linux-one"), read(recipes, "linux-two")) == ({"app-1.txt"}, {"app-2.txt"})


def test_the_environment_reaches_a_grandchild_and_the_triggers_do_not() -> None:
    child = "ARG BASE\nFROM ${BASE}\nCOPY app-$V.txt /\n"
    recipes = recipes_of("FROM base:1\n", config("V=2", on_build=("COPY src.c /",)), child=child)
    assert (read(recipes), read(recipes, "linux-child")) == ({"src.c"}, {"app-2.txt"})


def test_a_base_of_which_nobody_asked_is_named_once_and_is_no_part_of_the_tag() -> None:
    dockerfile = "FROM base:1 AS a\nCOPY a.txt /\nFROM base:1\nCOPY --from=a /a.txt /\nCOPY --from=tool:2 /x /\n"
    before, after = recipes_of(dockerfile), recipes_of(dockerfile, config())
    row = before.catalogue.rows[0]
    assert (unasked(before), unasked(after)) == (("base:1",), ())
    assert before.tag(row) == after.tag(row)
    assert before.of(row).unpinned == ("tool:2 is not locked",)
    told = "bases whose ENV and ONBUILD are not known (inv lock):\n    base:1"
    assert told in explain(before.of(row))
    assert "ONBUILD" not in explain(after.of(row))
    assert unasked(before, "linux-child") == (), "it is said where the row is built that starts from it"
    assert unasked(recipes_of(dockerfile, pin="")) == ("base:1",)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("COPY app-${V:-1}* /in/", "V"),
        ("COPY ${CONF}/c /", "CONF"),
        ("COPY ${CONF:?} /", "CONF"),
        ("ADD $FILE /", "FILE"),
        ("ENV D=${CONF} E=1\nCOPY $D/c /", "CONF"),
        ("ARG D=x/$CONF\nCOPY $D /", "CONF"),
        ("ARG V\nCOPY app-$V.txt /", "V"),  # declared, and given to no row of this name
        ("RUN --mount=type=bind,source=$DIR,target=/s true", "DIR"),
        ("COPY --from=conf $FILE /", "FILE"),
    ],
)
def test_a_file_that_such_a_base_may_decide_is_refused(line: str, name: str) -> None:
    recipes = recipes_of(f"FROM base:1\n{line}\n")
    with pytest.raises(ConfigurationError) as caught:
        read(recipes)
    assert caught.value.headline == f"{name} decides which files are read, and whether base:1 sets it is not known"
    assert caught.value.at == f"Dockerfile:{2 + line.count(chr(10))}"
    assert caught.value.hint[0].startswith("inv lock ")
    assert f"ARG {name}=..." in caught.value.hint[1]


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("COPY a.txt /$V/", {"a.txt"}),
        ("RUN --mount=type=cache,id=$V,target=/c true\nWORKDIR ${V:?}\nLABEL v=$V", set()),
        ("ENV V=1\nCOPY app-$V.txt /", {"app-1.txt"}),
        ("ARG V=2\nCOPY app-${V}.txt /", {"app-2.txt"}),
        ("COPY --from=tool:2 /opt/$V /", set()),
        ("COPY --from=named /opt/$V /", set()),
        ("ADD https://example.org/$V.tar /", set()),
    ],
)
def test_what_such_a_base_does_not_decide_is_read(line: str, files: set[str]) -> None:
    recipes = recipes_of(f"FROM base:1\n{line}\n")
    assert read(recipes) == files
    assert "\0" not in explain(recipes.of(recipes.catalogue.rows[0]))


def test_the_same_holds_for_what_is_built_from_a_row_of_such_a_base() -> None:
    child = "ARG BASE\nFROM ${BASE}\nCOPY app-${V:-1}.txt /\n"
    with pytest.raises(ConfigurationError, match=r"child\.Dockerfile:3: V decides .* whether base:1 sets it"):
        read(recipes_of("FROM base:1\nENV W=$X\n", child=child), "linux-child")
    known = recipes_of("FROM base:1\nENV V=2\n", child=child)
    assert read(known, "linux-child") == {"app-2.txt"}


def test_a_build_of_whatever_bases_are_now_takes_them_to_be_as_they_were_locked() -> None:
    """A weekly build: nothing is pinned, and nothing refused."""
    dockerfile = "FROM base:1\nCOPY app-${V:-1}.txt /\n"
    weekly = recipes_of(dockerfile, pin="", assumed=parse(f"base:1@{DIGEST}\n{config('V=2')}"))
    assert (read(weekly), unasked(weekly)) == ({"app-2.txt"}, ())
    blind = recipes_of(dockerfile, pin="", assumed=Lock())
    assert (read(blind), unasked(blind)) == ({"app-1.txt"}, ("base:1",))


def test_stand_ins_may_be_known_too() -> None:
    dockerfile = "FROM base:1\nCOPY app-${V:-1}.txt /\n"
    recipes = recipes_of(dockerfile, pin="", stand_ins=f"base:1@{OTHER}\n{config('V=2', digest=OTHER)}")
    assert (read(recipes), unasked(recipes)) == ({"app-2.txt"}, ())


@pytest.mark.parametrize(
    ("written", "lock", "frontend"),
    [
        ("docker/dockerfile:1", "", "docker/dockerfile:1"),
        ("docker/dockerfile:1", f"docker/dockerfile:1@{OTHER}\n", f"docker/dockerfile:1@{OTHER}"),
        ("docker.io/docker/dockerfile:1", f"docker/dockerfile:1@{OTHER}\n", f"docker.io/docker/dockerfile:1@{OTHER}"),
        ("docker/dockerfile", f"docker/dockerfile:latest@{OTHER}\n", f"docker/dockerfile@{OTHER}"),
        (f"docker/dockerfile:1@{DIGEST}", f"docker/dockerfile:1@{OTHER}\n", f"docker/dockerfile:1@{DIGEST}"),
        ("Not A Reference", f"docker/dockerfile:1@{OTHER}\n", "Not"),
    ],
)
def test_a_frontend_is_pinned_like_a_base(written: str, lock: str, frontend: str) -> None:
    recipes = recipes_of(f"# syntax={written}\nFROM scratch\n", lock)
    recipe = recipes.of(recipes.catalogue.rows[0])
    assert recipe.frontend == frontend
    open_to_change = () if "@" in frontend else (f"the frontend {frontend} has no digest",)
    assert recipe.unpinned == open_to_change
