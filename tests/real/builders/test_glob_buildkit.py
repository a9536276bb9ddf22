"""The wildcards of COPY on the real BuildKit."""

from __future__ import annotations

import io
import os
import random
import subprocess
import tarfile
from pathlib import Path

import pytest
from imageyard.builders import buildx
from imageyard.recipe import glob
from support.engine.private import PrivateEngine

pytestmark = pytest.mark.engine

NAMES = [
    "a",
    "ab",
    "abc",
    "a☺b",
    "☺",
    "ü",
    "a-b",
    "a]b",
    "[x]",
    "a*b",
    "a?b",
    "a\\b",
    "b",
    "ba",
    "axb",
    "é1",
    "^a",
    "!a",
    "-",
    ".a",
]
PARTS = ["a", "b", "*", "?", "[ab]", "[^b]", "☺", "[a-z]", r"\*", "[☺]", r"\?"]


def made(seed: int) -> str:
    dice = random.Random(seed)
    return "".join([dice.choice(["*", "?", "[ab]", "[^b]"]), *dice.choices(PARTS, k=dice.randint(0, 3))])


@pytest.mark.parametrize(
    "pattern",
    ["*??", "?", "??", "*[☺]",
     "[a-ü]*", "[^a]*", "*[^☺]", r"\[?\]", r"a\*b*", r"[\]a-c]*", r"a[\]]b", "[!a]*", r"[\-^]*",
     "*☺", "*?b", "*??b", "a???b", "a?b", ".*", "**", "***", *(made(seed) for seed in range(25))],
)  # fmt: skip
def test_wildcard(pattern: str, docker_engine: PrivateEngine, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    for name in NAMES:
        (context / name).write_text("x")
    (tmp_path / "Dockerfile").write_text(f"# escape=`\nFROM scratch\nCOPY {pattern} /\n")
    done = subprocess.run(
        [
            buildx.find(),
            "build",
            "--builder=default",
            "-f",
            str(tmp_path / "Dockerfile"),
            "--output=type=tar,dest=-",
            str(context),
        ],
        env={**os.environ, **docker_engine.env, "BUILDX_CONFIG": str(tmp_path / "buildx")},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        assert sorted(member.name for member in tar) == sorted(name for name in NAMES if glob.match(pattern, name))
