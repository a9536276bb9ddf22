"""An offline plan of many images against `docker buildx bake --print` of the same targets; plans with states."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from imageyard.builders import buildx
from imageyard.names import Reference
from measure import Ratio, compare, seconds
from running import installed

__all__ = ["planning", "publish_here"]

OWN = Path(__file__).parents[2] / ".ci" / "docker"

FAMILIES = 10
_TASKS = "from imageyard.cli import namespace\n\nns = namespace()\n"
_CATALOGUE = """\
registry: %(registry)s

defaults:
  checks:
    python: {run: python3 --version, version: "{PYTHON_VERSION}"}
    gcc:    {run: gcc --version, version: "{GCC_VERSION}"}

axes:
  plain:    {linux}
  os:       {bookworm: {DEBIAN_VERSION: 12}, trixie: {DEBIAN_VERSION: 13}}
  python:   {"py{3.9,3.10,3.11,3.12,3.13}": {PYTHON_VERSION: "{}"}}
  compiler: {"gcc{%(compilers)s}": {GCC_VERSION: "{}"}}
  variant:  {%(variants)s}

images:
"""
_FAMILY = """\
  family{n}:
    dockerfile: family{n}/Dockerfile
    target: final
    args: {{BASE: "debian:{{os}}-slim", OPENSSL: 3.5, CMAKE_VERSION: 4.1.2, NINJA_VERSION: 1.13, TRITON: "yes"}}
    names:
"""
_DOCKERFILE = """\
ARG BASE
FROM ${{BASE}} AS system
ARG DEBIAN_VERSION
COPY common/install_base.sh common/install_user.sh /tmp/
RUN /tmp/install_base.sh "${{DEBIAN_VERSION}}" && /tmp/install_user.sh

FROM system AS compiler
ARG GCC_VERSION
COPY common/install_gcc.sh /tmp/
RUN /tmp/install_gcc.sh "${{GCC_VERSION}}"
ARG CMAKE_VERSION
ARG NINJA_VERSION
COPY common/install_cmake.sh common/install_ninja.sh /tmp/
RUN /tmp/install_cmake.sh && /tmp/install_ninja.sh

