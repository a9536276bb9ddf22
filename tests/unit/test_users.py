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
from imageyard.project.workspace import Workspace
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
def workspace(tmp_path: Path) -> Workspace:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    for name, text in FILES.items():
        file = tmp_path / ".ci" / "docker" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Workspace.find(start=tmp_path)


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
def test_the_images_that_use_a_file(workspace: Workspace, file: str, images: list[str]) -> None:
    assert [row.name for row in users(workspace, f".ci/docker/{file}")] == images


def test_a_frontend_without_a_digest_is_not_pinned(workspace: Workspace) -> None:
    recipe = workspace.recipes().of(workspace.row("linux-two", "amd64"))

    assert recipe.unpinned == ("the frontend docker/dockerfile:1 has no digest",)


def test_a_set_that_breaks_a_recipe_is_not_said_to_change_nothing(workspace: Workspace) -> None:
    rows, values = workspace.rows("linux-two"), {"DEPTH": "9"}

    refuse_unused(workspace, rows, values)
    with pytest.raises(ConfigurationError, match=r"data/9\*"):
        describe.tags(workspace, "linux-two", None, values, as_json=False)


def test_a_secret_file_is_named_from_the_top(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = workspace.row("linux-one", "amd64")
    with pytest.raises(EnvironmentLacks, match="the secret token is not there: file:secret"):
        source_contexts.secrets(row, workspace.top)

    (tmp_path / "secret").write_text("value\n")
    assert source_contexts.secrets(row, workspace.top) == (("token", "file", str(tmp_path / "secret")),)

    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    with pytest.raises(EnvironmentLacks, match="the secret token cannot be read"):
        source_contexts.secrets(row, workspace.top)


def test_rows_are_listed_where_the_listing_cannot_be_kept(workspace: Workspace) -> None:
    for in_the_way in (workspace.state / "listing.json", workspace.state):
        in_the_way.mkdir(parents=True)
        assert [row.name for row in workspace.listed()] == ["linux-one", "linux-two", "linux-broken"]
        shutil.rmtree(workspace.state)
        workspace.state.write_text("a file")
        assert len(workspace.listed()) == 3
        workspace.state.unlink()
