"""Differences between recipes in words, and a recipe as text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from imageyard.recipe.model import File, Recipe, Source
from imageyard.recipe.words import changes, explain

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"

RECIPE = Recipe(
    v=2,
    platform="linux/amd64",
    dockerfile="debian/Dockerfile",
    target="gcc",
    args={"BASE": "debian:bookworm-slim", "PYTHON_VERSION": "3.11"},
    files=(
        File("common/install_python.sh", "exec", "1" * 64),
        File("debian/install.sh", "file", "2" * 64),
        File("latest", "link", "3" * 64),
        File("tools//make.sh", "file", "4" * 64),
    ),
    sources=(
        Source("debian:bookworm-slim", "locked", A),
        Source("linux-bookworm-base", "parent", "5" * 64),
        Source("tools", "directory", "tools"),
    ),
    frontend=None,
    secrets=("ca",),
    epoch="",
)


def with_file(path: str, mode: str, digest: str) -> Recipe:
    files = tuple(File(path, mode, digest) if file.path == path else file for file in RECIPE.files)  # type: ignore[arg-type]
    return replace(RECIPE, files=files)


def with_source(name: str, kind: str, value: str) -> Recipe:
    new = Source(name, kind, value)  # type: ignore[arg-type]
    return replace(RECIPE, sources=tuple(new if source.name == name else source for source in RECIPE.sources))


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (RECIPE, []),
        (replace(RECIPE, local=True, unpinned=("x",), unused_args=("Y",)), []),
        (with_file("common/install_python.sh", "exec", "9" * 64), ["common/install_python.sh changed"]),
        (with_file("common/install_python.sh", "file", "1" * 64), ["common/install_python.sh is no longer executable"]),
        (with_file("debian/install.sh", "exec", "2" * 64), ["debian/install.sh became executable"]),
        (
            with_file("debian/install.sh", "exec", "9" * 64),
            ["debian/install.sh changed", "debian/install.sh became executable"],
        ),
        (with_file("latest", "link", "9" * 64), ["latest points elsewhere"]),
        (with_file("latest", "file", "9" * 64), ["latest became a file"]),
        (with_file("debian/install.sh", "link", "9" * 64), ["debian/install.sh became a link"]),
        (with_file("tools//make.sh", "file", "9" * 64), ["make.sh in the context tools changed"]),
        (replace(RECIPE, files=RECIPE.files[:-1]), ["make.sh in the context tools removed"]),
        (replace(RECIPE, files=(*RECIPE.files, File("x.sh", "file", "6" * 64))), ["x.sh added"]),
        (replace(RECIPE, args={**RECIPE.args, "PYTHON_VERSION": "3.12"}), ["PYTHON_VERSION: 3.11 -> 3.12"]),
        (replace(RECIPE, args={**RECIPE.args, "PYTHON_VERSION": ""}), ['PYTHON_VERSION: 3.11 -> ""']),
        (replace(RECIPE, args={**RECIPE.args, "TRITON": "yes"}), ["TRITON: not set -> yes"]),
        (
            with_source("debian:bookworm-slim", "locked", B),
            ["base debian:bookworm-slim moved (sha256:aaaaaaaaaaaa… -> sha256:bbbbbbbbbbbb…)"],
        ),
        (
            with_source("debian:bookworm-slim", "standin", B),
            ["source debian:bookworm-slim: locked at sha256:aaaaaaaaaaaa… -> stand-in sha256:bbbbbbbbbbbb…"],
        ),
        (
            with_source("debian:bookworm-slim", "unlocked", "debian:bookworm-slim"),
            ["source debian:bookworm-slim: locked at sha256:aaaaaaaaaaaa… -> not locked"],
        ),
        (with_source("linux-bookworm-base", "parent", "6" * 64), ["parent linux-bookworm-base changed"]),
        (with_source("tools", "directory", "new/tools"), ["source tools: folder tools -> folder new/tools"]),
        (replace(RECIPE, sources=RECIPE.sources[1:]), ["source debian:bookworm-slim removed"]),
        (replace(RECIPE, target=None, dockerfile="Dockerfile", build_args={"TEST_BASE": "debian:trixie"}), []),
        (replace(RECIPE, text="7" * 64), ["the Dockerfile's text changed, and its frontend may read all of it"]),
        (replace(RECIPE, frontend="docker/dockerfile:1"), ["frontend: not set -> docker/dockerfile:1"]),
        (replace(RECIPE, epoch="2"), ['epoch: "" -> 2']),
        (replace(RECIPE, secrets=()), ["secret ca removed"]),
        (replace(RECIPE, v=3, args={}), ["the recipe's format: 2 -> 3, which gives every image another tag"]),
    ],
)
def test_changes_in_words(new: Recipe, words: list[str]) -> None:
    assert changes(RECIPE, new) == words
    assert (RECIPE.id == new.id) == (not words)


def test_a_recipe_as_text() -> None:
    text = explain(replace(RECIPE, epoch="2", local=True, unpinned=("ADD https://x/y has no --checksum",)))

    assert text.splitlines() == [
        f"recipe {replace(RECIPE, epoch='2').id} (format 2)",
        "  platform    linux/amd64",
        "  Dockerfile  debian/Dockerfile, target gcc",
        "  epoch       2",
        "  sources:",
        "    debian:bookworm-slim: locked at sha256:aaaaaaaaaaaa…",
        "    linux-bookworm-base: parent with recipe 555555555555…",
        "    tools: folder tools",
        "  args:",
        "    BASE=debian:bookworm-slim",
        "    PYTHON_VERSION=3.11",
        "  secrets:",
        "    ca",
        "  files:",
        "    111111111111 x common/install_python.sh",
        "    222222222222   debian/install.sh",
        "    333333333333 l latest",
        "    444444444444   make.sh in the context tools",
        "  outside the seal:",
        "    ADD https://x/y has no --checksum",
        "  for this machine only: the tag ends in -local",
    ]