FROM compiler AS final
ARG PYTHON_VERSION
ENV PATH=/opt/python/bin:$PATH
COPY common/install_python.sh common/requirements.txt /tmp/
RUN /tmp/install_python.sh "${{PYTHON_VERSION}}" -r /tmp/requirements.txt
ARG OPENSSL
COPY common/install_openssl.sh /tmp/
RUN if [ -n "${{OPENSSL}}" ]; then /tmp/install_openssl.sh; fi
ARG TRITON
ARG VARIANT
COPY family{n}/patches /tmp/patches
COPY common/install_triton.sh /tmp/
RUN if [ -n "${{TRITON}}" ]; then /tmp/install_triton.sh "${{VARIANT}}"; fi
USER ci
"""
_REGISTRY = """\
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: "127.0.0.1:0", secret: only-for-benches}
"""
_SCRIPTS = ("base", "user", "gcc", "cmake", "ninja", "python", "openssl", "triton")


def planning(folder: Path) -> list[Ratio]:
    """Whole commands; `folder` is an empty one to work in. Raises EnvironmentLacks where a program is missing."""
    installed("docker-registry")
    inv = str(Path(sys.executable).with_name("inv"))
    ours = [inv, "plan", "--offline", "--json"]
    peer = [buildx.find(), "bake", "--print", "--file", "bake.json"]
    yards = {images: write(folder / f"plan{images}", images) for images in (50, 100, 1000, 10_000)}
    few = compare("plan 50 images / bake --print + 0.4 s", (ours, yards[50]), (peer, yards[50]), mark=1.0)
    many = compare("plan 1,000 images / bake --print", (ours, yards[1000]), (peer, yards[1000]), mark=1.0)
    grown = compare("plan 10,000 images / 100 times 100", (ours, yards[10_000]), (ours, yards[100]), mark=1.0, runs=3)
    return [
        replace(few, peer=few.peer + 0.4),
        many,
        replace(grown, peer=grown.peer * 100),
        _states(folder / "states", inv),
        _push(folder / "push", inv),
    ]


def _states(yard: Path, inv: str) -> Ratio:
    """1,000 tags at a registry of this machine, all there, against the 3 seconds that they may take."""
    yard.mkdir()
    with _registry(yard) as host:
        write(yard / "plan", 1000, f"{host}/ci-image")
        _publish(yard / "plan")
        times = [seconds([inv, "plan", "--at", "trusted", "--json"], yard / "plan", dict(os.environ)) for _ in range(5)]
        found = subprocess.check_output([inv, "plan", "--at", "trusted", "--json"], cwd=yard / "plan")
    if any(row["action"] != "skip" for row in json.loads(found)["rows"]):
        raise SystemExit("the plan does not find what the registry has")
    return Ratio("plan 1,000 images at a local registry / 3 s", statistics.median(times), 3.0, 1.0, len(times))


def _push(yard: Path, inv: str) -> Ratio:
    """A push to main that finds all of this repository's images published and mirrored, against their offline plan.

    The registry is one of this machine, so that it is our share: what a job of GitHub adds (its start, the checkout,
    `pip install`, the login) is in the seconds that tests/real/ci/test_workflow_push.py reports.
    """
    top = yard / "plan"
    docker = top / ".ci" / "docker"
    shutil.copytree(OWN, docker, ignore=shutil.ignore_patterns("imageyard*"))
    (top / "tasks.py").write_text(_TASKS)
    with _registry(yard) as host:
        text = (docker / "images.yml").read_text()
        places = f"registry: {host}/ci-image\nmirrors: [{host}/mirror]"
        (docker / "images.yml").write_text(re.sub("^registry: .*$", places, text, count=1, flags=re.MULTILINE))
        git(top, "init", "-q", "--initial-branch=main")
        git(top, "add", "-A")
        git(top, "-c", "user.name=bench", "-c", "user.email=bench@example.invalid", "commit", "-qm", "bench")
        _publish_all(top)
        env = {**os.environ, **_event(yard, top)}
        offline, whole = [inv, "plan", "--offline", "--json"], [inv, "plan", "--github"]
        found = json.loads(subprocess.check_output(whole, cwd=top, env=env))
        if found["rows"] or found["images"]:
            raise SystemExit(f"a push that has nothing to do has work: {found}")
        return compare("plan a push to main / offline", (whole, top), (offline, top), mark=1.3, env=env)


def _event(yard: Path, top: Path) -> dict[str, str]:
    """What GitHub tells a job about a push to main."""
    sha = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=top, text=True).strip()
    repository = {"full_name": "bench/images", "fork": False}
    (yard / "event.json").write_text(json.dumps({"ref": "refs/heads/main", "after": sha, "repository": repository}))
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": str(yard / "event.json"),
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_REPOSITORY": "bench/images",
        "GITHUB_SHA": sha,
        "XDG_CACHE_HOME": str(yard),  # no stand-in bases of this machine: their tags are never published
    }


def _publish_all(top: Path) -> None:
    """Put a small image under every tag of rows and images, at the registry and at the mirror."""
    script = "from planning import publish_here; publish_here()"
    env = {**os.environ, "XDG_CACHE_HOME": str(top.parent), "PYTHONPATH": str(Path(__file__).parent)}
    subprocess.run([sys.executable, "-c", script], cwd=top, env=env, check=True)


def publish_here() -> None:
    """The work of `_publish_all`, in a process whose environment is that of the plan."""
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of

    project = find_project()
    recipes, images = recipes_of(project), project.catalogue.images
    tags = [recipes.tag(row) for row in project.catalogue.rows] + [recipes.index_tag(i) for i in images.values()]
    _put(project.repository, tags)
    mirror = replace(project.repository, repository="mirror")
    _put(mirror, [*(recipes.index_tag(image) for image in images.values()), *images])


@contextmanager
def _registry(folder: Path) -> Iterator[str]:
    """Debian's docker-registry on a free port; gives `HOST:PORT`."""
    config = folder / "registry.yml"
    config.write_text(_REGISTRY % (folder / "registry"))
    child = subprocess.Popen(["docker-registry", "serve", str(config)], stderr=subprocess.PIPE, text=True)
    assert child.stderr
    try:
        host = next(found[1] for line in child.stderr if (found := re.search(r"listening on ([0-9.]+:[0-9]+)", line)))
        drain = threading.Thread(target=child.stderr.read, daemon=True)  # a full pipe would stop it
        drain.start()
        yield host
    finally:
        child.kill()
        child.wait()


