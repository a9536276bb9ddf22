"""Bases at a registry that have ENV and ONBUILD: `inv lock` asks what they leave, and a sealed build is a plain one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise

import pytest
from support.engine.private import PrivateEngine
from support.registry.faults import Proxy
from support.registry.served import Served, tool
from support.yard.scratch import BASE, CONTEXT, Yard

pytestmark = [pytest.mark.engine, pytest.mark.mirror]

CATALOGUE = """\
defaults: {arches: [ARCH]}
axes: {plain: {linux, child}}
images:
  child: {dockerfile: child/Dockerfile, args: {BASE: "HOST/KEY/base:1"}, names: {linux-child: }}
"""
CHILD = "ARG BASE\nFROM ${BASE}\nRUN mkdir -p /src /in\n"
FILES = ("src.c", "requirements.txt", "requirements-dev.txt", "app-1.txt", "app-2.txt", "other/file")


class Based:
    """A scratch repository whose one image starts from a base at a registry."""

    def __init__(self, yard: Yard, host: str) -> None:
        self.yard, self.host = yard, host
        yard.catalogue(CATALOGUE.replace("HOST", host).replace("KEY", yard.key))
        yard.write(".dockerignore", "images.*\nbase/\ngcc/\nplain/\n")
        for name in FILES:
            yard.write(name, f"{name}\n")

    @property
    def lock(self) -> str:
        return (self.yard.top / CONTEXT / "images.lock").read_text()

    @property
    def base(self) -> str:
        return f"{self.host}/{self.yard.key}/base:1"

    def put(self, *lines: str) -> str:
        """Build a base with these lines, push it, and leave nothing of it in the engine; returns its digest."""
        return put(self.yard.engine, self.base, BASE, *lines)

    def child(self, *lines: str) -> None:
        self.yard.write("child/Dockerfile", "\n".join([CHILD, *lines, ""]))

    def tag(self) -> str:
        done = self.yard.inv("tag", "linux-child")
        assert done.code == 0, done.err
        return done.out.strip()

    def sealed(self) -> str:
        """The image of `inv build`."""
        done = self.yard.inv("build", "linux-child")
        assert done.code == 0, done.err
        return f"{self.yard.repository}:{self.tag()}"

    def plain(self) -> str:
        """The image of a build of the whole folder."""
        context, name = self.yard.top / CONTEXT, f"{self.yard.repository}:plain"
        self.yard.engine.docker(
            "build", "-q", "-t", name, "-f", str(context / "child/Dockerfile"), "--build-arg", f"BASE={self.base}",
            "--build-arg", "WHO=ann", str(context),
        )  # fmt: skip
        return name

    def files(self, image: str) -> Mapping[str, str]:
        """The files of two folders of an image, by path, each with the sum of its bytes."""
        command = "find /src /in -type f -exec md5sum {} ;"
        told = self.yard.engine.docker("run", "--rm", "--entrypoint", "", image, *command.split())
        return {line.split()[1]: line.split()[0] for line in told.splitlines()}

    def variables(self, image: str) -> list[str]:
        found: list[str] = json.loads(
            self.yard.engine.docker("image", "inspect", "--format", "{{json .Config.Env}}", image)
        )
        return found


def put(engine: PrivateEngine, name: str, origin: str, *lines: str) -> str:
    """Build an image of these lines, push it, and leave nothing of it in the engine; returns its digest."""
    text = "\n".join([f"FROM {origin}", *lines, ""])
    engine.docker("build", "-q", "--provenance=false", "-t", name, "-", stdin=text.encode())
    engine.docker("push", "-q", name)
    engine.docker("rmi", name)
    return tool("crane", "digest", "--insecure", name)


@pytest.fixture
def based(yard: Yard, registry: Served) -> Based:
    return Based(yard, registry.host)


@pytest.mark.parametrize(
    ("base", "child", "copied"),
    [
        (
            ("ONBUILD COPY . /src/",),
            (),
            {f"/src/{name}" for name in FILES} | {"/src/.dockerignore", "/src/child/Dockerfile"},
        ),
        (("ONBUILD COPY requirements*.txt /src/",), (), {"/src/requirements.txt", "/src/requirements-dev.txt"}),
        (("ONBUILD ARG WHO", "ONBUILD ENV IS=$WHO", "ONBUILD COPY src.c /src/$IS/"), (), {"/src/ann/src.c"}),
        (("ENV V=2",), ("COPY app-${V:-1}* /in/",), {"/in/app-2.txt"}),
        (
            ("ENV N=1", "ONBUILD COPY app-$N.txt /in/"),
            ("COPY app-${V:-2}* /src/",),
            {"/in/app-1.txt", "/src/app-2.txt"},
        ),
    ],
    ids=["everything", "wildcard", "arg-and-env", "environment", "both"],
)
def test_a_locked_base_gives_what_a_plain_build_gives(
    based: Based, base: tuple[str, ...], child: tuple[str, ...], copied: set[str]
) -> None:
    digest = based.put(*base)
    based.child(*child)
    if "ONBUILD ARG WHO" in base:
        based.yard.edit("images.yml", 'base:1"', 'base:1", WHO: ann')
    locked = based.yard.inv("lock")
    assert locked.code == 0, locked.err
    line = next(line for line in based.lock.splitlines() if line.startswith(digest))
    triggers = [line.removeprefix("ONBUILD ") for line in base if line.startswith("ONBUILD")]
    assert json.loads(line.split(" ", 2)[2]).get("OnBuild", []) == triggers
    sealed, plain = based.sealed(), based.plain()
    assert based.files(sealed) == based.files(plain)
    assert based.files(sealed).keys() == copied
    assert based.variables(sealed) == based.variables(plain)


def test_the_tag_moves_with_a_file_that_only_a_trigger_reads(based: Based) -> None:
    based.put("ENV V=2", "ONBUILD COPY *.c /src/", "ONBUILD COPY app-$V.txt /src/")
    based.child()
    assert based.yard.inv("lock").code == 0
    tags = [based.tag()]
    for name in ("src.c", "app-2.txt", "app-1.txt", "requirements.txt"):
        based.yard.write(name, "changed\n")
        tags.append(based.tag())
    assert [before != after for before, after in pairwise(tags)] == [True, True, False, False]


def test_a_trigger_may_pull_an_image_that_no_dockerfile_names(based: Based) -> None:
    tool_image = f"{based.host}/{based.yard.key}/tool:1"
    digest = put(based.yard.engine, tool_image, BASE, "RUN echo tool > /tool")
    based.put(f"ONBUILD COPY --from={tool_image} /tool /in/")
    based.child()
    locked = based.yard.inv("lock")
    assert locked.code == 0, locked.err
    assert f"{tool_image}@{digest}  # " in based.lock
    assert based.files(based.sealed()).keys() == {"/in/tool"}


def test_a_base_of_which_nobody_asked_is_warned_of_or_refused(based: Based) -> None:
    """It was locked before there was a question."""
    digest = based.put("ENV V=2")
    based.child("COPY src.c /src/")
    based.yard.write("images.lock", f"{based.base}@{digest}  # 2026-01-31\n")
    done = based.yard.inv("build", "linux-child")
    assert done.code == 0, done.err
    assert done.err.count(f"what ENV and ONBUILD of {based.base} do is not known: inv lock") == 1
    assert based.base in based.yard.inv("tag", "linux-child", "--explain").out.partition("ENV and ONBUILD")[2]

    tag = based.tag()
    based.child("COPY src.c /src/", "COPY app-${V:-1}* /in/")
    refused = based.yard.inv("build", "linux-child")
    assert refused.code == 2
    assert f"child/Dockerfile:6: V decides which files are read, and whether {based.base} sets it" in refused.err
    assert "next: inv lock" in refused.err

    assert based.yard.inv("lock").code == 0
    assert f"{based.base}@{digest}  # 2026-01-31\n{digest} " in based.lock
    done = based.yard.inv("build", "linux-child")
    assert (done.code, "ONBUILD" in done.err) == (0, False), done.err
    assert based.tag() != tag


def test_what_was_locked_of_a_frontend_is_what_the_builder_runs(yard: Yard, registry: Served, proxy: Proxy) -> None:
    """The frontend is none, so that the build ends with it; what was asked of the registry tells which one was run."""
    name = f"{yard.key}/frontend"
    yard.catalogue(
        "defaults: {arches: [ARCH]}\naxes: {plain: {linux}}\nimages:\n  one: {dockerfile: F, names: {linux: }}\n"
    )
    yard.write("F", f"# syntax={proxy.host}/{name}:1\nFROM scratch\nCOPY F /\n")
    locked = put(yard.engine, f"{registry.host}/{name}:1", BASE, "RUN echo one")
    assert yard.inv("lock").code == 0
    assert f"{proxy.host}/{name}:1@{locked}  # " in (yard.top / CONTEXT / "images.lock").read_text()
    put(yard.engine, f"{registry.host}/{name}:1", BASE, "RUN echo two")
    proxy.log.clear()

    done = yard.inv("build", "linux")

    assert done.code == 5, done.err
    assert {request.rpartition("/")[2] for request in proxy.requests("/manifests/")} == {locked}
