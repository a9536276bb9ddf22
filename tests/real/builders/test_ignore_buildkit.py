"""`.dockerignore` on the real BuildKit: the recorded cases, cases made at random, and which file counts."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from imageyard.builders import buildx
from imageyard.recipe import ignore
from imageyard.treebase import DictTree, Placed
from support.engine.private import PrivateEngine

pytestmark = pytest.mark.engine

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "dockerignore.json").read_text(encoding="utf-8"))
FILES: list[str] = GOLDEN["files"]

Build = Callable[..., "list[str] | None"]


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the recorded cases."""
    folder = tmp_path_factory.mktemp("context")
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


@pytest.fixture
def build(docker_engine: PrivateEngine, tmp_path: Path) -> Build:
    """The files that a build sees of a context, or None where BuildKit refuses the ignore file."""

    def run(context: Path, text: str | None, dockerfile: Path | None = None) -> list[str] | None:
        if dockerfile is None:
            dockerfile = tmp_path / "Dockerfile"
            dockerfile.write_text("FROM scratch\nCOPY . /\n")
        if text is not None:
            dockerfile.with_name(f"{dockerfile.name}.dockerignore").write_bytes(text.encode())
        argv = [buildx.find(), "build", "--builder=default", "--progress=plain", "-f", str(dockerfile)]
        done = subprocess.run(
            [*argv, "--output=type=tar,dest=-", str(context)],
            env={**os.environ, **docker_engine.env, "BUILDX_CONFIG": str(tmp_path / "buildx")},
            capture_output=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode()
            assert "pattern" in said or "regexp" in said, said
            return None
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            return sorted(member.name for member in tar if not member.isdir())

    return run


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: repr(case["ignore"]))
def test_recorded(case: dict[str, Any], context: Path, build: Build) -> None:
    expected = None if case.get("refused") else sorted(set(FILES) - set(case["excluded"]))
    assert build(context, str(case["ignore"])) == expected


PARTS = [
    "a",
    "b",
    "c",
    "e",
    "f",
    "x",
    "y",
    "z",
    "foo",
    "docs",
    "api",
    "*",
    "**",
    "?",
    "*o",
    "f*",
    "[a-c]",
    "*.txt",
    "**o",
    "[^a]",
    "a**",
]


@pytest.mark.parametrize("seed", range(20))
def test_made_at_random(seed: int, context: Path, build: Build) -> None:
    dice = random.Random(seed)
    text = "".join(
        dice.choice(["", "", "!"]) + "/".join(dice.choices(PARTS, k=dice.randint(1, 3))) + "\n"
        for _ in range(dice.randint(1, 7))
    )
    excludes = ignore.parse(text.encode(), ".dockerignore").excludes
    assert build(context, text) == sorted(path for path in FILES if not excludes(path)), text


@pytest.mark.parametrize(
    ("ignores", "dockerfile"),
    [
        ({".dockerignore": "a"}, "Dockerfile"),
        ({".dockerignore": "a", "Dockerfile.dockerignore": "b"}, "Dockerfile"),
        ({".dockerignore": "a", "Dockerfile.dockerignore": ""}, "Dockerfile"),
        ({".dockerignore": "a", "d/x.dockerignore": "b"}, "d/x"),
        ({".dockerignore": "a", "d/.dockerignore": "b"}, "d/x"),
        ({".dockerignore": "*"}, "Dockerfile"),
        ({".dockerignore": "Dockerfile\n.dockerignore\na"}, "Dockerfile"),
    ],
)
def test_which_file_counts(ignores: dict[str, str], dockerfile: str, tmp_path: Path, build: Build) -> None:
    files = {"a": b"", "b": b"", dockerfile: b"FROM scratch\nCOPY . /\n", **{k: v.encode() for k, v in ignores.items()}}
    top = tmp_path / "context"
    for name, data in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(data)
    tree = DictTree(files)
    expected = ignore.load(tree, Placed(tree, f"{dockerfile}.dockerignore")).filter(tree.entries())
    assert build(top, None, top / dockerfile) == list(expected)


def test_an_ignore_file_that_is_a_link(tmp_path: Path, build: Build) -> None:
    top = tmp_path / "context"
    (top / "d").mkdir(parents=True)
    (top / "a").write_text("")
    (top / "d" / "list").write_text("a")
    (top / ".dockerignore").symlink_to("d/list")
    (top / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    assert build(top, None, top / "Dockerfile") == [".dockerignore", "Dockerfile", "d/list"]
