"""What one command reads, and whom it asks: each thing once, and nothing before it is needed."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from imageyard import engine
from imageyard.catalogue import lock
from imageyard.cli import planning
from imageyard.project.checkout import Checkout
from imageyard.project.project import load_project
from imageyard.project.recipes import UNLOCKED, recipes_of
from imageyard.project.row_facts import identify
from imageyard.registry import client
from imageyard.run.services import begin
from imageyard.runs import VARIABLE
from invoke.context import Context

CATALOGUE = """\
registry: {trusted: 127.0.0.1:9/ci/image, branch: 127.0.0.1:9/ci/branch}
mirrors: [127.0.0.1:9/mirror/image]
tag: content
defaults: {arches: [amd64, arm64], checks: {word: {run: cat /word}}}
axes: {plain: {linux, base, child}, digit: {one: {N: 1}, two: {N: 2}}}
images:
  base: {dockerfile: Dockerfile, names: {linux-base: }}
  child:
    dockerfile: child.Dockerfile
    args: {BASE: "image:linux-base"}
    checks: {digit: {run: cat /digit, matches: "{N}"}}
    names: {"linux-child-{one,two}": }
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    monkeypatch.setenv(VARIABLE, "")
    for name in ("CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "images.yml").write_text(CATALOGUE)
    (tmp_path / "images.lock").write_text("")
    (tmp_path / "Dockerfile").write_text("FROM debian:bookworm-slim\nRUN echo word > /word\n")
    (tmp_path / "child.Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nARG N\nRUN echo $N > /digit\n")
    return Checkout(tmp_path / "images.yml", tmp_path)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a lock is read, by the name of its file, and how many clients and engines are made."""
    counts: Counter[str] = Counter()
    read, made, looked = lock.read, client.Client.__init__, engine.Engine.find

    def counting_read(path: Path, *args: str) -> lock.Lock:
        counts[path.name] += 1
        return read(path, *args)

    def counting_init(self: client.Client, **options: object) -> None:
        counts["clients"] += 1
        made(self, **options)  # type: ignore[arg-type]

    def counting_find(*args: Path) -> engine.Engine:
        counts["engines"] += 1
        return looked(*args)

    monkeypatch.setattr(lock, "read", counting_read)
    monkeypatch.setattr(client.Client, "__init__", counting_init)
    monkeypatch.setattr(engine.Engine, "find", counting_find)
    return counts


def workflow_plan(checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: str) -> None:
    """Plan for an event of a protected branch, with two repositories and a mirror at a port that nobody answers at."""
    payload = {"repository": {"full_name": "a/b", "fork": False, "default_branch": "main"}}
    more = {"push": {"ref": "refs/heads/main", "after": "0" * 40}, "schedule": {"schedule": "0 0 * * 0"}}[event]
    (tmp_path / "event.json").write_text(json.dumps(payload | more))
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_REPOSITORY": "a/b",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_SHA": "0" * 40,
    }.items():
        monkeypatch.setenv(name, value)
    planning.plan(Context(), github=True, catalogue=str(checkout.file))


@pytest.mark.usefixtures("fast_back_off")
@pytest.mark.parametrize("event", ["push", "schedule"])
def test_a_workflow_plan_reads_each_lock_once_and_makes_one_client(
    checkout: Checkout,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counted: Counter[str],
    event: str,
) -> None:
    """A weekly build reads no pins of `images.lock`, and what it says of bases: these may have moved since."""
    workflow_plan(checkout, tmp_path, monkeypatch, event)
    assert counted["bases.lock"] == 2, "one for each architecture"
    assert counted["images.lock"] == 1
    assert counted["clients"] <= 1
    assert counted["engines"] == 0


@pytest.fixture
def fast_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that does not answer is given up at once."""
    made = client.Client.__init__
    policy = client.Policy(attempts=1, connect=1.0)

    def init(self: client.Client, **options: object) -> None:
        made(self, **(options | {"policy": policy}))  # type: ignore[arg-type]

    monkeypatch.setattr(client.Client, "__init__", init)


def test_beginning_a_run_asks_nobody_and_writes_nothing(checkout: Checkout, counted: Counter[str]) -> None:
    services = begin(checkout)
    assert not counted
    assert not checkout.state.exists()
    assert services.registry() is services.registry()
    assert counted == {"clients": 1}


def test_reading_a_project_reads_no_lock_and_asks_no_engine(checkout: Checkout, counted: Counter[str]) -> None:
    project = load_project(checkout)
    assert [row.name for row in project.rows("linux-child-*", "arm64")] == ["linux-child-one", "linux-child-two"]
    assert not counted


def test_weekly_is_an_argument_that_is_seen(checkout: Checkout) -> None:
    project = load_project(checkout)
    (checkout.file.parent / "images.lock").write_text(f"debian:bookworm-slim@sha256:{'1' * 64}  # 2026-01-01\n")
    row = project.row("linux-base", "amd64")
    kinds = [recipes.of(row).sources[0].kind for recipes in (recipes_of(project), recipes_of(project, pins=UNLOCKED))]
    assert kinds[0] == "locked"
    assert kinds[1] != "locked"


def test_facts_of_a_row_hold_those_of_its_parents(checkout: Checkout) -> None:
    project = load_project(checkout)
    recipes = recipes_of(project)
    facts = identify(recipes, project.row("linux-child-two", "amd64"))
    (parent,) = facts.parents
    assert (facts.title, parent.title) == ("linux-child-two amd64", "linux-base amd64")
    assert (facts.tag, parent.tag) == (recipes.tag(facts.row), recipes.tag(parent.row))
    assert [check.name for check in facts.checks] == ["word", "digit"]
    assert facts.check_args["N"] == "2"
    assert facts.inputs == {"linux/amd64": facts.recipe.inputs}


def test_docker_arguments_change_the_tag_of_a_row_and_not_of_its_parents(checkout: Checkout) -> None:
    project = load_project(checkout)
    recipes = recipes_of(project)
    row = project.row("linux-child-two", "amd64")
    plain, passed = identify(recipes, row), identify(recipes, row, passed=("--pull",))
    assert passed.tag != plain.tag
    assert passed.tag.endswith("-local")
    assert passed.parents == plain.parents
