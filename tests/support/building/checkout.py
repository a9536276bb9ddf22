"""A checkout with a small catalogue, for tests of flows that need no engine: a base, its children, a grandchild."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imageyard.building.builder import RowBuild
from imageyard.project.checkout import Checkout
from imageyard.project.project import Project, load_project
from imageyard.project.recipes import recipes_of
from imageyard.project.row_facts import RowFacts, identify
from imageyard.recipe.recipe import Recipes
from imageyard.registry.client import Client
from imageyard.run.row_run import RowRun
from imageyard.run.services import Services
from imageyard.runs import Run
from support.services import services

CATALOGUE = """\
registry: {trusted: registry.test/ci/image, branch: registry.test/ci/branch}
tag: content
defaults: {arches: [amd64, arm64]}
axes: {plain: {linux, base, middle, leaf}, digit: {one: {N: 1}, two: {N: 2}}}
images:
  base: {dockerfile: Dockerfile, names: {linux-base: }}
  middle: {dockerfile: child.Dockerfile, args: {BASE: "image:linux-base"}, names: {"linux-middle-{one,two}": }}
  leaf: {dockerfile: child.Dockerfile, args: {BASE: "image:linux-middle-one", N: 3}, names: {linux-leaf: }}
"""
FILES = {
    "images.yml": CATALOGUE,
    "images.lock": "",
    "word": "word\n",
    "Dockerfile": "FROM scratch\nCOPY word /\n",
    "child.Dockerfile": "ARG BASE\nFROM ${BASE}\nARG N\nRUN echo $N > /digit\n",
}


@dataclass(frozen=True)
class Workplace:
    """A project with its recipes and the services of one run."""

    project: Project
    recipes: Recipes
    services: Services

    def facts(self, name: str, arch: str = "amd64") -> RowFacts:
        """What a row is made of."""
        return identify(self.recipes, self.project.row(name, arch))

    def row(self, name: str, arch: str = "amd64", *, forced: bool = False, **parents: str) -> RowBuild:
        """A row that is to be built, its record on disk."""
        facts = self.facts(name, arch)
        run = RowRun(self.services, facts.row, builder="local", forced=forced).begin()
        return RowBuild(facts, run, {parent.replace("_", "-"): where for parent, where in parents.items()})


def write_checkout(top: Path, **more: str) -> Project:
    """Write the files, and give the project."""
    subprocess.run(["git", "init", "--quiet", str(top)], check=True)
    for name, text in (FILES | more).items():
        (top / name).write_text(text)
    return load_project(Checkout(top / "images.yml", top))


def scene_of(top: Path, client: Client | None = None, *, engine: Any = None, **files: str) -> Workplace:
    """A checkout at `top`, with a client or an engine that the test made."""
    project = write_checkout(top, **files)
    run = Run(top / ".imageyard" / "runs" / "20260101T000000.000Z-0000", owner=True)
    return Workplace(project, recipes_of(project), services(client, run=run, engine=engine))
