"""Whether the floating tag of an image may name what this checkout stands for: only the branch's newest commit says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from imageyard.ci.providers.table import provider_of
from imageyard.errors import Transient
from imageyard.project.checkout import Checkout
from imageyard.project.project import load_project
from imageyard.project.recipes import recipes_of
from imageyard.publishing.floating_tag import Branch, tip
from support.building.checkout import CATALOGUE, scene_of

BASE, PROVIDER = "linux-base", provider_of({})


def git(top: Path, *argv: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(top), "-c", "user.name=a", "-c", "user.email=a@b.c", *argv],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def top(tmp_path: Path) -> Path:
    scene_of(tmp_path)
    git(tmp_path, "checkout", "-qb", "main")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def why_not(top: Path, name: str | None = None, image: str = BASE) -> str:
    """Ask for the checkout as it is now, with a catalogue that is read anew."""
    project = load_project(Checkout(top / "images.yml", top))
    recipes = recipes_of(project)
    tag = recipes.index_tag(project.catalogue.images[BASE])
    return Branch(project, PROVIDER, name).why_not(image, tag)


@pytest.mark.parametrize(
    ("name", "image", "why"),
    [
        (None, BASE, ""),
        ("main", BASE, ""),
        ("other", BASE, "other is not protected"),
        ("main", "linux-gone", "main has no such image any more"),
    ],
)
def test_the_branch_of_a_checkout_speaks_for_its_images(top: Path, name: str | None, image: str, why: str) -> None:
    assert why_not(top, name, image) == why


def test_a_commit_that_is_not_the_newest_leaves_the_tag_alone(top: Path) -> None:
    (top / "word").write_text("newer\n")
    git(top, "commit", "-qam", "second")
    (top / "word").write_text("word\n")
    assert why_not(top).startswith("at main it is linux-base-")
    git(top, "checkout", "-q", "--", "word")
    assert why_not(top) == ""
    git(top, "checkout", "-q", "--detach")
    assert why_not(top) == "no branch is checked out (--branch names it)"


def test_a_branch_that_cannot_be_tagged_or_is_gone_leaves_the_tag_alone(top: Path) -> None:
    git(top, "rm", "-q", "word")
    git(top, "commit", "-qm", "broken")
    (top / "word").write_text("word\n")
    assert why_not(top).startswith("at main it cannot be tagged: ")
    git(top, "checkout", "-qb", "elsewhere")
    git(top, "branch", "-qD", "main")
    assert why_not(top, "main") == "main is gone"


def test_the_remote_is_asked_and_not_what_was_fetched_before(
    top: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clone = tmp_path_factory.mktemp("clone") / "it"
    git(top, "clone", "-q", str(top), str(clone))
    (top / "images.yml").write_text(CATALOGUE + "# newer\n")
    git(top, "commit", "-qam", "second")
    newest = git(top, "rev-parse", "HEAD")
    assert tip(clone, "main", PROVIDER) == newest
    assert git(clone, "rev-parse", "HEAD") != newest
    assert tip(clone, "none", PROVIDER) is None
    git(clone, "remote", "set-url", "origin", str(top / "nowhere"))
    with pytest.raises(Transient, match="the remote origin did not answer"):
        tip(clone, "main", PROVIDER)
