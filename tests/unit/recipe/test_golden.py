"""Whole recipes, byte for byte: what decides a tag must not depend on the Python that works it out.

Each file in `tests/golden/recipes` is `{row: canonical record}` of one context below. A difference here gives every
image of every user another tag: then the format version has to change too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imageyard.catalogue import text
from imageyard.catalogue.expand import expand
from imageyard.catalogue.lock import parse
from imageyard.recipe.recipe import Recipes
from imageyard.tree import DictTree, Link
from support.stand_ins import PinnedStandIns

GOLDEN = Path(__file__).parents[2] / "golden" / "recipes"

HEAD = "registry: registry.example/ci\ndefaults: {arches: [amd64, arm64]}\n"
DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha256:" + "fedcba9876543210" * 4

# name -> catalogue, files, lock
CONTEXTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "parents": (
        HEAD
        + """\
axes:
  os: {bookworm: {}, trixie: {}}
  python: {"py{3.11,3.13}": {PYTHON_VERSION: "{}"}}
  compiler: {"gcc{12,13}": {GCC_VERSION: "{}"}, clang16: {CLANG_VERSION: 16}}
  plain: {linux, base}
images:
  base:
    dockerfile: base.Dockerfile
    args: {BASE: "debian:{os}-slim"}
    names:
      linux-{os}-base:
  debian:
    dockerfile: debian/Dockerfile
    args: {BASE: "image:linux-{os}-base"}
    secrets: {ca: {source: "file:/etc/ssl/ca.pem"}}
    names:
      linux-bookworm-py3.11-gcc12: {target: gcc}
      linux-bookworm-py3.11-clang16: {target: clang}
      linux-trixie-py3.13-gcc13: {target: gcc, epoch: 2}
""",
        {
            "base.Dockerfile": b"ARG BASE\nFROM ${BASE}\nCOPY common/base.sh /\nRUN /base.sh\n",
            "debian/Dockerfile": b"ARG BASE\nFROM ${BASE} AS python\nARG PYTHON_VERSION\n"
            b"RUN --mount=type=bind,source=common/python.sh,target=/p.sh /p.sh ${PYTHON_VERSION}\n"
            b"FROM python AS gcc\nARG GCC_VERSION\nCOPY common/gcc-${GCC_VERSION}*.sh common/l\xc3\xa4nge.sh /tmp/\n"
            b"FROM python AS clang\nARG CLANG_VERSION=18\nADD common/clang /tmp/clang\n",
            "common/base.sh": (b"#!/bin/sh\n", True),
            "common/python.sh": (b"#!/bin/sh\npython\n", True),
            "common/gcc-12.sh": b"12\n",
            "common/gcc-13.sh": b"13\n",
            "common/gcc-13-more.sh": (b"more\n", True),
            "common/länge.sh": b"utf-8\n",
            "common/clang/install.sh": b"clang\n",
            "common/clang/latest": Link("install.sh"),
            "README.md": b"not read\n",
        },
        f"debian:bookworm-slim@{DIGEST}\ndocker.io/library/debian:trixie-slim@{OTHER}\n",
    ),
    "forms": (
        HEAD
        + """\
axes: {plain: {linux, parents, exclude, contexts, frontend, unlocked, onbuild, tools}}
images:
  f:
    arches: [amd64]
    names:
      linux-parents: {dockerfile: parents.Dockerfile}
      linux-exclude: {dockerfile: exclude.Dockerfile}
      linux-contexts: {dockerfile: contexts.Dockerfile, contexts: {tools: lib/tools, pinned: "docker-image://debian:1"}}
      linux-frontend: {dockerfile: frontend.Dockerfile}
      linux-unlocked: {dockerfile: unlocked.Dockerfile}
      linux-onbuild: {dockerfile: onbuild.Dockerfile}
""",
        {
            "parents.Dockerfile": b"FROM scratch\nCOPY --parents lib/*/a.txt lib/./tools/deep/b.txt /\n",
            "exclude.Dockerfile": b"FROM scratch\nCOPY --exclude=**/*.md --exclude=tools/deep lib /\n",
            "contexts.Dockerfile": b"FROM pinned\nCOPY --from=tools a.txt deep /\nCOPY lib/other/a.txt /\n",
            "frontend.Dockerfile": b"# syntax=docker/dockerfile:1.7\n# escape=`\nFROM scratch\n"
            b"COPY lib/other/a.txt `\n /\n",
            "unlocked.Dockerfile": b"FROM busybox\nCOPY --from=ghcr.io/acme/tool:1 /t /t\n"
            b"ADD https://user:pw@example.org/x.tgz /\nCOPY link /\n",
            "onbuild.Dockerfile": b"FROM scratch AS p\nONBUILD COPY lib/other/a.txt /\nFROM p\n",
            "lib/tools/a.txt": b"a\n",
            "lib/tools/README.md": b"md\n",
            "lib/tools/deep/b.txt": b"b\n",
            "lib/other/a.txt": b"other\n",
            "link": Link("lib/other"),
        },
        f"debian:1@{DIGEST}\n",
    ),
}


def made(name: str) -> dict[str, Any]:
    source, files, lock = CONTEXTS[name]
    catalogue = expand(text.parse(source.encode(), "images.yml")).catalogue
    tree = DictTree(files)
    recipes = Recipes(catalogue, lambda context: tree, parse(lock), PinnedStandIns())
    return {f"{row.name} {row.arch}": json.loads(recipes.of(row).canonical()) for row in catalogue.rows}


def written(records: dict[str, Any]) -> str:
    """One file of the folder: sorted, indented, so that a difference can be read."""
    return json.dumps(records, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", CONTEXTS)
def test_recipes_are_as_they_were(name: str) -> None:
    assert written(made(name)) == (GOLDEN / f"{name}.json").read_text("utf-8")


def test_ids_are_as_they_were() -> None:
    source, files, lock = CONTEXTS["parents"]
    catalogue = expand(text.parse(source.encode(), "images.yml")).catalogue
    recipes = Recipes(catalogue, lambda context: DictTree(files), parse(lock), PinnedStandIns())
    tags = [recipes.tag(row) for row in catalogue.rows]

    assert tags == (GOLDEN / "tags.txt").read_text().split()


def test_credentials_in_a_url_are_in_no_word() -> None:
    source, files, lock = CONTEXTS["forms"]
    catalogue = expand(text.parse(source.encode(), "images.yml")).catalogue
    recipes = Recipes(catalogue, lambda context: DictTree(files), parse(lock), PinnedStandIns())
    row = next(row for row in catalogue.rows if row.name == "linux-unlocked")

    assert recipes.of(row).unpinned == (
        "ADD https://example.org/x.tgz has no --checksum (unlocked.Dockerfile:3)",
        "busybox is not locked",
        "ghcr.io/acme/tool:1 is not locked",
    )
