"""Many Dockerfiles on a real BuildKit: from a whole folder, and from the sealed files of their recipe."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from imageyard.builders import buildx
from imageyard.building.sealed_context import seal
from imageyard.recipe.model import Recipe
from imageyard.treebase import Link, Tree
from support.engine.private import PrivateEngine
from support.sealed.corpus import Case, Content, recipe_of, tree_of
from support.sealed.elsewhere import Repository

__all__ = ["Builds", "Image", "Result", "write"]

Result: TypeAlias = "dict[str, tuple[bytes, int, int, int, str, bytes]]"
"""What is in an image by path: kind, mode, owner, group, link and bytes."""

_REFUSED = re.compile(r"target case(\d+): ")
_STEP = re.compile(r"\[case\d+ [^\]]*\d+/\d+\] (?!FROM )")
_AT_ONCE = 10
"""Builds in one call: on a busy machine BuildKit loses some of 100 (`forwarding Ping: no such job`)."""


def write(files: Mapping[str, Content], top: Path) -> Path:
    """The files in a folder, with the modes that a seal gives them."""
    for path, content in files.items():
        where = top / path
        where.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            where.symlink_to(content.text)
            continue
        data, runs = content if isinstance(content, tuple) else (content, False)
        where.write_bytes(data)
        where.chmod(0o755 if runs else 0o644)
    return top


@dataclass(frozen=True)
class Image:
    """An image as BuildKit made it: its digest, and the steps that it did not have in its cache."""

    digest: str
    built_anew: tuple[str, ...]


@dataclass(frozen=True)
class Builds:
    """Builds with one builder of one engine; `folder` is an empty one to work in."""

    engine: PrivateEngine
    folder: Path
    builder: str = "default"

    @property
    def env(self) -> dict[str, str]:
        """The environment of a child."""
        return {**os.environ, **self.engine.env, "BUILDX_CONFIG": str(self.folder / "buildx")}

    def whole(self, named: str, cases: Sequence[Case]) -> list[Result]:
        """Each case built from a folder with everything in it; many in one call."""
        found = []
        for start in range(0, len(cases), _AT_ONCE):
            found += self._baked(f"{named}-{start}", cases[start : start + _AT_ONCE])
        return found

    def sealed(self, named: str, cases: Sequence[Case]) -> list[Result]:
        """Each case built from its sealed context."""
        with ThreadPoolExecutor(2) as pool:
            return list(
                pool.map(lambda numbered: self._sealed(f"{named}-{numbered[0]}", numbered[1]), enumerate(cases))
            )

    def images(self, named: str, cases: Sequence[Case]) -> list[Image | None]:
        """The image that each case makes from a folder with everything in it; None where BuildKit refuses it.

        Of a step that several cases of one call have, BuildKit calls one cached, and merges the others into it: whether
        all of an image was cached is told of one that is alone in its call.
        """
        found: list[Image | None] = []
        for start in range(0, len(cases), _AT_ONCE):
            some = dict(enumerate(cases[start : start + _AT_ONCE]))
            made: dict[int, Image] = {}
            while some and not made:  # one that is refused stops all
                answer = self._images(f"{named}-{start}-{len(some)}", list(some.values()))
                if isinstance(answer, int):
                    some.pop(list(some)[answer])
                else:
                    made = dict(zip(some, answer, strict=True))
            found += (made.get(number) for number in range(len(cases[start : start + _AT_ONCE])))
        return found

    def _images(self, named: str, cases: Sequence[Case]) -> list[Image] | int:
        """The images, or the number of a case that BuildKit refuses."""
        top = self._bakeable(named, cases, "type=oci,dest={out},rewrite-timestamp=true")
        flags = ["--progress=rawjson", f"--metadata-file={top}/metadata.json"]
        done = self._call([*self._bake_argv(), *flags], cwd=top)
        if done.returncode:
            refused = _REFUSED.search(done.stderr.decode())
            assert refused, done.stderr.decode()[-3000:]
            return int(refused[1])
        told = [json.loads(line) for line in done.stderr.decode().splitlines() if line.startswith("{")]
        vertexes = [vertex for part in told for vertex in part.get("vertexes", ())]
        made = json.loads((top / "metadata.json").read_text())
        return [
            Image(made[f"case{number}"]["containerimage.digest"], _built_anew(vertexes, f"case{number}"))
            for number in range(len(cases))
        ]

    def asked(self, call: Literal["targets", "outline"], cases: Sequence[Case]) -> list[dict[str, Any]]:
        """What BuildKit says of each Dockerfile: its stages, or the arguments of its target."""
        found: list[dict[str, Any]] = []
        for start in range(0, len(cases), _AT_ONCE):
            some = cases[start : start + _AT_ONCE]
            answer = json.loads(self._bake(f"{call}-{start}", some, f"--call={call},format=json"))
            found += (answer["target"][f"case{number}"][call] for number in range(len(some)))
        return found

    def _baked(self, named: str, cases: Sequence[Case]) -> list[Result]:
        self._bake(named, cases)
        return [_result(self.folder / named / f"{number}.tar") for number in range(len(cases))]

    def _bake(self, named: str, cases: Sequence[Case], *flags: str) -> bytes:
        top = self._bakeable(named, cases, "type=tar,dest={out}")
        return self._run([*self._bake_argv(), *flags], cwd=top)

    def _bake_argv(self) -> list[str]:
        return ["bake", f"--builder={self.builder}", f"--allow=fs={self.folder}", "-f", "bake.json"]

    def _bakeable(self, named: str, cases: Sequence[Case], output: str) -> Path:
        """A folder with the contexts of many cases, and the file that has them built in one call."""
        top = self.folder / named
        targets = {}
        for number, case in enumerate(cases):
            context = write(case.files, top / str(number))
            apart = write({f"Dockerfile{end}": each for end, each in case.dockerfiles.items()}, top / f"{number}-apart")
            targets[f"case{number}"] = {
                "context": str(context),
                "args": dict(case.args),
                **({"dockerfile": str(apart / "Dockerfile")} if case.apart else {}),
                "contexts": {name: str(context / folder) for name, folder in case.contexts.items()},
                "output": [output.format(out=f"{top}/{number}.tar")],
                "attest": [{"type": "provenance", "disabled": "true"}],
                **({"target": case.target} if case.target else {}),
            }
        bake = {"target": targets, "group": {"default": {"targets": list(targets)}}}
        (top / "bake.json").write_text(json.dumps(bake))
        return top

    def sealed_repositories(self, named: str, repositories: Sequence[Repository]) -> list[Result]:
        """The image of each repository built from its sealed context."""
        return [
            self._seal(f"{named}-{number}", each.recipe, each.trees, each.case.dockerfile)
            for number, each in enumerate(repositories)
        ]

    def _sealed(self, named: str, case: Case) -> Result:
        tree, recipe = tree_of(case), recipe_of(case)
        trees = {"": tree, **{name: tree.sub(folder) for name, folder in recipe.folders.items()}}
        return self._seal(named, recipe, trees, case.dockerfile)

    def _seal(self, named: str, recipe: Recipe, trees: Mapping[str, Tree], dockerfile: bytes) -> Result:
        top = self.folder / named
        top.mkdir()
        argv = [
            "build",
            "--no-cache",
            f"--builder={self.builder}",
            f"--output=type=tar,dest={top}/out.tar",
        ]
        argv += [f"--build-arg={name}={value}" for name, value in recipe.build_args.items()]
        argv += [f"--target={recipe.target}"] if recipe.target else []
        context = seal(recipe.files, trees, dockerfile, top / "sealed", name="Dockerfile")
        argv += [f"--build-context={name}={folder}" for name, folder in context.named.items()]
        self._run([*argv, "-f", str(context.dockerfile), str(context.folder)], cwd=top)
        return _result(top / "out.tar")

    def _run(self, argv: Sequence[str], *, cwd: Path) -> bytes:
        done = self._call([*argv, "--progress=plain"], cwd=cwd)
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        return done.stdout

    def _call(self, argv: Sequence[str], *, cwd: Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [buildx.find(), *argv],
            cwd=cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )


def _built_anew(vertexes: Sequence[Mapping[str, Any]], target: str) -> tuple[str, ...]:
    """The steps of a target that did not come from BuildKit's cache."""
    steps = {vertex["digest"]: vertex["name"] for vertex in vertexes if _STEP.match(vertex["name"])}
    cached = {vertex["digest"] for vertex in vertexes if vertex.get("cached")}
    return tuple(name for digest, name in steps.items() if name.startswith(f"[{target} ") and digest not in cached)


def _result(tar: Path) -> Result:
    found: Result = {}
    with tarfile.open(tar) as members:
        for member in members:
            path = member.name.rstrip("/")
            data = members.extractfile(member).read() if member.isfile() else b""  # type: ignore[union-attr]
            found[path] = (member.type, member.mode, member.uid, member.gid, member.linkname, data)
    return found
