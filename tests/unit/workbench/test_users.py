"""Which images use a file, and which `--set` is used: in a repository with a named context and a broken Dockerfile."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from imageyard.building import source_contexts
from imageyard.errors import ConfigurationError, EnvironmentLacks
from imageyard.project.options import refuse_unused
from imageyard.project.project import Project, find_project
from imageyard.project.recipes import recipes_of
from imageyard.project.row_list import row_list
from imageyard.queries import describe
from imageyard.workbench.test_dockerfile import users

FILES = {
    "images.yml": """\
defaults: {arches: [amd64]}
axes: {plain: {linux, one, two, broken}}
images:
  one:
    dockerfile: one/Dockerfile
    contexts: {extra: data}
    secrets: {token: {source: "file:secret"}}
    names: {linux-one: }
  two: {dockerfile: two/Dockerfile, args: {BASE: "image:linux-one", DEPTH: 1}, names: {linux-two: }}
  broken: {dockerfile: broken/Dockerfile, names: {linux-broken: }}
""",
    "one/Dockerfile": "FROM scratch\nCOPY --from=extra file /\n",
    "two/Dockerfile": "# syntax=docker/dockerfile:1\nARG BASE\nFROM ${BASE}\nARG DEPTH\nCOPY file data/${DEPTH}* /\n",
    "broken/Dockerfile": "FROM scratch\nCOPY missing /\n",
    "data/file": "of the named context\n",
    "data/1": "one\n",
    "file": "of the context\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    for name, text in FILES.items():
        file = tmp_path / ".ci" / "docker" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return find_project(start=tmp_path)


@pytest.mark.parametrize(
    ("file", "images"),
    [
        ("data/file", ["linux-one"]),
        ("file", ["linux-two"]),
        ("one/Dockerfile", ["linux-one"]),
        ("broken/Dockerfile", ["linux-broken"]),
        ("images.yml", []),
    ],
)
def test_the_images_that_use_a_file(project: Project, file: str, images: list[str]) -> None:
    assert [row.name for row in users(project, recipes_of(project), f".ci/docker/{file}")] == images


def test_a_frontend_without_a_digest_is_not_pinned(project: Project) -> None:
    recipe = recipes_of(project).of(project.row("linux-two", "amd64"))

    assert recipe.unpinned == ("the frontend docker/dockerfile:1 has no digest",)


def test_a_set_that_breaks_a_recipe_is_not_said_to_change_nothing(project: Project) -> None:
    rows, values = project.rows("linux-two"), {"DEPTH": "9"}

    refuse_unused(recipes_of(project, values), rows, values)
    with pytest.raises(ConfigurationError, match=r"data/9\*"):
        describe.tags(project, recipes_of(project, values), "linux-two", None, values, as_json=False)


def test_a_secret_file_is_named_from_the_top(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = project.row("linux-one", "amd64")
    with pytest.raises(EnvironmentLacks, match="the secret token is not there: file:secret"):
        source_contexts.secrets(row, project.top)

    (tmp_path / "secret").write_text("value\n")
    assert source_contexts.secrets(row, project.top) == (("token", "file", str(tmp_path / "secret")),)

    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    with pytest.raises(EnvironmentLacks, match="the secret token cannot be read"):
        source_contexts.secrets(row, project.top)


def test_rows_are_listed_where_the_listing_cannot_be_kept(project: Project) -> None:
    for in_the_way in (project.state / "listing.json", project.state):
        in_the_way.mkdir(parents=True)
        assert [row.name for row in row_list(project)] == ["linux-one", "linux-two", "linux-broken"]
        shutil.rmtree(project.state)
        project.state.write_text("a file")
        assert len(row_list(project)) == 3
        project.state.unlink()
