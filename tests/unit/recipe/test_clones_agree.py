"""A clone of a repository that nobody wrote gives the tags of the original, wherever its files and args stand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.git import sh
from support.sealed.builds import write
from support.sealed.corpus import CASES
from support.sealed.elsewhere import Repository, repositories
from support.sealed.written import dockerfiles

ROUNDS = max(4, settings.default.max_examples // 20)
"""Repositories that hypothesis writes: 5, and with `--soak` many more."""
TASKS = "from imageyard.cli import namespace\n\nns = namespace()\n"


def tag_of(top: Path) -> str:
    """The tag that `inv tag` prints in a checkout."""
    inv = str(Path(sys.executable).with_name("inv"))
    done = subprocess.run([inv, "tag", "linux", "--json"], cwd=top, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    return str(found["tag"])


@settings(
    max_examples=ROUNDS,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(found=repositories(st.one_of(dockerfiles(), st.sampled_from(CASES))))
def test_a_clone_gives_the_tag_of_the_original(
    found: Repository, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    top = tmp_path_factory.mktemp("clones")
    original = write({**found.files, "tasks.py": TASKS.encode()}, top / "original")
    sh(original, "init", "-q")
    sh(original, "add", "-A")
    sh(original, "commit", "-qm", "all")
    sh(top, "clone", "-q", "original", "clone")

    assert tag_of(original) == tag_of(top / "clone")
    assert tag_of(original).startswith(f"linux-{found.recipe.id[:20]}")


@settings(phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(found=repositories(st.one_of(dockerfiles(), st.sampled_from(CASES))))
def test_where_a_thing_stands_is_no_part_of_the_recipe(found: Repository) -> None:
    """Nor is what stands beside it."""
    assert found.recipe.id == Repository(found.case).recipe.id == found.with_others_changed().recipe.id