def _publish(yard: Path) -> None:
    """Put a small image under the tag of every row."""
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of

    project = find_project(start=yard)
    _put(project.repository, [recipes_of(project).tag(row) for row in project.catalogue.rows])


def _put(repository: Reference, tags: Sequence[str]) -> None:
    from imageyard.oci.manifests import OCI_MANIFEST
    from imageyard.parallel import each
    from imageyard.registry.client import Client
    from imageyard.registry.upload import push_bytes

    client = Client()
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {}}).encode()
    kind = "application/vnd.oci.image.config.v1+json"
    entry = {"mediaType": kind, "digest": push_bytes(client, repository, config), "size": len(config)}
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": entry, "layers": []}).encode()
    each(tags, lambda tag: client.put(repository.with_tag(tag), body, OCI_MANIFEST), 8)


def write(yard: Path, images: int, registry: str = "registry.example.invalid/ci-image") -> Path:
    """A repository with a catalogue of so many images, and `bake.json` with the targets that they are."""
    docker = yard / ".ci" / "docker"
    docker.mkdir(parents=True)
    (yard / "tasks.py").write_text(_TASKS)
    (docker / "images.yml").write_text(catalogue(images, registry))
    lock = [f"debian:{os}-slim@sha256:{digit * 64}  # 2026-01-01" for os, digit in (("bookworm", "1"), ("trixie", "2"))]
    (docker / "images.lock").write_text("\n".join(lock) + "\n")
    (docker / "common").mkdir()
    for name in _SCRIPTS:
        (docker / "common" / f"install_{name}.sh").write_text(f"#!/bin/sh\nset -eu\necho {name}\n" * 20)
    (docker / "common" / "requirements.txt").write_text("numpy==2.3.1\n" * 40)
    for n in range(FAMILIES):
        patches = docker / f"family{n}" / "patches"
        patches.mkdir(parents=True)
        (patches.parent / "Dockerfile").write_text(_DOCKERFILE.format(n=n))
        for patch in range(5):
            (patches / f"{patch}.patch").write_text(f"{n} {patch}\n" * 200)
    git(yard, "init", "-q")
    git(yard, "add", "-A")
    git(yard, "-c", "user.name=bench", "-c", "user.email=bench@example.invalid", "commit", "-qm", "bench")
    (yard / "bake.json").write_text(json.dumps(bake(yard)))
    return yard


def git(yard: Path, *argv: str) -> None:
    """Run git in the repository."""
    subprocess.run(["git", *argv], cwd=yard, check=True)


def catalogue(images: int, registry: str) -> str:
    """The catalogue's text: two systems, five Pythons, compilers, and variants spread over the families."""
    compilers = 5 if images < 100 else 10
    variants = max(images // 100, 1)
    words = ", ".join(f'"v{v}": {{VARIANT: "{v}"}}' for v in range(variants))
    head = {"registry": registry, "compilers": ",".join(map(str, range(6, 6 + compilers))), "variants": words}
    return _CATALOGUE % head + "".join(_families(variants))


def _families(variants: int) -> Iterator[str]:
    for n in range(min(FAMILIES, variants)):
        yield _FAMILY.format(n=n)
        yield from (f"      linux-{{os}}-{{python}}-{{compiler}}-v{v}:\n" for v in range(n, variants, FAMILIES))


def bake(yard: Path) -> dict[str, object]:
    """The same images as bake targets: file, target, platform, args, tags and the bindings of their bases."""
    from imageyard.names import platform_of
    from imageyard.project.project import find_project
    from imageyard.project.recipes import recipes_of

    project = find_project(start=yard)
    recipes = recipes_of(project)
    targets: dict[str, object] = {}
    for row in project.catalogue.rows:
        recipe = recipes.of(row)
        name = row.name.replace(".", "_")
        targets[name] = {
            "context": ".ci/docker",
            "dockerfile": row.image.dockerfile,
            "target": row.image.target,
            "platforms": [platform_of(row.arch)],
            "args": dict(recipe.args),
            "contexts": {s.name: f"docker-image://{s.name}@{s.value}" for s in recipe.sources},
            "tags": [f"{project.repository.with_tag(recipes.tag(row))}"],
        }
    return {"group": {"default": {"targets": list(targets)}}, "target": targets}
