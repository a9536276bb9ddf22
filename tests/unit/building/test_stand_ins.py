"""Stand-ins for bases: one value pins them, makes them and says where they are served; any value like it will do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from imageyard.building import source_contexts, stand_ins
from imageyard.errors import ConfigurationError
from imageyard.project.checkout import Checkout
from imageyard.project.project import Project, load_project
from imageyard.project.recipes import UNLOCKED, recipes_of
from imageyard.project.row_facts import identify
from support.services import services
from support.stand_ins import PinnedStandIns

DIGEST = f"sha256:{'1' * 64}"
PINNED = f"debian:trixie-slim@{DIGEST}\n"
CATALOGUE = """\
tag: content
defaults: {arches: [amd64]}
axes: {plain: {linux, base, child}}
images:
  base: {dockerfile: Dockerfile, names: {linux-base: }}
  child: {dockerfile: child.Dockerfile, args: {BASE: "image:linux-base"}, names: {linux-child: }}
"""


class Engine:
    """An engine that holds images under these names."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def inspect(self, name: str) -> str | None:
        return name if name in self.names else None


@pytest.fixture
def project(tmp_path: Path) -> Project:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "images.yml").write_text(CATALOGUE)
    (tmp_path / "Dockerfile").write_text("FROM debian:trixie-slim\n")
    (tmp_path / "child.Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY --from=busybox:1 /a /a\n")
    return load_project(Checkout(tmp_path / "images.yml", tmp_path))


def test_what_is_missing_is_made_and_is_in_the_recipes_to_go_on_with(project: Project) -> None:
    """Those of a row and of its parents; a weekly build stays one."""
    plug = PinnedStandIns(later=PINNED)
    before = recipes_of(project, pins=UNLOCKED, stand_ins=plug)
    row = project.row("linux-child", "amd64")

    after = stand_ins.ensure(project, before, services(engine=Engine("busybox:1")), row)

    assert plug.made == [(("debian:trixie-slim",), "amd64")]
    parent = project.row("linux-base", "amd64")
    assert [source.kind for source in before.of(parent).sources] == ["unlocked"]
    assert [(source.kind, source.value) for source in after.of(parent).sources] == [("standin", DIGEST)]
    assert after.pins is UNLOCKED


def test_nothing_is_made_where_nothing_is_missing(project: Project) -> None:
    plug = PinnedStandIns(PINNED)
    recipes = recipes_of(project, stand_ins=plug)

    same = stand_ins.ensure(project, recipes, services(engine=Engine()), project.row("linux-base", "amd64"))

    assert same is recipes
    assert plug.made == []


def test_a_build_pulls_a_stand_in_from_where_it_is_served(project: Project, tmp_path: Path) -> None:
    recipes = recipes_of(project, stand_ins=PinnedStandIns(PINNED))
    row = project.row("linux-base", "amd64")

    facts = identify(recipes, row)
    contexts = source_contexts.contexts(facts, {}, source_contexts.sealed(facts, tmp_path / "sealed"))

    assert contexts == {"debian:trixie-slim": f"docker-image://127.0.0.1:5000/library/debian@{DIGEST}"}


def test_what_waits_for_a_stand_in_is_found_where_the_recipe_waits_for_it_too(project: Project) -> None:
    """Which file is copied hangs on what the base sets, which is known once there is a stand-in."""
    dockerfile = project.file.with_name("Dockerfile")
    dockerfile.write_text("# syntax=docker/dockerfile:1\nFROM debian:trixie-slim\nCOPY ${V:-Dockerfile} /\n")
    plug = PinnedStandIns(later=f"{PINNED}{DIGEST} linux/amd64 {{}}\n")
    before = recipes_of(project, stand_ins=plug)
    row = project.row("linux-base", "amd64")
    with pytest.raises(ConfigurationError, match="V decides which files are read"):
        before.of(row)
    assert stand_ins.needed(before, [row]) == ("debian:trixie-slim",)
    after = stand_ins.ensure(project, before, services(engine=Engine()), row)
    assert plug.made == [(("debian:trixie-slim",), "amd64")]
    assert [file.path for file in after.of(row).files] == ["Dockerfile"]
