"""What a change is compared with: the base of a pull request or of a merge queue, as far as the clone has it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from imageyard.ci.base import base, known_base
from imageyard.ci.providers.github.provider import GitHub
from imageyard.console import Story
from imageyard.project.project import Project
from support.building.checkout import write_checkout
from support.github.event import github

NAMES = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
UNKNOWN = "what this pull request changes is not known here"


def git(top: Path, *argv: str) -> str:
    done = subprocess.run(["git", *NAMES, *argv], cwd=top, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """At the merge of two branches."""
    made = write_checkout(tmp_path)
    for name in ("first", "topic"):
        git(tmp_path, "add", "--all")
        git(tmp_path, "commit", "--quiet", "--allow-empty", f"--message={name}")
    tree, parents = git(tmp_path, "rev-parse", "HEAD^{tree}"), ("-p", "HEAD^", "-p", "HEAD")
    git(tmp_path, "reset", "--quiet", git(tmp_path, "commit-tree", tree, *parents, "-m", "Merge"))
    return made


def provider(folder: Path, name: str, **payload: Any) -> GitHub:
    events = folder.parent / "events"
    events.mkdir(exist_ok=True)
    return GitHub(github(events, name, payload))


def test_a_pull_request_is_compared_with_the_first_parent_of_its_merge(project: Project) -> None:
    assert known_base(project, provider(project.top, "pull_request")) == "HEAD^1"


@pytest.mark.parametrize("strategy", ["merge", "squash"])
def test_a_merge_queue_names_what_it_tries_a_change_on(project: Project, strategy: str) -> None:
    """A squashed group has one parent."""
    top = project.top
    if strategy == "squash":
        git(top, "reset", "--quiet", "HEAD^2")
    on = git(top, "rev-parse", "HEAD^")
    queue = provider(top, "merge_group", merge_group={"base_sha": on})
    assert base(project, Story(), queue) == known_base(project, queue) == on


@pytest.mark.parametrize("group", [{"base_sha": "--all"}, {"base_sha": None}, {}, None])
def test_a_group_without_a_commit_has_no_base(project: Project, group: object) -> None:
    assert known_base(project, provider(project.top, "merge_group", merge_group=group)) is None


@pytest.mark.parametrize("name", ["pull_request", "merge_group"])
def test_what_the_clone_does_not_have_is_not_compared_with_and_that_is_said(
    project: Project, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    git(project.top, "reset", "--quiet", "HEAD^1")
    asked = provider(project.top, name, merge_group={"base_sha": "c0ffee00" * 5})
    assert base(project, Story(), asked) is None
    assert UNKNOWN in capsys.readouterr().err


def test_a_push_is_compared_with_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert base(project, Story(), provider(project.top, "push")) is None
    assert UNKNOWN not in capsys.readouterr().err
