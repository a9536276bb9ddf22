"""Dockerfiles of every form that BuildKit's built-in frontend knows, and the context that they are built from.

`corpus/sealed/NAME.Dockerfile` ends in what else a build is given: `# args: NAME=VALUE ...`, `# target: STAGE`,
`# contexts: NAME=FOLDER`. `NAME.dockerignore` beside it becomes the Dockerfile's own ignore file.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from imageyard.catalogue import text
from imageyard.catalogue.expand import expand
from imageyard.catalogue.lock import Lock
from imageyard.catalogue.model import Catalogue
from imageyard.recipe.model import Recipe
from imageyard.recipe.recipe import Recipes
from imageyard.treebase import DictTree, Link, Tree
from support.stand_ins import PinnedStandIns

__all__ = ["BUSYBOX", "CASES", "CONTEXT", "RECORDED", "Case", "Content", "recipe_of", "tag_of", "tree_of"]

Content: TypeAlias = "bytes | tuple[bytes, bool] | Link"

BUSYBOX = "imageyard.local/base/busybox:1"
"""What files with a RUN start from, as in the fixture `busybox_base`."""

_IGNORE = ".dockerignore"
_TESTS = Path(__file__).parents[2]
_EXTRA = re.compile(rb"^# (args|target|contexts): (.*?)\r?$", re.MULTILINE)


def _archive(mode: str) -> bytes:
    spool = io.BytesIO()
    with tarfile.open(fileobj=spool, mode=mode) as tar:  # type: ignore[call-overload]
        for path, data in (("packed/one.txt", b"one\n"), ("packed/two.txt", b"two\n")):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return spool.getvalue()


CONTEXT: Mapping[str, Content] = {
    "common/install.sh": (b"#!/bin/sh\necho installed\n", True),
    "common/versions.txt": b"1.2.3\n",
    "common/link.sh": Link("install.sh"),
    "conf/a.conf": b"a\n",
    "conf/b.conf": b"b\n",
    "conf/[odd].conf": b"odd\n",
    "conf.d": Link("conf"),
    "src/main.c": b"int main() { return 0; }\n",
    "src/util.c": b"int util;\n",
    "src/notes.md": b"# Notes\n",
    "src/deep/er/data.bin": bytes(range(256)),
    "arch/amd64.txt": b"amd64\n",
    "arch/arm64.txt": b"arm64\n",
    "archive.tar": _archive("w"),
    "archive.tar.gz": _archive("w:gz"),
    "name with space.txt": b"space\n",
    "ünïcode.txt": b"u\n",
    "requirements.txt": b"nox\n",
    "other/unused.txt": b"unused\n",
    "other/unused.sh": (b"#!/bin/sh\n", True),
    "vendor/lib/x.txt": b"x\n",
    "vendor/lib/inner/y.txt": b"y\n",
}


@dataclass(frozen=True, repr=False)
class Case:
    """A Dockerfile with what its build is given beside it; `apart`: it stands outside its context."""

    name: str
    dockerfile: bytes
    context: Mapping[str, Content] = field(default_factory=lambda: CONTEXT)
    args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    contexts: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False

    @property
    def files(self) -> dict[str, Content]:
        """The whole context, the Dockerfile in it unless it stands apart."""
        return self.context_files if self.apart else {**self.context, "Dockerfile": self.dockerfile}

    @property
    def context_files(self) -> dict[str, Content]:
        """The context without the Dockerfile and its own ignore file."""
        return {path: content for path, content in self.context.items() if path != f"Dockerfile{_IGNORE}"}

    @property
    def dockerfiles(self) -> dict[str, Content]:
        """The Dockerfile, and its own ignore file where it has one, by the end of their names."""
        ignore = self.context.get(f"Dockerfile{_IGNORE}")
        return {"": self.dockerfile, **({} if ignore is None else {_IGNORE: ignore})}

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        ignore = self.context.get("Dockerfile.dockerignore")
        return f"{self.name}: {self.dockerfile!r}, {dict(self.args)}, target {self.target}, ignore {ignore!r}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # hypothesis prints dataclasses by their fields: here the whole context


def _case(path: Path) -> Case:
    data = path.read_bytes()
    found = {key.decode(): value.decode() for key, value in _EXTRA.findall(data)}
    ignore = path.with_suffix(".dockerignore")
    context = {**CONTEXT, "Dockerfile.dockerignore": ignore.read_bytes()} if ignore.exists() else CONTEXT
    args = dict(pair.split("=", 1) for pair in found.get("args", "").split())
    contexts = dict(pair.split("=", 1) for pair in found.get("contexts", "").split())
    return Case(path.stem, data, context, args, found.get("target"), contexts)


def _recorded() -> list[Case]:
    record: dict[str, Any] = json.loads((_TESTS / "golden" / "buildkit-reads.json").read_text("utf-8"))
    files: dict[str, Content] = {path: path.encode() for path in record["files"]}
    context = {**files, **{path: Link(target) for path, target in record["links"].items()}}
    return [
        Case(f"recorded-{number}", case["dockerfile"].encode(), context, case.get("args", {}), case.get("target"))
        for number, case in enumerate(record["cases"])
        if "reads" in case
    ]


CASES = [_case(path) for path in sorted((_TESTS / "corpus" / "sealed").glob("*.Dockerfile"))]
RECORDED = _recorded()
"""Those of `golden/buildkit-reads.json` that BuildKit builds. Their busybox is none: they can be read, not run."""


@cache
def _catalogue(target: str | None, contexts: tuple[tuple[str, str], ...]) -> Catalogue:
    fields = {
        "dockerfile": "Dockerfile",
        "context": ".",
        "arches": ["amd64"],
        "contexts": dict(contexts),
        "names": {"linux": None},
        **({"target": target} if target else {}),
    }
    root = {"axes": {"plain": {"linux": None}}, "images": {"family": fields}}
    data = json.dumps(root).replace("null", "~")
    return expand(text.parse(data.encode(), "images.yml")).catalogue


def tree_of(case: Case) -> DictTree:
    """The whole context as a tree."""
    return DictTree(case.files)


def recipe_of(case: Case, tree: Tree | None = None, args: Mapping[str, str] | None = None) -> Recipe:
    """The recipe of a build of the case; `args` in place of the case's own."""
    whole = tree or tree_of(case)
    catalogue = _catalogue(case.target, tuple(case.contexts.items()))
    given = case.args if args is None else args
    recipes = Recipes(catalogue, lambda _: whole, Lock(), PinnedStandIns(), given, assumed=Lock())
    return recipes.of(catalogue.rows[0])


def tag_of(case: Case, tree: Tree | None = None, args: Mapping[str, str] | None = None) -> str:
    """What its tag is made of: the recipe's id."""
    return recipe_of(case, tree, args).id
