"""What `docker build` is asked for: command lines, and what is read from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imageyard.adopt.docker_command import BuildCommand, build_command

ENVIRON = {"EXPORTED": "from outside", "EMPTY": ""}


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("build .", BuildCommand(".")),
        ("buildx build folder", BuildCommand("folder")),
        ("image build -f a/Dockerfile ..", BuildCommand("..", "a/Dockerfile")),
        ("builder build -fa/Dockerfile .", BuildCommand(".", "a/Dockerfile")),
        ("buildx b --file=a/Dockerfile .", BuildCommand(".", "a/Dockerfile")),
        ("build -qf a/Dockerfile .", BuildCommand(".", "a/Dockerfile", others=("-q",))),
        ("build -f a -f b .", BuildCommand(".", "b")),
        ("-H tcp://other:2375 --context other -D build .", BuildCommand(".")),
        ("build --build-arg A=1 --build-arg B=x=y .", BuildCommand(".", args={"A": "1", "B": "x=y"})),
        ("build --build-arg A= --build-arg=A=2 .", BuildCommand(".", args={"A": "2"})),
        (
            "build --build-arg EXPORTED --build-arg EMPTY --build-arg UNKNOWN .",
            BuildCommand(".", args={"EXPORTED": "from outside", "EMPTY": ""}),
        ),
        ("build --target test .", BuildCommand(".", target="test")),
        ("build --no-cache .", BuildCommand(".", no_cache=True)),
        ("build --no-cache=false .", BuildCommand(".")),
        ("build --platform linux/amd64,linux/arm64 .", BuildCommand(".", platforms=("linux/amd64", "linux/arm64"))),
        ("build --build-context pins=../pins .", BuildCommand(".", contexts={"pins": "../pins"})),
        (
            "buildx build --progress plain --push -t some:tag --cache-to type=inline .",
            BuildCommand(".", others=("--progress", "--push", "--tag", "--cache-to")),
        ),
        ("build --pull -- .", BuildCommand(".", others=("--pull",))),
        ("build -", BuildCommand("-")),
    ],
)
def test_builds(line: str, command: BuildCommand) -> None:
    assert build_command(line.split(), ENVIRON) == command


@pytest.mark.parametrize(
    "line",
    ["", "images -q some:tag", "buildx create --use", "buildx bake", "run debian true", "build", "build a b", "-D"],
)
def test_other_commands(line: str) -> None:
    assert build_command(line.split(), ENVIRON) is None


@given(st.lists(st.text()))
def test_any_words_are_read_or_not_a_build(argv: list[str]) -> None:
    for line in (argv, ["build", *argv]):
        found = build_command(line, ENVIRON)
        assert found is None or found.context in line
